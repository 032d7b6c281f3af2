#include "base/signals.h"

#include <pthread.h>

#include <cstring>

namespace gossamer {
namespace {

// The kernel's part of a mask; the C library's type has more, which nobody fills.
constexpr std::size_t mask_bytes = NSIG / 8;

// What a thread does to itself. Blocked, it would end the process without the program's handler, a crash reporter's or
// a sanitizer's (POSIX leaves it undefined).
constexpr std::array faults = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

bool is_same(const struct sigaction& a, const struct sigaction& b) {
  return a.sa_flags == b.sa_flags && a.sa_sigaction == b.sa_sigaction &&
         std::memcmp(&a.sa_mask, &b.sa_mask, mask_bytes) == 0;
}

}  // namespace

BlockedSignals::BlockedSignals() {
  sigset_t all;
  ::sigfillset(&all);
  for (const int fault : faults) ::sigdelset(&all, fault);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

BlockedSignals::~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

// The C library refuses the two signals of its own; nobody else sets those either.
KeptSignals::KeptSignals() {
  for (int signal = 1; signal < NSIG; ++signal)
    ::sigaction(signal, nullptr, &before_[static_cast<std::size_t>(signal)]);
  ::sigaltstack(nullptr, &stack_);
}

KeptSignals::~KeptSignals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    const struct sigaction& before = before_[static_cast<std::size_t>(signal)];
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && !is_same(now, before)) ::sigaction(signal, &before, nullptr);
  }
  stack_t now{};
  if (::sigaltstack(nullptr, &now) == 0 && (now.ss_sp != stack_.ss_sp || now.ss_flags != stack_.ss_flags))
    ::sigaltstack(&stack_, nullptr);
}

}  // namespace gossamer
