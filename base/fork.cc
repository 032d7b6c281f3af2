#include "base/fork.h"

#include <pthread.h>

namespace gossamer {

void count_forks() {
  static const int counted =
      ::pthread_atfork(nullptr, nullptr, [] { detail::forks.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(counted);
}

}  // namespace gossamer
