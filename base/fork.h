// Telling a forked child from the process that made a thing.
#pragma once

#include <atomic>
#include <cstdint>

namespace gossamer {

namespace detail {
inline std::atomic<std::uint64_t> forks{0};
}

// How many forks lie between this process and the one that called `count_forks` first: differs in a child from what
// it was in the parent. One load; the process id is a system call.
[[nodiscard]] inline std::uint64_t fork_count() { return detail::forks.load(std::memory_order_relaxed); }

// From now on forks are counted, in the child (pthread_atfork). Any number of calls. Not those that a program makes by
// the bare system call, or by vfork, whose child may call nothing.
void count_forks();

}  // namespace gossamer
