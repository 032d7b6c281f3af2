// Which values of a long sweep a test tries: a usual few, or on demand more of them.
//
//   nothing set                                     the usual values
//   GOSSAMER_TEST_SAMPLE=20 GOSSAMER_TEST_SEED=7    20 of all values, drawn by this seed (1 where none is named)
//   GOSSAMER_TEST_SAMPLE=all                        every value; `tools/test exhaustive`
//   GOSSAMER_TEST_VALUE=123                         this one alone: a failure prints the words that replay it
//
// The tests that have one are named a second time in their CMakeLists.txt, by gossamer_exhaustive_test.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::testing {

// All values from first to last.
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;

  [[nodiscard]] std::uint64_t count() const { return last - first + 1; }
};

// What the environment asks for.
struct SweepChoice {
  std::optional<std::uint64_t> sample;  // UINT64_MAX: all
  std::uint64_t seed = 1;
  std::optional<std::uint64_t> value;
};

// Ascending and each once, but for the usual values, which stay as they are.
[[nodiscard]] inline std::vector<std::uint64_t> values_of(const Range& all, std::vector<std::uint64_t> usual,
                                                          const SweepChoice& choice) {
  if (choice.value) return {*choice.value};
  if (!choice.sample) return usual;
  if (*choice.sample < all.count()) {
    Random random(choice.seed);
    std::set<std::uint64_t> drawn;
    while (drawn.size() < *choice.sample) drawn.insert(all.first + random.below(all.count()));
    return {drawn.begin(), drawn.end()};
  }
  std::vector<std::uint64_t> values(all.count());
  std::iota(values.begin(), values.end(), all.first);
  return values;
}

// A number of the environment; words that are none stop the test program.
[[nodiscard]] inline std::optional<std::uint64_t> number_in(const char* variable) {
  const char* const words = std::getenv(variable);
  if (words == nullptr) return std::nullopt;
  const std::string_view all(words);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(all.begin(), all.end(), number);
  GOSSAMER_CHECK(error == std::errc{} && end == all.end(), text(variable, " is \"", all, "\", expected a number"));
  return number;
}

// Read once, and taken out of the environment: what a test starts is a user's program, which would warn of variables
// that it does not know.
[[nodiscard]] inline const SweepChoice& sweep_choice() {
  static const SweepChoice choice = [] {
    SweepChoice found;
    const char* const sample = std::getenv("GOSSAMER_TEST_SAMPLE");
    if (sample != nullptr && std::string_view(sample) == "all") {
      found.sample = UINT64_MAX;
    } else {
      found.sample = number_in("GOSSAMER_TEST_SAMPLE");
    }
    found.seed = number_in("GOSSAMER_TEST_SEED").value_or(1);
    found.value = number_in("GOSSAMER_TEST_VALUE");
    for (const char* const each : {"GOSSAMER_TEST_SAMPLE", "GOSSAMER_TEST_SEED", "GOSSAMER_TEST_VALUE"}) unsetenv(each);
    return found;
  }();
  return choice;
}

// The values that this run tries. Where they are not the usual ones, says how many of how many.
[[nodiscard]] inline std::vector<std::uint64_t> sweep(const Range& all, std::vector<std::uint64_t> usual) {
  const SweepChoice& choice = sweep_choice();
  std::vector<std::uint64_t> values = values_of(all, std::move(usual), choice);
  if (choice.sample && !choice.value)
    std::printf("%zu of %llu values; GOSSAMER_TEST_SAMPLE=%zu GOSSAMER_TEST_SEED=%llu draws them again\n",
                values.size(), static_cast<unsigned long long>(all.count()), values.size(),
                static_cast<unsigned long long>(choice.seed));
  return values;
}

// The usual values are the first ones.
[[nodiscard]] inline std::vector<std::uint64_t> sweep(const Range& all, std::uint64_t usual_count) {
  return sweep(all, values_of({all.first, all.first + usual_count - 1}, {}, {.sample = UINT64_MAX}));
}

// For a SCOPED_TRACE over one value.
[[nodiscard]] inline std::string replay_of(std::uint64_t value) {
  return text("GOSSAMER_TEST_VALUE=", value, " with this test's --gtest_filter replays it");
}

}  // namespace gossamer::testing
