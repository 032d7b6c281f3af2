// What a launcher is owed at the exit of a process that has spoken to it: a good-bye, without which it takes the exit
// for a failure and ends the other ranks. Only in the process that spoke: a forked child's exit is not the job's.
#pragma once

#include <unistd.h>

#include <cstdlib>

namespace gossamer::runtime {

// Calls `duty` once at exit(); not at _exit(), exec or death by a signal. False where the C library has no memory left.
template <void (*duty)()>
bool owe_at_exit() {
  static const pid_t owner = ::getpid();
  static const bool registered = std::atexit([] {
                                   if (::getpid() == owner) duty();
                                 }) == 0;
  return registered;
}

}  // namespace gossamer::runtime
