// The end of an operation without a wait: who is told, when and how often.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include "tests/runtime/thread_cluster.h"

namespace gossamer::runtime {
namespace {

using ::testing::HasSubstr;
using testing::ThreadCluster;

constexpr std::chrono::seconds patience{20};

CompressorConfig dense() {
  CompressorConfig config;
  config.algorithm = AlgorithmKind::dense;
  config.tensors = {{"w", 100, false}};
  config.momentum = 0.0;
  config.clip = 0.0;
  return config;
}

Status start_step(Compressor& compressor, float value) {
  const std::vector<float> gradient(compressor.layout().dimension(), value);
  const float* const pointer = gradient.data();
  GOSSAMER_TRY(compressor.compress(&pointer));
  return compressor.reduce();
}

// What it was told, and by whom.
class Told {
 public:
  [[nodiscard]] Observer observer() { return {&Told::tell, this}; }
  [[nodiscard]] int count() const { return count_.load(); }
  // The code, or `pending` where nothing is told in time.
  Code wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return count_.load() > 0; });
    return code_;
  }
  [[nodiscard]] bool was_here() const { return thread_ == std::this_thread::get_id(); }

 private:
  static void tell(void* context, std::int32_t code) {
    Told& self = *static_cast<Told*>(context);
    EXPECT_TRUE(is_in_observer());
    const std::lock_guard lock(self.mutex_);
    self.code_ = static_cast<Code>(code);
    self.thread_ = std::this_thread::get_id();
    self.count_.fetch_add(1);
    self.changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<int> count_{0};
  Code code_ = Code::pending;
  std::thread::id thread_;
};

// Goal: inline, nobody is told before the caller moves data; then once, in that call. Method: rank 0 waits, rank 1
// tests.
TEST(Completion, InlineIsToldByTheCallThatEndsIt) {
  ThreadCluster cluster(2);
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    const auto made = session.make_compressor(dense());
    ASSERT_TRUE(made.ok()) << made.error().message;
    Told told;
    ASSERT_TRUE(start_step(**made, static_cast<float>(rank)).ok());
    ASSERT_TRUE((*made)->plan().observe(told.observer()).ok());
    if (rank == 0) {
      EXPECT_TRUE((*made)->wait(20'000'000'000).ok());
    } else {
      const auto until = std::chrono::steady_clock::now() + patience;
      while ((*made)->test().value() == Code::pending && std::chrono::steady_clock::now() < until)
        EXPECT_EQ(told.count(), 0);
    }
    EXPECT_EQ(told.count(), 1);
    EXPECT_TRUE(told.was_here());
    EXPECT_FALSE(is_in_observer());
    // Ended already: told at once, by this call.
    Told late;
    ASSERT_TRUE((*made)->plan().observe(late.observer()).ok());
    EXPECT_EQ(late.count(), 1);
    EXPECT_EQ(late.wait(), Code::done);
  });
}

// Goal: with a progress thread it is told by that, while the caller does something else, and the result is there then.
// Method: the caller only waits to be told; the other rank starts when the first is observed.
TEST(Completion, AThreadTellsWhileTheCallerComputes) {
  ThreadCluster cluster(2);
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    ASSERT_TRUE(session.start_thread().ok());
    const auto made = session.make_compressor(dense());
    ASSERT_TRUE(made.ok()) << made.error().message;
    Told told, second;
    if (rank == 1) {
      ASSERT_TRUE(session.barrier(0).ok());
    }
    ASSERT_TRUE(start_step(**made, static_cast<float>(rank)).ok());
    ASSERT_TRUE((*made)->plan().observe(told.observer()).ok());
    if (rank == 0) {
      const Status refused = (*made)->plan().observe(second.observer());
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().code, Code::invalid_argument);
      EXPECT_EQ(told.count(), 0) << "rank 1 has not started";
      ASSERT_TRUE(session.barrier(0).ok());
      EXPECT_EQ(told.wait(), Code::done);
      EXPECT_FALSE(told.was_here());
    }
    EXPECT_EQ(told.wait(), Code::done);
    EXPECT_EQ((*made)->test().value(), Code::done);
    EXPECT_EQ((*made)->update()->values[0], 0.5f);
    EXPECT_EQ(told.count(), 1);
    EXPECT_EQ(second.count(), 0);
  });
}

// Goal: each operation tells once, also where it ends at the moment in which it is observed, and the next one starts in
// the moment in which it is told. Method: three hundred operations of three ranks with threads, as fast as they go.
TEST(Completion, NoneIsLostOrToldTwice) {
  ThreadCluster cluster(3);
  cluster.on_each([&](std::uint32_t, Session& session) {
    ASSERT_TRUE(session.start_thread().ok());
    const auto made = session.make_compressor(dense());
    ASSERT_TRUE(made.ok()) << made.error().message;
    for (int step = 0; step < 300; ++step) {
      // Its last step is behind all that the thread does with it: a late or second call would find it gone.
      struct Count {
        std::atomic<int> count{0};
      } told;
      const Observer observer{[](void* context, std::int32_t code) {
                                EXPECT_EQ(code, static_cast<std::int32_t>(Code::done));
                                static_cast<Count*>(context)->count.fetch_add(1);
                              },
                              &told};
      ASSERT_TRUE(start_step(**made, 1.0f).ok());
      if (step % 3 == 1) {
        ASSERT_TRUE((*made)->wait(20'000'000'000).ok());
      }
      ASSERT_TRUE((*made)->plan().observe(observer).ok());
      const auto until = std::chrono::steady_clock::now() + patience;
      while (told.count.load() == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
      ASSERT_EQ(told.count.load(), 1) << "step " << step;
      ASSERT_EQ((*made)->test().value(), Code::done);
    }
  });
}

// Goal: an operation that fails tells its error, and one that is given up tells CANCELLED before it is gone. Method:
// NaN on a rank; then destroyed while the other rank never starts; with and without a thread.
TEST(Completion, FailureAndGivingUpAreTold) {
  for (const bool has_thread : {false, true}) {
    SCOPED_TRACE(has_thread ? "thread" : "inline");
    ThreadCluster cluster(2);
    cluster.on_each([&](std::uint32_t rank, Session& session) {
      if (has_thread) {
        ASSERT_TRUE(session.start_thread().ok());
      }
      const auto made = session.make_compressor(dense());
      ASSERT_TRUE(made.ok()) << made.error().message;
      Told failed, given_up;
      ASSERT_TRUE(start_step(**made, rank == 1 ? std::numeric_limits<float>::quiet_NaN() : 1.0f).ok());
      ASSERT_TRUE((*made)->plan().observe(failed.observer()).ok());
      EXPECT_FALSE((*made)->wait(20'000'000'000).ok());
      EXPECT_EQ(failed.wait(), Code::not_finite);
      ASSERT_TRUE(session.barrier(0).ok());
      if (rank == 0) {
        ASSERT_TRUE(start_step(**made, 1.0f).ok());
        ASSERT_TRUE((*made)->plan().observe(given_up.observer()).ok());
        session.destroy_compressor(*made);
        EXPECT_EQ(given_up.count(), 1);
        EXPECT_EQ(given_up.wait(), Code::cancelled);
      }
      ASSERT_TRUE(session.barrier(0).ok());
    });
  }
}

}  // namespace
}  // namespace gossamer::runtime
