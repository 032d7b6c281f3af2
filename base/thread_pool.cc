#include "base/thread_pool.h"

#include <hwloc.h>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

namespace gossamer {

namespace {

constexpr std::uint32_t threads_max = 256;
constexpr std::uint32_t parts_max = (1u << 20) - 1;
constexpr int spins = 4'000;  // some 20 us: as long as waking a sleeper takes

std::uint64_t loop_of(std::uint64_t next) { return next >> 40; }
std::uint32_t parts_of(std::uint64_t next) { return static_cast<std::uint32_t>(next >> 20) & parts_max; }
std::uint32_t part_of(std::uint64_t next) { return static_cast<std::uint32_t>(next) & parts_max; }

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Binds threads[i] to the (i + 1)-th of evenly spread cores that this process may use; the caller's is the first.
void pin_threads(std::vector<std::thread>& threads) {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return;
  bool pinned = hwloc_topology_load(topology) == 0;
  if (pinned) {
    std::vector<hwloc_cpuset_t> sets(threads.size() + 1, nullptr);
    hwloc_obj_t root = hwloc_get_root_obj(topology);
    pinned = hwloc_distrib(topology, &root, 1, sets.data(), static_cast<unsigned>(sets.size()), INT_MAX, 0) == 0;
    for (std::size_t i = 0; pinned && i < threads.size(); ++i)
      pinned = hwloc_set_thread_cpubind(topology, threads[i].native_handle(), sets[i + 1], 0) == 0;
    for (const hwloc_cpuset_t set : sets) hwloc_bitmap_free(set);
  }
  hwloc_topology_destroy(topology);
  if (!pinned)
    log(LogLevel::warning, "the pool's threads could not be pinned to cores: they run where the system puts them");
}

}  // namespace

Result<std::unique_ptr<ThreadPool>> ThreadPool::make(const ThreadPoolConfig& config) {
  if (config.threads < 1 || config.threads > threads_max)
    return Error{Code::invalid_argument, text("threads is ", config.threads, ", expected 1 to ", threads_max)};
  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  pool->workers_.reserve(config.threads - 1);
  for (std::uint32_t thread = 1; thread < config.threads; ++thread) {
    auto worker = make_thread(text("a pool of ", config.threads), [raw = pool.get(), thread] { raw->work(thread); });
    GOSSAMER_TRY(worker);
    pool->workers_.push_back(std::move(*worker));
  }
  if (config.pin && !pool->workers_.empty()) pin_threads(pool->workers_);
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  next_.fetch_add(std::uint64_t{1} << 40);
  next_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ThreadPool::take_part(std::uint64_t& seen, std::uint32_t& part) {
  while (part_of(seen) < parts_of(seen)) {
    part = part_of(seen);
    if (next_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      ++seen;
      return true;
    }
  }
  return false;
}

void ThreadPool::run(std::uint32_t parts, FunctionRef<void(std::uint32_t, std::uint32_t)> body) {
  GOSSAMER_CHECK(parts <= parts_max, "more parts than a loop can have");
  std::unique_lock<std::mutex> lock;
  if (parts > 1 && !workers_.empty()) lock = std::unique_lock(running_, std::try_to_lock);
  if (!lock.owns_lock()) {
    for (std::uint32_t part = 0; part < parts; ++part) body(part, 0);
    return;
  }
  body_ = body;
  unfinished_.store(parts, std::memory_order_relaxed);
  std::uint64_t seen = (loop_of(next_.load(std::memory_order_relaxed)) + 1) << 40 | std::uint64_t{parts} << 20;
  next_.store(seen, std::memory_order_release);
  next_.notify_all();
  for (std::uint32_t part = 0; take_part(seen, part);) {
    body(part, 0);
    unfinished_.fetch_sub(1, std::memory_order_acq_rel);
  }
  for (int i = 0; i < spins && unfinished_.load(std::memory_order_acquire) != 0; ++i) pause();
  for (std::uint32_t left = 0; (left = unfinished_.load(std::memory_order_acquire)) != 0;) unfinished_.wait(left);
}

void ThreadPool::work(std::uint32_t thread) {
  while (true) {
    std::uint64_t seen = next_.load(std::memory_order_acquire);
    for (int i = 0; i < spins && part_of(seen) >= parts_of(seen) && !stopping_.load(); ++i) {
      pause();
      seen = next_.load(std::memory_order_acquire);
    }
    if (stopping_.load()) return;
    for (std::uint32_t part = 0; take_part(seen, part);) {
      body_(part, thread);
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
    }
    if (!stopping_.load()) next_.wait(seen, std::memory_order_acquire);
  }
}

}  // namespace gossamer
