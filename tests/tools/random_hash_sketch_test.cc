#include "tools/study/random_hash_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gossamer::tools {
namespace {

using sketch::SketchShape;

std::vector<float> encoded(const SketchShape& shape, std::uint64_t seed, const std::vector<float>& vector) {
  std::vector<float> cells(shape.cells(), -1.0F);
  encode_random_hash(shape, seed, vector, cells);
  return cells;
}

std::vector<float> estimated(const SketchShape& shape, std::uint64_t seed, const std::vector<float>& cells) {
  std::vector<float> estimates(shape.dimension);
  estimate_random_hash(shape, seed, cells, estimates);
  return estimates;
}

// Goal: a coordinate has one cell in each row, of which estimating reads the same. Method: one coordinate at a time; a
// length that is no multiple of a chunk.
TEST(RandomHashSketch, OneCoordinateLiesInOneCellOfEachRowAndComesBackExactly) {
  const SketchShape shape{.dimension = 2500, .rows = 5, .columns = 301};
  for (const std::size_t hot : {0u, 1u, 1023u, 1024u, 2499u}) {
    std::vector<float> vector(shape.dimension, 0.0F);
    vector[hot] = -0.1F;
    const std::vector<float> cells = encoded(shape, hot, vector);
    for (std::size_t row = 0; row < shape.rows; ++row) {
      const auto first = cells.begin() + static_cast<std::ptrdiff_t>(row * shape.columns);
      EXPECT_EQ(std::count(first, first + shape.columns, 0.0F), shape.columns - 1);
    }
    EXPECT_EQ(estimated(shape, hot, cells)[hot], -0.1F);
  }
}

// Goal: sketches add up. Method: small integers, whose sums are exact in any order: cells of a sum equal the sum of
// cells.
TEST(RandomHashSketch, IsLinear) {
  const SketchShape shape{.dimension = 5000, .rows = 3, .columns = 97};
  Random random(3);
  std::vector<float> a(shape.dimension), b(shape.dimension), sum(shape.dimension);
  for (std::size_t t = 0; t < a.size(); ++t) {
    a[t] = static_cast<float>(random.below(65)) - 32.0F;
    b[t] = static_cast<float>(random.below(65)) - 32.0F;
    sum[t] = a[t] + b[t];
  }
  std::vector<float> cells = encoded(shape, 9, a);
  sketch::add(cells, encoded(shape, 9, b));
  EXPECT_EQ(cells, encoded(shape, 9, sum));
  EXPECT_NE(cells, encoded(shape, 10, sum));
}

// Goal: columns are uniform, and signs fair and independent, as the theory that the study quotes supposes: one row errs
// with variance |v|^2 (1 - 1/d) / c. Method: 200 seeds of 4,000 ones, where any preference would add up; the mean
// within 5 standard errors. False alarm: 1 in 1.7 million.
TEST(RandomHashSketch, OneRowErrsAsTheorySays) {
  const SketchShape shape{.dimension = 4000, .rows = 1, .columns = 50};
  const std::vector<float> vector(shape.dimension, 1.0F);
  constexpr int seeds = 200;
  double sum = 0;
  double squares = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    double error_square = 0;
    for (const float each : estimated(shape, seed, encoded(shape, seed, vector))) {
      error_square += (double{each} - 1) * (double{each} - 1) / static_cast<double>(shape.dimension);
    }
    const double ratio = error_square * shape.columns / static_cast<double>(shape.dimension - 1);
    sum += ratio;
    squares += ratio * ratio;
  }
  const double mean = sum / seeds;
  EXPECT_LT(std::abs(mean - 1), 5 * std::sqrt((squares / seeds - mean * mean) / seeds)) << mean;
}

// Goal: the estimate is the median over rows. Method: a vector whose large coordinate spoils one row of a small one at
// most: five rows of few columns bring nearly every zero back as 0, one row does not.
TEST(RandomHashSketch, TheMedianThrowsACollisionOut) {
  std::vector<float> vector(2000, 0.0F);
  for (std::size_t t = 0; t < 20; ++t) vector[t * 100] = 1.0F;
  const auto zeros = [&](std::uint32_t rows) {
    const SketchShape shape{.dimension = vector.size(), .rows = rows, .columns = 200};
    const std::vector<float> estimates = estimated(shape, 4, encoded(shape, 4, vector));
    return std::count(estimates.begin(), estimates.end(), 0.0F);
  };
  EXPECT_LT(zeros(1), 1900);  // a tenth collides
  EXPECT_GT(zeros(5), 1960);  // in three of five rows: 1 in 100
}

}  // namespace
}  // namespace gossamer::tools
