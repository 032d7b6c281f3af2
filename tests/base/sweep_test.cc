#include "tests/support/sweep.h"

#include <gtest/gtest.h>

namespace gossamer::testing {
namespace {

using Values = std::vector<std::uint64_t>;

// Goal: a run without wishes tries the usual values, one with a value that one alone. Method: both.
TEST(Sweep, TriesTheUsualValuesOrTheOneThatIsNamed) {
  EXPECT_EQ(values_of({1, 100}, {7, 3}, {}), (Values{7, 3}));
  EXPECT_EQ(values_of({1, 100}, {7, 3}, {.value = 55}), (Values{55}));
  EXPECT_EQ(values_of({1, 100}, {7, 3}, {.sample = 9, .seed = 2, .value = 55}), (Values{55}));
}

// Goal: a sample has as many values as were asked for, each once and of the range, and its seed draws it again. Method:
// samples of several sizes and seeds.
TEST(Sweep, ASampleIsDrawnByItsSeed) {
  const Range all{65, 4096};
  for (const std::uint64_t count : {1u, 20u, 4'000u, 4'031u}) {
    const Values values = values_of(all, {70}, {.sample = count, .seed = 3});
    EXPECT_EQ(values.size(), count);
    EXPECT_GE(values.front(), all.first);
    EXPECT_LE(values.back(), all.last);
    EXPECT_EQ(std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()), values.end());
    EXPECT_EQ(values, values_of(all, {70}, {.sample = count, .seed = 3}));
    EXPECT_NE(values, values_of(all, {70}, {.sample = count, .seed = 4}));
  }
}

// Goal: all values are all of the range, however many are asked for. Method: their number, one more, and "all".
TEST(Sweep, AllValuesAreTheRange) {
  for (const std::uint64_t count : {std::uint64_t{4}, std::uint64_t{5}, UINT64_MAX})
    EXPECT_EQ(values_of({3, 6}, {3}, {.sample = count}), (Values{3, 4, 5, 6}));
}

}  // namespace
}  // namespace gossamer::testing
