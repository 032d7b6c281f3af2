// A program's signals, kept as they are by what runs on its behalf.
#pragma once

#include <signal.h>

#include <array>

namespace gossamer {

// No signal but its own faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS) reaches the calling thread while this
// lives, nor ever a thread that is made meanwhile, since threads
// inherit the mask of their maker: signals stay with the program's own threads.
class BlockedSignals {
 public:
  BlockedSignals();
  ~BlockedSignals();
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

// What libraries underneath do to signals while this lives is undone: every signal's disposition and the calling
// thread's alternate stack are as before, and threads that they make get no signal. A signal that comes to the calling
// thread meanwhile waits, and meets the program's own disposition. Costs some 20 us. A handler that another thread of
// the program sets meanwhile is lost.
class KeptSignals {
 public:
  KeptSignals();
  ~KeptSignals();
  KeptSignals(const KeptSignals&) = delete;
  KeptSignals& operator=(const KeptSignals&) = delete;

 private:
  BlockedSignals blocked_;  // first: the mask is put back when the dispositions are
  std::array<struct sigaction, NSIG> before_{};
  stack_t stack_{};
};

}  // namespace gossamer
