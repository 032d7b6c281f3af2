#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>

#include "inputs.h"

namespace gossamer::sketch {
namespace {

// Shapes at the edges of the kernels: tails of every length, d < c, c < L, c = 1, windows that wrap.
std::vector<SketchShape> edge_shapes() {
  std::vector<SketchShape> shapes;
  for (std::uint32_t rows = 1; rows <= 15; rows += 2) {
    shapes.push_back({.dimension = 5003, .rows = rows, .columns = 1500});
    shapes.push_back({.dimension = 777, .rows = rows, .columns = 37});
  }
  for (std::uint64_t dimension = 1; dimension <= 70; ++dimension) {
    shapes.push_back({.dimension = dimension, .rows = 3, .columns = 1024});
    shapes.push_back({.dimension = dimension, .rows = 5, .columns = 16});
  }
  for (std::uint32_t columns = 1; columns <= 40; ++columns) {
    shapes.push_back({.dimension = 300, .rows = 3, .columns = columns});
  }
  for (const std::uint32_t columns : {1000u, 1023u, 1024u, 1025u, 2048u, 40'000u}) {
    shapes.push_back({.dimension = 10'240, .rows = 5, .columns = columns});
    shapes.push_back({.dimension = 10'247, .rows = 7, .columns = columns});
  }
  return shapes;
}

std::string name_of(const SketchShape& shape) {
  return text("d = ", shape.dimension, ", r = ", shape.rows, ", c = ", shape.columns);
}

// Goal: every SIMD target gives the reference's cells, bit for bit. Method: vectors whose sums round, edge
// shapes, a vector that begins 0 to 3 elements off alignment.
TEST(CountSketch, EncodesTheSameBitsAsTheReferenceOnEveryTarget) {
  with_each_target([] {
    std::size_t skew = 0;
    for (const SketchShape& shape : edge_shapes()) {
      SCOPED_TRACE(name_of(shape));
      skew = (skew + 1) % 4;
      const std::vector<float> padded = rough_vector(shape.dimension + shape.columns, shape.dimension + skew);
      const std::span<const float> vector = std::span(padded).subspan(skew);
      ASSERT_TRUE(
          same_bits(encode_with(*make_fast(shape), 11, vector), encode_with(*make_reference(shape), 11, vector)));
    }
  });
}

// Goal: every SIMD target gives the reference's estimates, bit for bit, over any range. Method: as above, and
// ranges that begin and end inside segments.
TEST(CountSketch, EstimatesTheSameBitsAsTheReferenceOnEveryTarget) {
  with_each_target([] {
    Random random(5);
    for (const SketchShape& shape : edge_shapes()) {
      SCOPED_TRACE(name_of(shape));
      const std::vector<float> cells = rough_vector(shape.columns + shape.rows, shape.cells());
      const auto fast = make_fast(shape);
      const auto reference = make_reference(shape);
      fast->load(3, cells);
      reference->load(3, cells);
      const std::vector<float> all = estimates_of(*reference);
      ASSERT_TRUE(same_bits(estimates_of(*fast), all));
      for (int i = 0; i < 5; ++i) {
        const std::uint64_t first = random.below(shape.dimension);
        std::vector<float> part(random.below(shape.dimension - first) + 1);
        fast->estimate(first, part);
        const auto from = all.begin() + static_cast<std::ptrdiff_t>(first);
        ASSERT_TRUE(same_bits(part, {from, from + static_cast<std::ptrdiff_t>(part.size())}));
      }
    }
  });
}

// Goal: no kernel depends on how its vectors lie in memory. Method: all 16 places of a float in a cache line times every
// length to 4 of the widest vectors, encoding and estimating, every target against the reference.
TEST(CountSketch, EveryMisalignmentAndLengthGivesTheSameBits) {
  with_each_target([] {
    const std::vector<float> values = rough_vector(9, 96);
    std::vector<float> estimates(96);
    for (std::size_t length = 1; length <= 64; ++length) {
      const SketchShape shape{.dimension = length, .rows = 3, .columns = 24};
      const auto fast = make_fast(shape);
      const auto reference = make_reference(shape);
      for (std::size_t skew = 0; skew < 16; ++skew) {
        const std::span<const float> vector = std::span(values).subspan(skew, length);
        const std::vector<float> cells = encode_with(*reference, 4, vector);
        ASSERT_TRUE(same_bits(encode_with(*fast, 4, vector), cells)) << "length " << length << ", skew " << skew;
        fast->load(4, cells);
        reference->load(4, cells);
        const std::span<float> out = std::span(estimates).subspan(skew, length);
        fast->estimate(0, out);
        ASSERT_TRUE(same_bits({out.begin(), out.end()}, estimates_of(*reference)));
      }
    }
  });
}

// Goal: denormals are values like others: they add up, come back and are chosen, and none is flushed to zero. Method:
// a vector of denormals and zeros on every target, against the reference.
TEST(CountSketch, DenormalsAreNotFlushed) {
  with_each_target([] {
    const SketchShape shape{.dimension = 3000, .rows = 3, .columns = 500};
    std::vector<float> vector(shape.dimension, 0.0F);
    for (std::size_t i = 0; i < vector.size(); i += 100) vector[i] = static_cast<float>(i + 1) * 1e-42F;
    const auto fast = make_fast(shape);
    const auto reference = make_reference(shape);
    const std::vector<float> cells = encode_with(*fast, 6, vector);
    ASSERT_TRUE(same_bits(cells, encode_with(*reference, 6, vector)));
    fast->load(6, cells);
    reference->load(6, cells);
    ASSERT_TRUE(same_bits(estimates_of(*fast), estimates_of(*reference)));
    ASSERT_EQ(top_of(*fast, 20), top_of(*reference, 20));
    ASSERT_EQ(top_of(*fast, 1), std::vector<std::uint32_t>{2900});
    ASSERT_GT(sum_squares(vector), 0.0);
    ASSERT_EQ(first_non_finite(vector), vector.size());
  });
}

// Goal: zeros of either sign in cells give estimates of +0 on every target. Method: cells of -0 and +0.
TEST(CountSketch, EstimatesNeverShowTheSignOfAZero) {
  with_each_target([] {
    const SketchShape shape{.dimension = 400, .rows = 5, .columns = 64};
    std::vector<float> cells(shape.cells());
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = i % 3 == 0 ? -0.0F : 0.0F;
    const auto sketch = make_fast(shape);
    sketch->load(1, cells);
    ASSERT_TRUE(same_bits(estimates_of(*sketch), std::vector<float>(shape.dimension, 0.0F)));
  });
}

// Goal: the sketch is linear, so that sums of sketches are sketches of sums. Method: exact inputs from a
// coarse grid, random shapes, equality.
RC_GTEST_PROP(CountSketch, SumOfSketchesIsTheSketchOfTheSum, ()) {
  const SketchShape shape{.dimension = *rc::gen::inRange<std::uint64_t>(1, 5000),
                          .rows = 2 * *rc::gen::inRange<std::uint32_t>(0, 4) + 1,
                          .columns = *rc::gen::inRange<std::uint32_t>(1, 3000)};
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const std::vector<float> a = coarse_vector(seed, shape.dimension);
  const std::vector<float> b = coarse_vector(~seed, shape.dimension);
  std::vector<float> both = a;
  add(both, b);
  const auto sketch = make_fast(shape);
  std::vector<float> merged = encode_with(*sketch, seed, a);
  add(merged, encode_with(*sketch, seed, b));
  RC_ASSERT(merged == encode_with(*sketch, seed, both));
}

// Goal: a vector with one value comes back exactly where it was, in every position. Method: one-hot vectors.
TEST(CountSketch, OneValueComesBackExactly) {
  const SketchShape shape{.dimension = 3000, .rows = 3, .columns = 1100};
  const auto sketch = make_fast(shape);
  for (std::uint64_t t = 0; t < shape.dimension; t += 7) {
    std::vector<float> vector(shape.dimension, 0.0F);
    vector[t] = -2.5F;
    sketch->load(t, encode_with(*sketch, t, vector));
    float estimate = 0;
    sketch->estimate(t, {&estimate, 1});
    ASSERT_EQ(estimate, -2.5F);
    ASSERT_EQ(top_of(*sketch, 1).front(), t);
  }
}

// Goal: two coordinates of one segment never share a cell. Method: a full first segment with distinct values;
// all of them come back exactly.
TEST(CountSketch, CoordinatesOfOneSegmentNeverCollide) {
  const SketchShape shape{.dimension = 1024, .rows = 1, .columns = 1024};
  const auto sketch = make_fast(shape);
  const std::vector<float> vector = rough_vector(2, shape.dimension);
  sketch->load(9, encode_with(*sketch, 9, vector));
  EXPECT_EQ(estimates_of(*sketch), vector);
}

// Goal: a loaded sketch stays as it was, whatever happens to its source and whatever is encoded next. Method:
// overwrite the cells and encode another vector before estimating.
TEST(CountSketch, LoadedCellsOutliveTheirSourceAndTheNextEncode) {
  const SketchShape shape{.dimension = 2000, .rows = 3, .columns = 300};
  const auto sketch = make_fast(shape);
  std::vector<float> cells = encode_with(*sketch, 4, rough_vector(1, shape.dimension));
  sketch->load(4, cells);
  const std::vector<float> before = estimates_of(*sketch);
  std::fill(cells.begin(), cells.end(), 0.0F);
  static_cast<void>(encode_with(*sketch, 5, rough_vector(2, shape.dimension)));
  EXPECT_TRUE(same_bits(estimates_of(*sketch), before));
}

// Goal: seeds draw different sketches. Method: two seeds; most cells differ.
TEST(CountSketch, AnotherSeedIsAnotherSketch) {
  const SketchShape shape{.dimension = 20'000, .rows = 3, .columns = 2000};
  const auto sketch = make_fast(shape);
  const std::vector<float> vector = rough_vector(1, shape.dimension);
  const std::vector<float> a = encode_with(*sketch, 1, vector);
  const std::vector<float> b = encode_with(*sketch, 2, vector);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1u : 0u;
  EXPECT_LT(equal, a.size() / 100);
}

// Goal: memory depends on the sketch, not on the vector. Method: the same cells, dimensions a thousand apart.
TEST(CountSketch, WorkingBytesDoNotDependOnTheDimension) {
  const auto small = std::move(make_count_sketch({.dimension = 1 << 20, .rows = 3, .columns = 1000}, 500)).value();
  const auto large = std::move(make_count_sketch({.dimension = 1 << 30, .rows = 3, .columns = 1000}, 500)).value();
  EXPECT_EQ(small->working_bytes(), large->working_bytes());
  EXPECT_GE(small->working_bytes(), small->shape().cells() * sizeof(float));
  EXPECT_LT(small->working_bytes(), 1'000'000u);
}

// Goal: a shape out of range is refused, and the message says what is allowed. Method: one of each kind.
TEST(CountSketch, ShapesOutOfRangeAreRefused) {
  const std::vector<std::pair<SketchShape, std::string>> cases = {
      {{.dimension = 0, .rows = 3, .columns = 10}, "1 to 2^32 - 1"},
      {{.dimension = std::uint64_t{1} << 32, .rows = 3, .columns = 10}, "1 to 2^32 - 1"},
      {{.dimension = 10, .rows = 0, .columns = 10}, "odd number from 1 to 15"},
      {{.dimension = 10, .rows = 4, .columns = 10}, "odd number from 1 to 15"},
      {{.dimension = 10, .rows = 17, .columns = 10}, "odd number from 1 to 15"},
      {{.dimension = 10, .rows = 3, .columns = 0}, "1 to 2^28"},
      {{.dimension = 10, .rows = 3, .columns = (1u << 28) + 1}, "1 to 2^28"},
  };
  for (const auto& [shape, words] : cases) {
    const auto fast = make_count_sketch(shape);
    ASSERT_FALSE(fast.ok());
    EXPECT_EQ(fast.error().code, Code::invalid_argument);
    EXPECT_NE(fast.error().message.find(words), std::string::npos) << fast.error().message;
    const auto reference = make_reference_count_sketch(shape);
    ASSERT_FALSE(reference.ok());
    EXPECT_EQ(reference.error().message, fast.error().message);
  }
}

// Goal: NaN and infinity cause no fault and no endless loop. Method: encode and select with both inside.
TEST(CountSketch, NonFiniteValuesDoNoHarm) {
  with_each_target([] {
    const SketchShape shape{.dimension = 20'000, .rows = 3, .columns = 100};
    std::vector<float> vector = rough_vector(1, shape.dimension);
    vector[7] = std::numeric_limits<float>::quiet_NaN();
    vector[8000] = std::numeric_limits<float>::infinity();
    const auto sketch = make_fast(shape);
    sketch->load(1, encode_with(*sketch, 1, vector));
    std::vector<std::uint32_t> indices = top_of(*sketch, 500);
    EXPECT_TRUE(std::is_sorted(indices.begin(), indices.end()));
    EXPECT_LT(indices.back(), shape.dimension);
    sketch->select_heavymix(100, indices);
    EXPECT_TRUE(std::is_sorted(indices.begin(), indices.end()));
    EXPECT_LT(indices.back(), shape.dimension);
  });
}

// Goal: selecting without a loaded sketch is caught. Method: death test.
TEST(CountSketchDeathTest, SelectingBeforeLoadingStopsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto sketch = make_fast({.dimension = 10, .rows = 1, .columns = 10});
  EXPECT_DEATH(static_cast<void>(top_of(*sketch, 1)), "no sketch was loaded");
}

// Goal: the program can say what runs. Method: the target in use is among those compiled.
TEST(Simd, TheTargetInUseIsAmongThoseCompiled) {
  const std::vector<std::string> compiled = simd_targets_compiled();
  EXPECT_NE(std::find(compiled.begin(), compiled.end(), simd_target()), compiled.end());
}

}  // namespace
}  // namespace gossamer::sketch
