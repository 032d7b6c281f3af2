#include "tools/study/sketch_quality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sketch/hash.h"
#include "tools/study/sketch_vectors.h"

namespace gossamer::tools {
namespace {

using sketch::SketchShape;

SketchQuality measured(const std::vector<float>& vector, const std::vector<std::uint64_t>& ks, Hashing hashing,
                       const SketchShape& shape, std::uint64_t seed) {
  QualityMeter meter(vector, ks);
  return std::move(meter.measure(hashing, shape, seed)).value();
}

// Goal: nothing lost counts as perfect. Method: a vector of one segment, where no two coordinates collide.
TEST(SketchQuality, WithoutCollisionsEverythingIsFound) {
  const std::vector<float> vector = draw_sketch_vector("gaussian", 900, 1);
  const SketchQuality quality =
      measured(vector, {1, 9, 900}, Hashing::segment_shift, {.dimension = 900, .rows = 3, .columns = 1000}, 1);
  EXPECT_EQ(quality.error_square, 0);
  EXPECT_NEAR(quality.norm_ratio, 1, 1e-12);
  ASSERT_EQ(quality.choices.size(), 3u);
  for (const ChoiceQuality& choice : quality.choices) {
    EXPECT_EQ(choice.recall_k, 1);
    EXPECT_EQ(choice.recall_2k, 1);
    EXPECT_EQ(choice.recall_4k, 1);
    EXPECT_DOUBLE_EQ(choice.energy_k, 1);
  }
}

// Goal: the figures are those that their comments define. Method: one cell for all: every |estimate| is the same |S|,
// so the lowest indices are chosen, and the errors (s S - v)^2 sum up to 4 S^2 - 2 S^2 + |v|^2 whatever the signs s
// are.
TEST(SketchQuality, AgreesWithASketchWorkedOutByHand) {
  const std::vector<float> vector = {1, 2, 3, 10};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const SketchQuality quality =
        measured(vector, {1, 2}, Hashing::random, {.dimension = 4, .rows = 1, .columns = 1}, seed);
    EXPECT_NEAR(quality.error_square, (2 * quality.norm_ratio * quality.norm_ratio + 1) / 4, 1e-12);
    EXPECT_EQ(quality.choices[0].recall_k, 0);
    EXPECT_EQ(quality.choices[0].recall_2k, 0);
    EXPECT_EQ(quality.choices[0].recall_4k, 1);
    EXPECT_DOUBLE_EQ(quality.choices[0].energy_k, 1.0 / 100);
    EXPECT_EQ(quality.choices[1].recall_k, 0);  // 0 and 1 of 2 and 3
    EXPECT_EQ(quality.choices[1].recall_2k, 1);
    EXPECT_DOUBLE_EQ(quality.choices[1].energy_k, 5.0 / 109);
  }
}

// Goal: a one-hot vector comes back exactly, and what stands beside it is what collides with it in a majority of rows
// with the same sign, and nothing else. Method: that majority counted with the frozen hash; few columns, so that there
// are some.
TEST(SketchQuality, OneHotIsExactBesideCollisionsInAMajorityOfRows) {
  const SketchShape shape{.dimension = 20'000, .rows = 3, .columns = 80};
  std::uint64_t all = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> vector = draw_sketch_vector("one-hot", shape.dimension, seed);
    const auto hot = static_cast<std::uint64_t>(
        std::find_if(vector.begin(), vector.end(), [](float value) { return value != 0; }) - vector.begin());
    const std::uint32_t length = sketch::segment_length(shape.columns);
    const auto signed_column = [&](std::uint64_t t, std::uint32_t row) {
      const sketch::SegmentHash hash = sketch::segment_hash(seed, t / length);
      const auto position = static_cast<std::uint32_t>(t % length);
      const std::uint32_t column = (sketch::segment_offset(hash, row, shape.columns) + position) % shape.columns;
      return std::pair(column, sketch::is_negated(sketch::sign_bits(hash, position), row));
    };
    std::uint64_t expected = 0;
    for (std::uint64_t t = 0; t < shape.dimension; ++t) {
      int same = 0;
      int opposite = 0;
      for (std::uint32_t row = 0; row < shape.rows; ++row) {
        const auto [column, negated] = signed_column(t, row);
        const auto [hot_column, hot_negated] = signed_column(hot, row);
        if (column == hot_column) ++(negated == hot_negated ? same : opposite);
      }
      expected += t != hot && (same > 1 || opposite > 1) ? 1 : 0;
    }
    const SketchQuality quality = measured(vector, {5}, Hashing::segment_shift, shape, seed);
    EXPECT_EQ(quality.one_hot_wrong, 0u);
    EXPECT_EQ(quality.one_hot_others, expected);
    EXPECT_EQ(quality.choices[0].recall_4k, 1);  // of the one that there is to find
    all += expected;
  }
  EXPECT_GT(all, 0u);
}

// Goal: the expected number of such collisions is right. Method: random hashing, where coordinates are independent, so
// the sum over seeds is near Poisson: within 5 standard deviations. False alarm: about 1 in a million.
TEST(SketchQuality, ExpectedOneHotCollisionsAreThoseOfRandomHashing) {
  for (const std::uint32_t rows : {1u, 3u, 5u}) {
    const SketchShape shape{.dimension = 5000, .rows = rows, .columns = 20};
    double sum = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const std::vector<float> vector = draw_sketch_vector("one-hot", shape.dimension, seed);
      const SketchQuality quality = measured(vector, {1}, Hashing::random, shape, seed);
      EXPECT_EQ(quality.one_hot_wrong, 0u);
      sum += static_cast<double>(quality.one_hot_others);
    }
    const double expected = 40 * expected_one_hot_others(shape, shape.dimension - 1);
    EXPECT_NEAR(sum, expected, 5 * std::sqrt(expected)) << rows << " rows";
  }
}

