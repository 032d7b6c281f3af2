// Estimates, selection and passes over vectors on a device.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "device_memory.h"

namespace gossamer::sketch {
namespace {

const SketchShape shapes[] = {
    {.dimension = 300, .rows = 3, .columns = 1},        {.dimension = 777, .rows = 5, .columns = 37},
    {.dimension = 9000, .rows = 7, .columns = 1000},    {.dimension = 20'001, .rows = 1, .columns = 1024},
    {.dimension = 20'480, .rows = 3, .columns = 1500},  {.dimension = 10'000, .rows = 5, .columns = 2048},
    {.dimension = 30'000, .rows = 7, .columns = 1025},  {.dimension = 9000, .rows = 9, .columns = 5000},
    {.dimension = 9000, .rows = 11, .columns = 1200},   {.dimension = 9000, .rows = 13, .columns = 1200},
    {.dimension = 9000, .rows = 15, .columns = 40'000},
};

std::string name_of(const SketchShape& shape) {
  return text("d = ", shape.dimension, ", r = ", shape.rows, ", c = ", shape.columns);
}

// Small integers: many equal magnitudes, zeros of both signs among them.
std::vector<float> vector_with_ties(std::uint64_t seed, std::size_t size) {
  Random random(seed);
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(random.below(7)) - 3.0F;
  return values;
}

std::vector<std::uint32_t> select_on_device(CudaSketch& sketch, std::size_t count) {
  DeviceVector<std::uint32_t> indices(std::vector<std::uint32_t>(count, 0xffffffffu));
  EXPECT_TRUE(succeeds(sketch.select_top(indices.span(), {})));
  return indices.values();
}

using CudaDecode = CudaSketchTest;

// Goal: estimates have the reference's bits, over any range. Method: edge shapes with every number of rows, cells
// that round, ranges that begin and end inside segments.
TEST_F(CudaDecode, EstimatesHaveTheReferenceBits) {
  Random random(5);
  for (const SketchShape& shape : shapes) {
    SCOPED_TRACE(name_of(shape));
    const std::vector<float> cells = rough_vector(shape.columns + shape.rows, shape.cells());
    const auto reference = make_reference(shape);
    reference->load(3, cells);
    const auto sketch = make_cuda(shape);
    DeviceVector<float> on_device(cells);
    ASSERT_TRUE(succeeds(sketch->load(3, on_device.span(), {})));
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t first = i == 0 ? 0 : random.below(shape.dimension);
      const std::size_t count = i == 0 ? shape.dimension : random.below(shape.dimension - first) + 1;
      std::vector<float> expected(count);
      reference->estimate(first, expected);
      DeviceVector<float> estimates(std::vector<float>(count, -1.0F));
      ASSERT_TRUE(succeeds(sketch->estimate(first, estimates.span(), {})));
      ASSERT_TRUE(same_bits(estimates.values(), expected));
    }
  }
}

// Goal: what is selected is what the CPU selects. Method: cells that round and cells with ties, counts from 0 to d;
// each twice.
TEST_F(CudaDecode, SelectsWhatTheCpuSelects) {
  for (const SketchShape& shape : shapes) {
    SCOPED_TRACE(name_of(shape));
    for (const bool has_ties : {false, true}) {
      const std::vector<float> cells =
          has_ties ? vector_with_ties(shape.rows, shape.cells()) : rough_vector(shape.rows, shape.cells());
      const auto fast = make_fast(shape);
      fast->load(6, cells);
      const auto sketch = make_cuda(shape, shape.dimension);
      DeviceVector<float> on_device(cells);
      ASSERT_TRUE(succeeds(sketch->load(6, on_device.span(), {})));
      for (const std::uint64_t count :
           {std::uint64_t{0}, std::uint64_t{1}, shape.dimension / 50 + 2, shape.dimension}) {
        const std::vector<std::uint32_t> expected = top_of(*fast, count);
        ASSERT_EQ(select_on_device(*sketch, count), expected);
        ASSERT_EQ(select_on_device(*sketch, count), expected);
      }
    }
  }
}

// Goal: the sampled threshold changes the speed only. Method: dimensions above what can be listed at once; cells that
// suit the sample, and cells that mislead it: all equal (far too many survive) and a few heavy columns.
TEST_F(CudaDecode, AMisleadingSampleChangesNothing) {
  for (const std::uint32_t columns : {1200u, 700u}) {
    const SketchShape shape{.dimension = 60'000, .rows = 3, .columns = columns};
    const auto fast = make_fast(shape);
    const auto sketch = make_cuda(shape, 600);
    std::vector<float> heavy(shape.cells());
    for (std::size_t i = 0; i < heavy.size(); i += 300) heavy[i] = static_cast<float>(i + 1);
    const std::vector<float> several[] = {rough_vector(2, shape.cells()), std::vector<float>(shape.cells()),
                                          std::vector<float>(shape.cells(), 1.0F), heavy};
    for (const std::vector<float>& cells : several) {
      fast->load(1, cells);
      DeviceVector<float> on_device(cells);
      ASSERT_TRUE(succeeds(sketch->load(1, on_device.span(), {})));
      for (const std::size_t count : {1u, 599u}) ASSERT_EQ(select_on_device(*sketch, count), top_of(*fast, count));
    }
  }
}

// Goal: accumulation has the CPU's bits, in place and elsewhere. Method: vectors that round.
TEST_F(CudaDecode, AccumulatesTheCpuBits) {
  const std::size_t size = 5003;
  const auto sketch = make_cuda({.dimension = 10, .rows = 1, .columns = 10});
  std::vector<float> u = rough_vector(1, size);
  std::vector<float> v = rough_vector(2, size);
  const std::vector<float> g = rough_vector(3, size);
  DeviceVector<float> device_g(g, 1);
  DeviceVector<float> device_u(u);
  DeviceVector<float> device_v(v);
  DeviceVector<float> next_u(g);
  DeviceVector<float> next_v(g);
  accumulate(g, 0.7F, 0.9F, {u, v}, {u, v});
  ASSERT_TRUE(succeeds(sketch->accumulate(device_g.span(), 0.7F, 0.9F, {device_u.span(), device_v.span()},
                                          {next_u.span(), next_v.span()}, {})));
  ASSERT_TRUE(succeeds(sketch->accumulate(device_g.span(), 0.7F, 0.9F, {device_u.span(), device_v.span()},
                                          {device_u.span(), device_v.span()}, {})));
  EXPECT_TRUE(same_bits(device_u.values(), u) && same_bits(device_v.values(), v));
  EXPECT_TRUE(same_bits(next_u.values(), u) && same_bits(next_v.values(), v));
}

// Goal: taking gives the values and leaves zeros, or what rounding left. Method: the formulas of the header on the
// host, with values that are cut and ties of rounding.
TEST_F(CudaDecode, TakesValuesAndLeavesTheRest) {
  const std::size_t size = 3000;
  const auto sketch = make_cuda({.dimension = 10, .rows = 1, .columns = 10});
  std::vector<float> v = rough_vector(4, size);
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < size; i += 7) indices.push_back(i);
  v[0] = 1e9F;
  v[7] = -1e9F;
  v[14] = 0.25F;  // 12.5 levels
  v[21] = 0.27F;
  for (const bool is_quantised : {false, true}) {
    const float scale = 50.0F;
    std::vector<float> expected_v = v;
    std::vector<float> expected_u(size, 1.0F);
    std::vector<float> values;
    std::vector<std::int16_t> levels;
    for (const std::uint32_t i : indices) {
      const auto level = static_cast<std::int16_t>(std::clamp(std::nearbyint(v[i] * scale), -32767.0F, 32767.0F));
      levels.push_back(level);
      values.push_back(v[i]);
      expected_v[i] = is_quantised ? v[i] - static_cast<float>(level) / scale : 0.0F;
      expected_u[i] = 0.0F;
    }
    DeviceVector<std::uint32_t> at(indices);
    DeviceVector<float> device_u(std::vector<float>(size, 1.0F));
    DeviceVector<float> device_v(v);
    DeviceVector<float> out{std::vector<float>(indices.size())};
    DeviceVector<std::int16_t> out_levels{std::vector<std::int16_t>(indices.size())};
    const TakenFrom from{device_u.span(), device_v.span()};
    if (is_quantised) {
      ASSERT_TRUE(succeeds(sketch->take_quantised(at.span(), scale, from, out_levels.span(), {})));
      EXPECT_EQ(out_levels.values(), levels);
    } else {
      ASSERT_TRUE(succeeds(sketch->take(at.span(), from, out.span(), {})));
      EXPECT_TRUE(same_bits(out.values(), values));
    }
    EXPECT_TRUE(same_bits(device_v.values(), expected_v));
    EXPECT_TRUE(same_bits(device_u.values(), expected_u));
  }
}

// Goal: the norms are right, and the same in each run. Method: lengths from 0 to beyond the threads of the grid; the
// CPU's sum to 15 digits, its maximum exactly; NaN as the maximum.
TEST_F(CudaDecode, NormsAreRightAndRepeat) {
  const auto sketch = make_cuda({.dimension = 10, .rows = 1, .columns = 10});
  DeviceVector<VectorNorms> norms(std::vector<VectorNorms>(1));
  for (const std::size_t size : {0u, 1u, 1000u, 300'000u}) {
    std::vector<float> vector = rough_vector(size, size);
    DeviceVector<float> on_device(vector, 1);
    ASSERT_TRUE(succeeds(sketch->norms(on_device.span(), norms.span().data(), {})));
    const VectorNorms first = norms.values()[0];
    ASSERT_TRUE(succeeds(sketch->norms(on_device.span(), norms.span().data(), {})));
    EXPECT_EQ(first.sum_squares, norms.values()[0].sum_squares);
    EXPECT_NEAR(first.sum_squares, sum_squares(vector), 1e-13 * sum_squares(vector));
    float most = 0.0F;
    for (const float value : vector) most = std::max(most, std::abs(value));
    EXPECT_EQ(first.magnitude_max, most);
  }
  DeviceVector<float> with_nan(
      {1.0F, -std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()});
  ASSERT_TRUE(succeeds(sketch->norms(with_nan.span(), norms.span().data(), {})));
  EXPECT_TRUE(std::isnan(norms.values()[0].magnitude_max));
}

// Goal: the first NaN or infinity is found. Method: none, one, several; first, last and inner places.
TEST_F(CudaDecode, FindsTheFirstNonFinite) {
  const auto sketch = make_cuda({.dimension = 10, .rows = 1, .columns = 10});
  DeviceVector<std::uint64_t> index(std::vector<std::uint64_t>(1));
  const std::size_t size = 70'001;
  const std::vector<std::size_t> cases[] = {{}, {0}, {size - 1}, {40'000, 39'999, 60'000}, {5, 6}};
  for (const std::vector<std::size_t>& places : cases) {
    std::vector<float> vector = rough_vector(1, size);
    for (const std::size_t i : places) {
      vector[i] = i % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity();
    }
    DeviceVector<float> on_device(vector);
    ASSERT_TRUE(succeeds(sketch->first_non_finite(on_device.span(), index.span().data(), {})));
    EXPECT_EQ(index.values()[0], first_non_finite(vector));
  }
}

}  // namespace
}  // namespace gossamer::sketch
