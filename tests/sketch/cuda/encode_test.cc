// Encoding on a device.
#include <algorithm>
#include <cmath>

#include "device_memory.h"
#include "sketch/hash.h"

namespace gossamer::sketch {
namespace {

// Tails, d < c, c < L, c = 1; rows in one block and, from some 20,000 columns on, in tiles; one and many parts.
const SketchShape shapes[] = {
    {.dimension = 1, .rows = 1, .columns = 1},
    {.dimension = 300, .rows = 3, .columns = 1},
    {.dimension = 777, .rows = 5, .columns = 37},
    {.dimension = 5003, .rows = 7, .columns = 1000},
    {.dimension = 40'000, .rows = 5, .columns = 1024},
    {.dimension = 70'001, .rows = 3, .columns = 1500},
    {.dimension = 200'000, .rows = 1, .columns = 8192},
    {.dimension = 30'000, .rows = 9, .columns = 1025},
    {.dimension = 10, .rows = 3, .columns = 2000},
    {.dimension = 1'500'000, .rows = 3, .columns = 20'000},
    {.dimension = 300'001, .rows = 1, .columns = 99'991},
    {.dimension = 5000, .rows = 5, .columns = 70'000},
};

std::string name_of(const SketchShape& shape) {
  return text("d = ", shape.dimension, ", r = ", shape.rows, ", c = ", shape.columns);
}

// fixed_point.h as one would write it down.
std::vector<std::int32_t> plain_sums(const SketchShape& shape, std::uint64_t seed, const std::vector<float>& vector,
                                     float scale) {
  const std::uint32_t length = segment_length(shape.columns);
  std::vector<std::uint32_t> sums(shape.cells());
  for (std::uint64_t t = 0; t < shape.dimension; ++t) {
    const SegmentHash hash = segment_hash(seed, t / length);
    const auto position = static_cast<std::uint32_t>(t % length);
    const auto q = static_cast<std::uint32_t>(std::lrint(vector[t] * scale));
    for (std::uint32_t row = 0; row < shape.rows; ++row) {
      const std::uint32_t column = (segment_offset(hash, row, shape.columns) + position) % shape.columns;
      sums[std::size_t{row} * shape.columns + column] += is_negated(sign_bits(hash, position), row) ? 0 - q : q;
    }
  }
  return {sums.begin(), sums.end()};
}

// What EncodeOrder says: reference sketches of the parts, added in groups, then the groups.
std::vector<float> cells_in_order(const SketchShape& shape, const EncodeOrder& order, std::uint64_t seed,
                                  const std::vector<float>& vector) {
  const std::uint64_t part_length = std::uint64_t{order.segments_per_part} * segment_length(shape.columns);
  const auto reference = make_fast(shape);
  std::vector<float> cells(shape.cells());
  for (std::uint32_t group = 0; group < order.parts; group += order.parts_per_group) {
    std::vector<float> sum(shape.cells());
    for (std::uint32_t part = group; part < std::min(group + order.parts_per_group, order.parts); ++part) {
      std::vector<float> only(shape.dimension);
      const std::uint64_t end = std::min(shape.dimension, (part + 1) * part_length);
      for (std::uint64_t t = part * part_length; t < end; ++t) only[t] = vector[t];
      add(sum, encode_with(*reference, seed, only));
    }
    add(cells, sum);
  }
  return cells;
}

using CudaEncode = CudaSketchTest;

// Goal: integer sums are the CPU's. Method: the plain loop, over edge shapes; a vector that is not aligned.
TEST_F(CudaEncode, FixedPointSumsEqualThePlainLoop) {
  for (const SketchShape& shape : shapes) {
    SCOPED_TRACE(name_of(shape));
    const std::vector<float> vector = rough_vector(shape.dimension + shape.columns, shape.dimension);
    DeviceVector<float> on_device(vector, 3);
    DeviceVector<std::int32_t> sums(std::vector<std::int32_t>(shape.cells(), -1));
    ASSERT_TRUE(succeeds(make_cuda(shape)->encode_fixed(7, on_device.span(), 1000.0F, sums.span(), {})));
    ASSERT_EQ(sums.values(), plain_sums(shape, 7, vector, 1000.0F));
  }
}

// Goal: f32 sums have the order that the header states, to the bit, and the same in a second run. Method: sketches of
// the parts, made on the CPU, of vectors whose sums round.
TEST_F(CudaEncode, FloatSumsHaveTheStatedOrder) {
  bool is_one_part = false;
  bool are_many_parts = false;
  for (const SketchShape& shape : shapes) {
    SCOPED_TRACE(name_of(shape));
    const std::vector<float> vector = rough_vector(shape.dimension + shape.rows, shape.dimension);
    const auto sketch = make_cuda(shape);
    DeviceVector<float> on_device(vector, 1);
    DeviceVector<float> cells(std::vector<float>(shape.cells(), -1.0F));
    const std::vector<float> expected = cells_in_order(shape, sketch->encode_order(), 9, vector);
    for (int run = 0; run < 2; ++run) {
      ASSERT_TRUE(succeeds(sketch->encode(9, on_device.span(), cells.span(), {})));
      ASSERT_TRUE(same_bits(cells.values(), expected));
    }
    is_one_part = is_one_part || sketch->encode_order().parts == 1;
    are_many_parts = are_many_parts || sketch->encode_order().parts > 8;
  }
  EXPECT_TRUE(is_one_part);
  EXPECT_TRUE(are_many_parts);
}

// Goal: calls that do not fit are refused with their reason. Method: one wrong size each, and shapes out of range.
TEST_F(CudaEncode, RefusesWhatDoesNotFit) {
  const SketchShape shape{.dimension = 100, .rows = 3, .columns = 20};
  const auto sketch = make_cuda(shape, 5);
  DeviceVector<float> vector(std::vector<float>(100));
  DeviceVector<float> cells(std::vector<float>(60));
  DeviceVector<std::uint32_t> indices(std::vector<std::uint32_t>(6));
  EXPECT_EQ(sketch->encode(1, vector.span().first(99), cells.span(), {}).error().code, Code::invalid_argument);
  EXPECT_EQ(sketch->encode(1, vector.span(), cells.span().first(59), {}).error().code, Code::invalid_argument);
  EXPECT_EQ(sketch->select_top(indices.span().first(5), {}).error().message,
            "no sketch was loaded to recover coordinates from");
  ASSERT_TRUE(succeeds(sketch->load(1, cells.span(), {})));
  EXPECT_EQ(sketch->select_top(indices.span(), {}).error().message,
            "select_top: 6 coordinates asked for, but the sketch was made for selections of up to 5");
  EXPECT_EQ(sketch->estimate(1, vector.span(), {}).error().code, Code::invalid_argument);
  EXPECT_EQ(make_cuda_sketch({.dimension = 0, .rows = 3, .columns = 20}, 0).error().code, Code::invalid_argument);
  EXPECT_EQ(make_cuda_sketch(shape, 101).error().code, Code::invalid_argument);
  EXPECT_GT(sketch->working_bytes(), shape.cells() * 4);
}

}  // namespace
}  // namespace gossamer::sketch
