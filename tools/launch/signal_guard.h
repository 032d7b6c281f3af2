// The signals of a process that starts others.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/base.h"

namespace gossamer::tools {

// This process's signals while a job runs: read from a descriptor instead of interrupting anything.
class SignalGuard {
 public:
  SignalGuard() {
    sigset_t mask;
    sigemptyset(&mask);
    for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP}) sigaddset(&mask, each);
    sigprocmask(SIG_BLOCK, &mask, &former_mask_);
    descriptor_ = UniqueDescriptor(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, &former_pipe_);  // a closed output is seen as EPIPE
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;
  ~SignalGuard() {
    sigaction(SIGPIPE, &former_pipe_, nullptr);
    sigprocmask(SIG_SETMASK, &former_mask_, nullptr);
  }
  [[nodiscard]] int descriptor() const { return descriptor_.value(); }
  // The next signal that has come, 0 if none.
  [[nodiscard]] int next() const {
    signalfd_siginfo info;
    return ::read(descriptor(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }
  // Stops this process as an unhandled SIGTSTP does, which is not at all where nobody could let it go on (an orphaned
  // group). Returns once it goes on.
  void stop_here() const {
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    ::raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, nullptr);
    sigprocmask(SIG_BLOCK, &stop, nullptr);
  }

 private:
  UniqueDescriptor descriptor_;
  sigset_t former_mask_;
  struct sigaction former_pipe_;
};

}  // namespace gossamer::tools
