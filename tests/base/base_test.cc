#include "base/base.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <locale>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/tools/temporary_folder.h"

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

// Goal: GOSSAMER_ASSIGN gives a Result's value to a variable that is there, to one that it declares, and to one that
// can only be moved; an error passes unchanged and leaves the variable. Method: functions of each kind; commas and
// braces in the expression.
TEST(Result, AssignMovesTheValueOrReturnsTheErrorUnchanged) {
  const auto pair_of = [](int a, int b, bool fails) -> Result<std::pair<int, int>> {
    if (fails) return Error{Code::peer_lost, "gone", Rank{3}, 17};
    return std::pair(a, b);
  };
  const auto boxed = [](int value) -> Result<std::unique_ptr<int>> { return std::make_unique<int>(value); };
  std::unique_ptr<int> box = std::make_unique<int>(1);
  std::pair<int, int> both{5, 6};
  const auto all = [&](bool fails) -> Result<int> {
    GOSSAMER_ASSIGN(box, boxed(2));
    GOSSAMER_ASSIGN(const auto declared, boxed(40));
    GOSSAMER_ASSIGN(both, pair_of(std::pair<int, int>{7, 8}.first, 9, fails));
    return *box + *declared;
  };
  const Result<int> failed = all(true);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Code::peer_lost);
  EXPECT_EQ(failed.error().message, "gone");
  EXPECT_EQ(failed.error().rank, Rank{3});
  EXPECT_EQ(failed.error().index, 17u);
  EXPECT_EQ(both, std::pair(5, 6));
  const Result<int> done = all(false);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(*done, 42);
  EXPECT_EQ(both, std::pair(7, 9));
}

// Goal: an expression that is a variable keeps its value. Method: the same Result twice.
TEST(Result, AssignLeavesAVariableItsValue) {
  const Result<std::string> words = std::string("a value that is too long to be inside of the string");
  const auto twice = [&]() -> Result<bool> {
    GOSSAMER_ASSIGN(const auto first, words);
    GOSSAMER_ASSIGN(const auto second, words);
    return first == second && first == *words;
  };
  EXPECT_TRUE(*twice());
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

// Goal: text of numbers is the same whatever the program's locale is. Method: a locale with 1.234,5 as the program's.
TEST(Text, ALocaleHasNoSayInNumbers) {
  struct CommaNumbers : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new CommaNumbers));
  std::ostringstream as_the_program;
  as_the_program << 1239567 << ' ' << 0.5;
  const std::string numbers = text(1239567, " ", std::uint64_t{1} << 40, " ", -1234, " ", 1234.5, " ", 0.1f, " ", true);
  const std::string formatted = text(format_duration(5'000'000'000), " ", format_bytes(1'500'000), " ",
                                     fixed(12345.678, 2), " ", general(1e-7, 4), " ", hex(123456789, 12));
  std::locale::global(before);
  ASSERT_EQ(as_the_program.str(), "1.239.567 0,5");
  EXPECT_EQ(numbers, "1239567 1099511627776 -1234 1234.5 0.1 1");
  EXPECT_EQ(formatted, "5.0 s 1.4 MiB 12345.68 1e-07 0000075bcd15");
}

// Goal: numbers look as printf would write them. Method: borders of both kinds, and what is no number.
TEST(Text, NumbersLookAsPrintfWritesThem) {
  for (const double value :
       {0.0, -0.0, 1.0, 0.5, 1e5, 123456.0, 1234567.0, 1e-5, 1e300, -2.0 / 3, double{INFINITY}, double{NAN}}) {
    std::array<char, 400> expected{};
    std::snprintf(expected.data(), expected.size(), "%g %.3f %.17g", value, value, value);
    EXPECT_EQ(text(value, " ", fixed(value, 3), " ", general(value, 17)), expected.data());
  }
  EXPECT_EQ(text('a', "b", std::string("c"), std::string_view("d"), INT64_MIN, ' ', UINT64_MAX),
            "abcd-9223372036854775808 18446744073709551615");
  EXPECT_EQ(hex(0), "0");
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

// Goal: a line says for whom it is, from the threads that were made for them too. Method: two speakers, one inside of
// the other, and a thread of each that speaks when its maker no longer does.
TEST(Log, LinesSayForWhomTheyAre) {
  std::vector<std::string> lines;
  set_log_sink(LogLevel::info, [&](LogLevel, std::string_view line) { lines.emplace_back(line); });
  std::atomic<bool> may_speak{false};
  std::vector<std::thread> threads;
  const auto speak_later = [&] {
    auto made = make_thread("a test", [&] {
      may_speak.wait(false);
      log(LogLevel::info, "later");
    });
    ASSERT_TRUE(made.ok());
    threads.push_back(*std::move(made));
  };
  log(LogLevel::info, "first");
  {
    const std::string outer = "rank 1 of 2 on a";
    const LogScope outer_scope(&outer);
    {
      const std::string inner = "rank 0 of 1 on b";
      const LogScope inner_scope(&inner);
      log(LogLevel::info, "inside");
      speak_later();
    }
    log(LogLevel::info, "outside");
    speak_later();
  }
  log(LogLevel::info, "last");
  may_speak = true;
  may_speak.notify_all();
  for (std::thread& thread : threads) thread.join();
  set_log_sink(LogLevel::error, {});
  std::sort(lines.begin() + 4, lines.end());
  EXPECT_EQ(lines, (std::vector<std::string>{"first", "rank 0 of 1 on b: inside", "rank 1 of 2 on a: outside", "last",
                                             "rank 0 of 1 on b: later", "rank 1 of 2 on a: later"}));
}

// Goal: a file is whole or as it was. Method: written twice, read back; a folder that is not there, and one in the
// file's place.
TEST(Files, AreThereWholeOrNotAtAll) {
  const tools::TemporaryFolder folder;
  const std::string path = folder / "rank-0";
  ASSERT_TRUE(write_whole_file(path, "first and longer", Outlives::process).ok());
  ASSERT_TRUE(write_whole_file(path, "second", Outlives::power).ok());
  const auto read = read_whole_file(path);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(read->data()), read->size()), "second");
  for (const std::string& wrong : {folder / "none/rank-0", folder.path()}) {
    const Status written = write_whole_file(wrong, "third", Outlives::power);
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, Code::unavailable);
    EXPECT_NE(written.error().message.find(wrong), std::string::npos) << written.error().message;
    EXPECT_FALSE(read_whole_file(wrong).ok());
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator()),
            1);
}

// Goal: any bytes become text that readers of JSON and metrics take. Method: letters of each length, and each way of
// being none, by the Unicode standard's own examples.
TEST(Text, WhatIsNoUtf8IsReplaced) {
  const std::string good = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f";
  EXPECT_EQ(valid_utf8(good), good);
  const std::string r = "\xef\xbf\xbd";
  EXPECT_EQ(valid_utf8("\xff"), r);
  EXPECT_EQ(valid_utf8("a\x80"), "a" + r);
  EXPECT_EQ(valid_utf8("\xc0\xaf"
                       "\xe0\x80\xbf\x41"),
            r + r + r + r + r + "A");
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), r + r + r);                                    // half a surrogate pair
  EXPECT_EQ(valid_utf8("\xf4\x91\x92\x93\x41"), r + r + r + r + "A");                  // beyond U+10FFFF
  EXPECT_EQ(valid_utf8("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), r + r + r + r + "A");  // cut off
  EXPECT_EQ(valid_utf8("\xe2\x82"), r);
  EXPECT_EQ(quoted_json("\xe2\x82\"\n"), "\"" + r + "\\\" \"");
}

}  // namespace
}  // namespace gossamer
