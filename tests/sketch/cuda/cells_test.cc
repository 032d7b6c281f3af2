// Cells of all types on a device: merges, conversions, rounding, and sketches of them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "device_memory.h"
#include "sketch/count_sketch.h"
#include "sketch/half.h"

namespace gossamer::sketch {
namespace {

const std::vector<CellType> float_types = cell_types(CellKind::floating);
const std::vector<CellType> integer_types = cell_types(CellKind::integer);

using Cells = std::vector<std::byte>;
using CudaCells = CudaSketchTest;

const SketchShape small = {.dimension = 10, .rows = 1, .columns = 10};

// Any bits that are no NaN and no infinity: denormals and both zeros among them.
Cells any_cells(CellType type, std::uint64_t seed, std::size_t count) {
  Random random(seed);
  Cells cells(count * cell_bytes(type));
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<std::byte> cell = std::span(cells).subspan(i * cell_bytes(type), cell_bytes(type));
    float value = 0;
    do {
      const std::uint64_t bits = random.next();
      std::memcpy(cell.data(), &bits, cell.size());
      widen(type, cell, {&value, 1});
    } while (!std::isfinite(value));
  }
  return cells;
}

template <typename Value>
Cells bytes_of(const std::vector<Value>& values) {
  Cells bytes(values.size() * sizeof(Value));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<float> widened(CellType type, const Cells& cells) {
  std::vector<float> values(cells.size() / cell_bytes(type));
  widen(type, cells, values);
  return values;
}

Cells narrowed(CellType type, const std::vector<float>& values) {
  Cells cells(values.size() * cell_bytes(type));
  narrow(type, values, cells);
  return cells;
}

// Every finite pattern of a type of at most 16 bits, ascending; of a larger one 10,000 finite cells of any bits.
Cells all_or_many(CellType type) {
  if (cell_bytes(type) > 2) return any_cells(type, 6, 10'000);
  Cells all;
  for (std::uint32_t bits = 0; bits < 1u << 8 * cell_bytes(type); ++bits) {
    Cells cell(cell_bytes(type));
    std::memcpy(cell.data(), &bits, cell.size());  // little endian
    if (std::isfinite(widened(type, cell)[0])) all.insert(all.end(), cell.begin(), cell.end());
  }
  return all;
}

// Goal: merges have the CPU's bits for every type. Method: cells of any bits, sums beyond the range among them; lengths
// and alignments with and without a tail beside whole packets; every finite one of 16 bits with a random partner.
TEST_F(CudaCells, MergesHaveTheCpuBits) {
  const auto sketch = make_cuda(small);
  const auto check = [&](CellType type, const Cells& into, const Cells& from, std::size_t skew) {
    Cells expected = into;
    kernels::merge_cells(type, expected.data(), from.data(), into.size() / cell_bytes(type));
    DeviceVector<std::byte> to(into, skew * cell_bytes(type));
    DeviceVector<std::byte> other(from);
    ASSERT_TRUE(succeeds(sketch->merge_cells(type, to.span(), other.span(), {})));
    ASSERT_EQ(to.values(), expected) << cell_type_name(type) << ", " << into.size() << " bytes, skew " << skew;
  };
  for (const CellType type : all_cell_types()) {
    for (const std::size_t count : {0u, 1u, 7u, 8u, 15u, 16u, 1000u, 4099u}) {
      for (const std::size_t skew : {0u, 1u}) check(type, any_cells(type, 1, count), any_cells(type, 2, count), skew);
    }
  }
  for (const CellType type : float_types) {
    const Cells all = all_or_many(type);
    check(type, all, any_cells(type, 3, all.size() / cell_bytes(type)), 0);
  }
}

// Goal: a part of a payload merges as on the CPU: cells, padding, words. Method: every type; parts that end in cells,
// begin in words, or are all; the CPU's merge beside it.
TEST_F(CudaCells, PayloadsMergeCellsAndWords) {
  const auto sketch = make_cuda(small);
  for (const CellType type : all_cell_types()) {
    const PayloadShape shape{.cells = 1003, .words = 3, .type = type};
    Cells into = any_cells(type, 4, shape.cells);
    Cells from = any_cells(type, 5, shape.cells);
    into.resize(shape.words_offset());
    from.resize(shape.words_offset());
    for (const std::uint64_t word : {std::uint64_t{5}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
      for (Cells* cells : {&into, &from}) {
        const Cells bytes = bytes_of<std::uint64_t>({cells == &into ? word : word / 3 * 2 + 2});
        cells->insert(cells->end(), bytes.begin(), bytes.end());
      }
    }
    const std::uint64_t words = shape.words_offset();
    for (const auto& [begin, end] : {std::pair<std::uint64_t, std::uint64_t>{0, shape.bytes()},
                                     {0, 16},
                                     {64, words},
                                     {words - 8, words + 8},
                                     {words + 8, words + 24},
                                     {24, 24}}) {
      Cells expected = into;
      merge(shape, begin, expected.data() + begin, from.data() + begin, end - begin);
      DeviceVector<std::byte> to(into);
      DeviceVector<std::byte> other(from);
      ASSERT_TRUE(succeeds(
          sketch->merge(shape, begin, to.span().data() + begin, other.span().data() + begin, end - begin, {})));
      ASSERT_EQ(to.values(), expected) << cell_type_name(type) << ", bytes " << begin << " to " << end;
    }
  }
}

// Goal: values become cells as on the CPU. Method: each finite one of 16 bits, its neighbours in f32, and the midpoint
// to the next, both signs; infinities; against the CPU's narrow.
TEST_F(CudaCells, NarrowsToTheCpuBits) {
  const auto sketch = make_cuda(small);
  for (const CellType type : float_types) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    std::vector<float> values = {infinity, -infinity, 65'519.0F, -65'520.0F, 1e30F, 3.4e38F, 1e-40F};
    const std::vector<float> exact = widened(type, all_or_many(type));
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const float next = exact[i + 1 < exact.size() ? i + 1 : i];
      for (const float value : {exact[i], std::nextafter(exact[i], infinity), std::nextafter(exact[i], -infinity),
                                exact[i] / 2 + next / 2}) {
        values.push_back(value);
      }
    }
    DeviceVector<float> from(values, 1);
    DeviceVector<std::byte> cells(Cells(values.size() * cell_bytes(type)), cell_bytes(type));
    ASSERT_TRUE(succeeds(sketch->narrow(type, from.span(), cells.span(), {})));
    EXPECT_EQ(cells.values(), narrowed(type, values)) << cell_type_name(type);
  }
}

// Goal: cells become the values that they are on the CPU. Method: each finite one of 16 bits, random others; against
// the CPU's widen.
TEST_F(CudaCells, WidensToTheCpuBits) {
  const auto sketch = make_cuda(small);
  for (const CellType type : all_cell_types()) {
    const Cells cells = all_or_many(type);
    DeviceVector<std::byte> from(cells, cell_bytes(type));
    DeviceVector<float> values(std::vector<float>(cells.size() / cell_bytes(type)));
    ASSERT_TRUE(succeeds(sketch->widen(type, from.span(), values.span(), {})));
    EXPECT_TRUE(same_bits(values.values(), widened(type, cells))) << cell_type_name(type);
  }
}

// Goal: rounded cells are those of the frozen formula. Method: random sums, shifts from end to end, every width.
TEST_F(CudaCells, RoundsByTheFrozenFormula) {
  const auto sketch = make_cuda(small);
  Random random(3);
  std::vector<std::int32_t> sums(1001);
  for (std::int32_t& sum : sums) sum = static_cast<std::int32_t>(random.below(1u << 30)) - (1 << 29);
  DeviceVector<std::int32_t> from(sums);
  const RoundingKey key = rounding_key(5, 2);
  for (const CellType type : integer_types) {
    for (const std::uint32_t shift : {0u, 1u, 17u, 23u, 30u}) {
      const FixedPoint fixed{.scale = 1.0F, .shift = shift, .level_max = level_max_of(type, 2)};
      Cells expected(sums.size() * cell_bytes(type));
      for (std::uint32_t i = 0; i < sums.size(); ++i) {
        const std::int32_t level = round_cell(sums[i], rounding_bits(key, 77 + i), fixed);
        std::memcpy(expected.data() + i * cell_bytes(type), &level, cell_bytes(type));  // little endian
      }
      DeviceVector<std::byte> to(Cells(expected.size()));
      ASSERT_TRUE(succeeds(sketch->round_cells(from.span(), key, 77, fixed, type, to.span(), {})));
      ASSERT_EQ(to.values(), expected) << cell_type_name(type) << ", shift " << shift;
    }
  }
}

// Goal: sketches of smaller floats are the f32 cells, rounded; where f32 cells are the CPU's, so are these. Method:
// shapes of one and many parts, in whole rows and in tiles; the CPU's narrow of the device's f32 cells, and the CPU's
// sketch.
TEST_F(CudaCells, EncodesFloatsAsNarrowedSums) {
  const SketchShape shapes[] = {{.dimension = 777, .rows = 5, .columns = 37},
                                {.dimension = 70'001, .rows = 3, .columns = 1500},
                                {.dimension = 10, .rows = 3, .columns = 2000},
                                {.dimension = 100'000, .rows = 1, .columns = 30'000}};
  int like_the_cpu = 0;
  for (const SketchShape& shape : shapes) {
    const std::vector<float> vector = rough_vector(shape.columns, shape.dimension);
    const auto sketch = make_cuda(shape);
    DeviceVector<float> on_device(vector, 1);
    DeviceVector<float> sums(std::vector<float>(shape.cells()));
    ASSERT_TRUE(succeeds(sketch->encode(9, on_device.span(), sums.span(), {})));
    for (const CellType type : float_types) {
      DeviceVector<std::byte> cells(Cells(shape.cells() * cell_bytes(type)));
      ASSERT_TRUE(succeeds(sketch->encode_cells(9, on_device.span(), type, cells.span(), {})));
      ASSERT_EQ(cells.values(), narrowed(type, sums.values())) << cell_type_name(type) << ", c = " << shape.columns;
      if (sketch->encode_order().parts != 1 || encode_part_count(shape) != 1) continue;
      Cells expected(cells.values().size());
      make_fast(shape)->encode_cells(9, vector, {type, {}, 0}, expected, nullptr);
      ASSERT_EQ(cells.values(), expected);
      ++like_the_cpu;
    }
  }
  EXPECT_GE(like_the_cpu, static_cast<int>(2 * float_types.size()));
}

// Goal: a loaded sketch of any type gives the CPU's estimates and selection; a level scales the estimates. Method: any
// cells that are not far apart, of every type.
TEST_F(CudaCells, LoadsEveryType) {
  const SketchShape shape{.dimension = 9000, .rows = 3, .columns = 1100};
  const auto sketch = make_cuda(shape, 100);
  for (const CellType type : all_cell_types()) {
    SCOPED_TRACE(cell_type_name(type));
    const Cells cells =
        is_integer(type) ? any_cells(type, 8, shape.cells()) : narrowed(type, rough_vector(8, shape.cells()));
    const auto cpu = make_fast(shape);
    cpu->load_cells(4, type, cells);
    DeviceVector<std::byte> on_device(cells);
    DeviceVector<float> estimates{std::vector<float>(shape.dimension)};
    DeviceVector<std::uint32_t> indices(std::vector<std::uint32_t>(100));
    ASSERT_TRUE(succeeds(sketch->load_cells(4, type, on_device.span(), 1.0F, {})));
    ASSERT_TRUE(succeeds(sketch->estimate(0, estimates.span(), {})));
    ASSERT_TRUE(same_bits(estimates.values(), estimates_of(*cpu)));
    ASSERT_TRUE(succeeds(sketch->select_top(indices.span(), {})));
    ASSERT_EQ(indices.values(), top_of(*cpu, 100));

    std::vector<float> values = widened(type, cells);
    for (float& value : values) value *= 0.3F;
    const auto scaled = make_reference(shape);
    scaled->load(4, values);
    ASSERT_TRUE(succeeds(sketch->load_cells(4, type, on_device.span(), 0.3F, {})));
    ASSERT_TRUE(succeeds(sketch->estimate(0, estimates.span(), {})));
    ASSERT_TRUE(same_bits(estimates.values(), estimates_of(*scaled)));
  }
}

// Goal: calls whose cells do not fit are refused with their reason. Method: a wrong type, size or place each.
TEST_F(CudaCells, RefusesCellsThatDoNotFit) {
  const SketchShape shape{.dimension = 100, .rows = 3, .columns = 20};
  const auto sketch = make_cuda(shape, 5);
  DeviceVector<float> vector(std::vector<float>(100));
  DeviceVector<std::int32_t> sums(std::vector<std::int32_t>(60));
  DeviceVector<std::byte> memory(Cells(1024));
  const auto cells = [&](std::size_t bytes) { return memory.span().first(bytes); };
  const auto message = [](const Status& status) { return status.ok() ? "" : status.error().message; };
  EXPECT_EQ(message(sketch->encode_cells(1, vector.span(), CellType::i8, cells(60), {})),
            "encode: cells that are not floating-point; encode_fixed makes integers");
  EXPECT_EQ(message(sketch->encode_cells(1, vector.span(), CellType::bf16, cells(119), {})),
            "encode: 119 bytes of cells where 60 bf16 cells were expected, aligned to 2");
  EXPECT_EQ(message(sketch->load_cells(1, CellType::f16, memory.span().subspan(1, 120), 1.0F, {})),
            "load: 120 bytes of cells where 60 f16 cells were expected, aligned to 2");
  EXPECT_EQ(message(sketch->narrow(CellType::i16, vector.span(), cells(200), {})),
            "narrow: cells that are not floating-point");
  EXPECT_EQ(message(sketch->round_cells(sums.span(), {}, 0, {.scale = 1.0F, .shift = 0, .level_max = 128}, CellType::i8,
                                        cells(60), {})),
            "round_cells: level_max must be 0 to what a cell can hold");
  EXPECT_EQ(message(sketch->round_cells(sums.span(), {}, 0, {}, CellType::bf16, cells(120), {})),
            "round_cells: cells that are not integers");
  EXPECT_EQ(message(sketch->merge_cells(CellType::f32, cells(8), cells(12), {})),
            "merge: 12 bytes of cells where 2 f32 cells were expected, aligned to 4");
  const PayloadShape payload{.cells = 10, .words = 1, .type = CellType::i8};
  std::byte* const begin = memory.span().data();
  EXPECT_EQ(message(sketch->merge(payload, 0, begin, begin + 512, payload.bytes() + 8, {})),
            "merge: a part beyond the payload");
  for (const std::size_t wrong : {1u, 4u}) {
    EXPECT_EQ(sketch->merge(payload, 0, begin + wrong, begin + 512, 8, {}).error().code, Code::invalid_argument);
    EXPECT_EQ(sketch->merge(payload, wrong, begin, begin + 512, 8, {}).error().code, Code::invalid_argument);
  }
}

}  // namespace
}  // namespace gossamer::sketch
