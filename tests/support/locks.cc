// Stands in front of the C library's functions: a program's own come first, for libraries too.
#include "tests/support/locks.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)

namespace gossamer::testing {

bool counts_locks() { return false; }
std::size_t own_lock_count() { return 0; }
std::size_t library_lock_count() { return 0; }

}  // namespace gossamer::testing

#else

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <functional>

namespace {

thread_local std::size_t own_locks = 0;
thread_local std::size_t library_locks = 0;

// The bounds of the program's code (ld(1)).
extern "C" const char __executable_start;
extern "C" const char etext;

// The C library's function behind this one. Found again and again at the beginning, by several threads perhaps: all
// find the same.
template <typename Lock>
using Function = int (*)(Lock*);

template <typename Lock>
int count_and_call(std::atomic<Function<Lock>>& next, const char* name, const void* caller, Lock* lock) {
  const std::less<const void*> before;
  const bool own = !before(caller, &__executable_start) && before(caller, &etext);
  ++(own ? own_locks : library_locks);
  Function<Lock> function = next.load(std::memory_order_relaxed);
  if (function == nullptr) {
    function = reinterpret_cast<Function<Lock>>(::dlsym(RTLD_NEXT, name));
    next.store(function, std::memory_order_relaxed);
  }
  return function(lock);
}

}  // namespace

#define GOSSAMER_COUNTED(function, lock)                                          \
  extern "C" [[gnu::visibility("default")]] int function(lock* object) noexcept { \
    static constinit std::atomic<Function<lock>> next{nullptr};                   \
    return count_and_call(next, #function, __builtin_return_address(0), object);  \
  }

GOSSAMER_COUNTED(pthread_mutex_lock, pthread_mutex_t)
GOSSAMER_COUNTED(pthread_mutex_trylock, pthread_mutex_t)
GOSSAMER_COUNTED(pthread_spin_lock, pthread_spinlock_t)
GOSSAMER_COUNTED(pthread_spin_trylock, pthread_spinlock_t)
GOSSAMER_COUNTED(pthread_rwlock_rdlock, pthread_rwlock_t)
GOSSAMER_COUNTED(pthread_rwlock_wrlock, pthread_rwlock_t)

namespace gossamer::testing {

bool counts_locks() { return true; }
std::size_t own_lock_count() { return own_locks; }
std::size_t library_lock_count() { return library_locks; }

}  // namespace gossamer::testing

#endif
