#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

#include "base/base.h"

namespace gossamer {
namespace {

std::unique_ptr<ThreadPool> make_pool(std::uint32_t threads, bool pin = false) {
  auto pool = ThreadPool::make({threads, pin});
  EXPECT_TRUE(pool.ok());
  return std::move(*pool);
}

// Goal: every part runs exactly once, its writes are seen by the caller, and thread numbers are in range. Method:
// loops of many sizes one after the other, each part counted.
TEST(ThreadPool, RunsEveryPartOnce) {
  for (const std::uint32_t threads : {1u, 2u, 3u, 8u}) {
    const auto pool = make_pool(threads);
    ASSERT_EQ(pool->threads(), threads);
    for (std::uint32_t parts = 0; parts < 200; ++parts) {
      std::vector<int> counts(parts, 0);  // not atomic: a part is one thread's
      std::atomic<bool> in_range{true};
      pool->run(parts, [&](std::uint32_t part, std::uint32_t thread) {
        ++counts[part];
        if (thread >= threads) in_range = false;
      });
      EXPECT_EQ(counts, std::vector<int>(parts, 1)) << threads << " threads";
      EXPECT_TRUE(in_range);
    }
  }
}

// Goal: parts begin in ascending order, so a part may wait for the one before it. Method: parts that pass a turn on.
TEST(ThreadPool, PartsMayWaitForThoseBeforeThem) {
  const auto pool = make_pool(4);
  for (int round = 0; round < 50; ++round) {
    std::atomic<std::uint32_t> turn{0};
    pool->run(100, [&](std::uint32_t part, std::uint32_t) {
      while (turn.load() != part) std::this_thread::yield();
      turn.store(part + 1);
    });
    EXPECT_EQ(turn.load(), 100u);
  }
}

// Goal: a loop inside a loop, and loops of several callers, all end. Method: both at once.
TEST(ThreadPool, LoopsOfSeveralCallersAllEnd) {
  const auto pool = make_pool(3);
  std::atomic<int> done{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        pool->run(5, [&](std::uint32_t, std::uint32_t) {
          pool->run(3, [&](std::uint32_t, std::uint32_t) { done.fetch_add(1); });
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(done.load(), 4 * 20 * 5 * 3);
}

// Goal: pinning changes where threads run, not what they do. Method: as above, pinned.
TEST(ThreadPool, PinnedThreadsWorkToo) {
  const auto pool = make_pool(2, true);
  std::atomic<int> done{0};
  pool->run(1000, [&](std::uint32_t, std::uint32_t) { done.fetch_add(1); });
  EXPECT_EQ(done.load(), 1000);
}

// Goal: an impossible count is refused with the range. Method: both ends.
TEST(ThreadPool, ImpossibleCountsAreRefused) {
  for (const std::uint32_t threads : {0u, 257u}) {
    const auto pool = ThreadPool::make({threads, false});
    ASSERT_FALSE(pool.ok());
    EXPECT_EQ(pool.error().code, Code::invalid_argument);
    EXPECT_NE(pool.error().message.find("expected 1 to 256"), std::string::npos) << pool.error().message;
  }
}

std::size_t threads_of_this_process() {
  const std::filesystem::directory_iterator threads("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(threads), end(threads)));
}

// Whether this process comes to have so many: a thread that was joined is listed for some microseconds more.
bool comes_to_threads(std::size_t count) {
  constexpr std::uint64_t limit_ns = 5'000'000'000;
  const SteadyClock clock;
  const std::uint64_t end_ns = clock.now_ns() + limit_ns;
  while (threads_of_this_process() != count) {
    if (clock.now_ns() > end_ns) return false;
    sched_yield();
  }
  return true;
}

// Goal: a pool that never ran, or has just run, can be destroyed at once, with what it ran done and no thread left.
// Method: many short lives, parts and threads counted.
TEST(ThreadPool, ShortLivesEndCleanly) {
  std::size_t with_pool = 0;
  std::atomic<int> done{0};
  for (int round = 0; round < 100; ++round) {
    const auto pool = make_pool(3);
    if (round == 0) with_pool = threads_of_this_process();  // a sanitizer's own thread is there from the first on
    EXPECT_TRUE(comes_to_threads(with_pool));
    if (round % 2 == 0) pool->run(2, [&](std::uint32_t, std::uint32_t) { done.fetch_add(1); });
  }
  EXPECT_EQ(done.load(), 50 * 2);
  EXPECT_TRUE(comes_to_threads(with_pool - 2));
}

}  // namespace
}  // namespace gossamer