// Goal: each name draws what it says. Method: means, variances and places of a draw; equal seeds draw the same.
TEST(SketchVectors, AreWhatTheirNamesSay) {
  constexpr std::uint64_t dimension = 1 << 16;
  for (const std::string& name : sketch_vector_names) {
    const std::vector<float> vector = draw_sketch_vector(name, dimension, 5);
    ASSERT_EQ(vector.size(), dimension);
    EXPECT_EQ(sketch::first_non_finite(vector), dimension) << name;
    EXPECT_EQ(vector, draw_sketch_vector(name, dimension, 5)) << name;
    EXPECT_NE(vector, draw_sketch_vector(name, dimension, 6)) << name;
  }
  const auto mean_square = [](const std::vector<float>& v) {
    return sketch::sum_squares(v) / static_cast<double>(v.size());
  };
  EXPECT_NEAR(mean_square(draw_sketch_vector("gaussian", dimension, 1)), 1, 0.03);
  EXPECT_NEAR(mean_square(draw_sketch_vector("mean-shifted", dimension, 1)), 10, 0.15);
  EXPECT_NEAR(mean_square(draw_sketch_vector("every-16th-heavy", dimension, 1)), (400.0 + 15) / 16, 2.5);
  const std::vector<float> hot = draw_sketch_vector("one-hot", dimension, 1);
  EXPECT_EQ(std::count(hot.begin(), hot.end(), 0.0F), static_cast<std::ptrdiff_t>(dimension - 1));
  const std::vector<float> run = draw_sketch_vector("one-run", dimension, 1);
  const auto is_heavy = [](float value) { return std::abs(value) > 0.1F; };  // 10 deviations beside the run
  const auto first = std::find_if(run.begin(), run.end(), is_heavy);
  const auto heavy_count = std::count_if(first, std::min(first + 1024, run.end()), is_heavy);
  EXPECT_GT(heavy_count, 850);  // 942 expected, deviation 9
  EXPECT_EQ(std::count_if(run.begin(), run.end(), is_heavy), heavy_count);
  // Student's t with 2 degrees: |t| > 10 with probability 1 - 10 / sqrt(102), 0.0099; 644 expected, deviation 25.
  const std::vector<float> heavy = draw_sketch_vector("heavy-tailed", dimension, 1);
  const auto far = std::count_if(heavy.begin(), heavy.end(), [](float value) { return std::abs(value) > 10; });
  EXPECT_NEAR(static_cast<double>(far), 644, 130);
  // The heavy coordinates of layers stand together: half of all energy in a tenth of the 64 equal parts.
  const std::vector<float> layers = draw_sketch_vector("layer-clustered", dimension, 1);
  std::vector<double> parts;
  for (std::size_t i = 0; i < 64; ++i) parts.push_back(sketch::sum_squares(std::span(layers).subspan(i * 1024, 1024)));
  std::sort(parts.begin(), parts.end(), std::greater<>());
  double top = 0;
  for (std::size_t i = 0; i < 6; ++i) top += parts[i];
  EXPECT_GT(top, 0.5 * sketch::sum_squares(layers));
}

}  // namespace
}  // namespace gossamer::tools
