// Counts the locks that this thread takes: mutexes, spin locks, and locks of readers and writers of POSIX, in the
// program and in every library of it.
#pragma once

#include <cstddef>

namespace gossamer::testing {

// False where a sanitizer stands in front of the same functions.
[[nodiscard]] bool counts_locks();
// Taken by code of the program itself, which holds all of Gossamer; of this thread, since it began.
[[nodiscard]] std::size_t own_lock_count();
// Taken by shared libraries.
[[nodiscard]] std::size_t library_lock_count();

}  // namespace gossamer::testing
