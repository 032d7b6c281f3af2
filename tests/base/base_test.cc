#include "base/base.h"

#include <gtest/gtest.h>

#include <array>

namespace gossamer {
namespace {

// Goal: mix64 is frozen, since sketches of different builds must agree. Method: known vectors.
TEST(Random, Mix64GivesItsFrozenVectors) {
  EXPECT_EQ(mix64(0), 0xe220a8397b1dcdafu);
  EXPECT_EQ(mix64(1), 0x910a2dec89025cc1u);
  EXPECT_NE(mix64(1, 2), mix64(2, 1));
}

// Goal: below() stays in range and reaches every value. Method: many draws of a small range.
TEST(Random, BelowStaysInRangeAndReachesEveryValue) {
  Random random(7);
  std::array<int, 5> seen{};
  for (int i = 0; i < 1000; ++i) ++seen.at(random.below(5));
  for (const int count : seen) EXPECT_GT(count, 100);
}

// Goal: an Error passes through GOSSAMER_TRY unchanged. Method: a function that fails inside another.
TEST(Result, TryReturnsTheErrorUnchanged) {
  const auto inner = []() -> Status { return Error{Code::peer_lost, "rank 3 is gone", Rank{3}}; };
  const auto outer = [&]() -> Result<int> {
    GOSSAMER_TRY(inner());
    return 1;
  };
  const Result<int> result = outer();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::peer_lost);
  EXPECT_EQ(result.error().message, "rank 3 is gone");
  EXPECT_EQ(result.error().rank, Rank{3});
}

// Goal: taking the value of a failed Result stops the process in every build. Method: death test.
TEST(ResultDeathTest, ValueOfAFailureStopsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Result<int> failed = Error{Code::internal, "the reason"};
  EXPECT_DEATH(static_cast<void>(failed.value()), "the reason");
}

// Goal: durations and sizes read well in messages. Method: one value of each range.
TEST(Text, DurationsAndSizesAreReadable) {
  EXPECT_EQ(format_duration(870), "870 ns");
  EXPECT_EQ(format_duration(12'345'678), "12.3 ms");
  EXPECT_EQ(format_duration(5'000'000'000), "5.0 s");
  EXPECT_EQ(format_bytes(17), "17 B");
  EXPECT_EQ(format_bytes(4096), "4.0 KiB");
}

// Goal: nothing reaches the sink below its level. Method: a counting sink.
TEST(Log, SinkGetsOnlyItsLevelAndAbove) {
  int count = 0;
  set_log_sink(LogLevel::warning, [&](LogLevel, std::string_view) { ++count; });
  log(LogLevel::info, "quiet");
  log(LogLevel::error, "loud");
  set_log_sink(LogLevel::error, {});
  log(LogLevel::error, "off");
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace gossamer
