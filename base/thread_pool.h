// A few threads that share loops: the caller's and some of the pool's own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"

namespace gossamer {

struct ThreadPoolConfig {
  std::uint32_t threads = 1;  // the caller of `run` is one of them; 1 to 256
  bool pin = false;           // bind each of the pool's own to a core of its own (hwloc); the caller stays free
};

class ThreadPool {
 public:
  // invalid_argument for a count out of range, out_of_resources when the system gives no thread. A thread that
  // cannot be pinned is a warning.
  [[nodiscard]] static Result<std::unique_ptr<ThreadPool>> make(const ThreadPoolConfig& config);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] std::uint32_t threads() const { return static_cast<std::uint32_t>(workers_.size()) + 1; }

  // body(part, thread) for every part in [0, parts), parts < 2^20, begun in ascending order; returns when all have
  // ended, with their writes visible. `thread` < threads() is the same for all that one thread runs. Allocates
  // nothing. Any thread may call; while a loop runs, another caller's loop runs on that caller alone.
  void run(std::uint32_t parts, FunctionRef<void(std::uint32_t part, std::uint32_t thread)> body);

 private:
  ThreadPool() = default;
  void work(std::uint32_t thread);
  bool take_part(std::uint64_t& seen, std::uint32_t& part);

  // The loop that runs: 24 bits of its number, 20 of how many parts it has, 20 of the next one. Taking a part by
  // compare-and-swap proves that the loop is still that one, so `body_` is its body.
  std::atomic<std::uint64_t> next_{0};
  std::atomic<std::uint32_t> unfinished_{0};
  FunctionRef<void(std::uint32_t, std::uint32_t)> body_;
  std::mutex running_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

// Runs the loop on the pool, or on the caller alone where there is none.
inline void run_parts(ThreadPool* pool, std::uint32_t parts, FunctionRef<void(std::uint32_t, std::uint32_t)> body) {
  if (pool != nullptr) {
    pool->run(parts, body);
  } else {
    for (std::uint32_t part = 0; part < parts; ++part) body(part, 0);
  }
}

}  // namespace gossamer
