// Cells of all types: half floats, fixed point, and what merging keeps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "inputs.h"
#include "sketch/half.h"

namespace gossamer::sketch {
namespace {

const std::vector<CellType> integer_types = cell_types(CellKind::integer);
const std::vector<CellType> floating_types = cell_types(CellKind::floating);

std::vector<std::byte> encode_as(CountSketch& sketch, std::uint64_t seed, std::span<const float> vector,
                                 const CellFormat& format) {
  std::vector<std::byte> cells(sketch.shape().cells() * cell_bytes(format.type));
  sketch.encode_cells(seed, vector, format, cells, nullptr);
  return cells;
}

std::vector<float> values_of(CellType type, std::span<const std::byte> cells) {
  std::vector<float> values(cells.size() / cell_bytes(type));
  widen(type, cells, values);
  return values;
}

float norm_of(std::span<const float> vector) { return static_cast<float>(std::sqrt(sum_squares(vector))); }

// ---- half floats -----------------------------------------------------------------------------

// The nearest of all finite values of a 16-bit format, ties to the even mantissa, by search.
std::uint16_t nearest_by_search(float value, float (*from)(std::uint16_t), std::uint16_t largest) {
  const float magnitude = std::abs(value);
  std::uint16_t low = 0;
  std::uint16_t high = largest;
  while (low + 1 < high) {
    const auto middle = static_cast<std::uint16_t>((low + high) / 2);
    (from(middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - double{from(low)};
  const double above = double{from(high)} - magnitude;
  const bool up = above < below || (above == below && high % 2 == 0);
  return static_cast<std::uint16_t>((up ? high : low) | (std::signbit(value) ? 0x8000 : 0));
}

// Goal: conversion rounds to nearest, ties to even, denormals included. Method: values of every exponent, their
// neighbours and midpoints, against a search over all values of the format.
TEST(Half, RoundsToTheNearest) {
  Random random(3);
  for (int i = 0; i < 200'000; ++i) {
    const auto bits = static_cast<std::uint16_t>(random.next());
    const float f16 = from_f16(bits & 0xfbff);  // finite
    const float next = from_f16(static_cast<std::uint16_t>(std::min((bits & 0x7bff) + 1, 0x7bff)));
    for (const float value : {f16, (std::abs(f16) + next) / 2, std::nextafter(f16, 1e9F), std::nextafter(f16, -1e9F)}) {
      ASSERT_EQ(to_f16(value), nearest_by_search(value, from_f16, 0x7bff)) << value;
    }
    float any = std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
    if (!std::isfinite(any) || std::abs(any) > 3e38F) any = 1.0F;
    ASSERT_EQ(to_bf16(any), nearest_by_search(any, from_bf16, 0x7f7f)) << any;
  }
}

// Goal: what f16 cannot hold becomes infinity, in conversions and in sums, and NaN stays NaN: whoever looks at a sum
// sees that it is wrong. Method: values around 65,504, by the scalar functions and by the kernels of every target.
TEST(Half, BeyondTheRangeIsInfinity) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {65'504.0F, 65'519.0F}) {
    EXPECT_EQ(from_f16(to_f16(value)), 65'504.0F);
    EXPECT_EQ(from_f16(to_f16(-value)), -65'504.0F);
  }
  for (const float value : {65'520.0F, 1e30F, infinity}) {
    EXPECT_EQ(from_f16(to_f16(value)), infinity);
    EXPECT_EQ(from_f16(to_f16(-value)), -infinity);
  }
  EXPECT_TRUE(std::isnan(from_f16(to_f16(std::nanf("")))));
  with_each_target([] {
    for (const std::size_t size : {4u, 20u, 40u}) {
      for (const float value : {40'000.0F, -40'000.0F, 65'520.0F, std::nanf("")}) {
        std::vector<std::byte> cells(2 * size);
        narrow(CellType::f16, std::vector<float>(size, value), cells);
        std::vector<std::byte> sum = cells;
        merge({size, 0, CellType::f16}, 0, sum.data(), cells.data(), sum.size());
        for (const float each : values_of(CellType::f16, sum)) {
          if (std::isnan(value))
            ASSERT_TRUE(std::isnan(each));
          else
            ASSERT_EQ(each, std::copysign(infinity, value));
        }
      }
    }
  });
}

// Goal: kernels convert as the scalar functions do, on every target and at every length. Method: prefixes.
TEST(Half, KernelsConvertAsTheScalarFunctions) {
  with_each_target([] {
    for (std::size_t size = 0; size < 70; ++size) {
      const std::vector<float> values = rough_vector(size, size);
      for (const CellType type : {CellType::bf16, CellType::f16}) {
        std::vector<std::byte> cells(2 * size);
        narrow(type, values, cells);
        for (std::size_t i = 0; i < size; ++i) {
          std::uint16_t bits = 0;
          std::memcpy(&bits, cells.data() + 2 * i, 2);
          ASSERT_EQ(bits, type == CellType::bf16 ? to_bf16(values[i]) : to_f16(values[i]));
        }
        const std::vector<float> back = values_of(type, cells);
        for (std::size_t i = 0; i < size; ++i)
          ASSERT_EQ(back[i], type == CellType::bf16 ? from_bf16(to_bf16(values[i])) : from_f16(to_f16(values[i])));
      }
    }
  });
}

// ---- fixed point -----------------------------------------------------------------------------

// Goal: integer cells are what fixed_point.h says, bit for bit, on every target. Method: shapes with tails against
// the reference; several shifts, which the vector's range brings about.
TEST(FixedCells, AreTheReferencesOnEveryTarget) {
  const SketchShape shapes[] = {{5003, 3, 1500}, {777, 5, 37}, {70, 1, 1024}, {10'247, 7, 2048},
                                {300, 15, 1},    {1, 3, 16},   {9000, 1, 40}};
  with_each_target([&] {
    std::uint64_t seed = 0;
    for (const SketchShape& shape : shapes) {
      const std::vector<float> vector = rough_vector(++seed, shape.dimension);
      for (const CellType type : integer_types) {
        const FixedPoint fixed =
            choose_fixed_point(shape, level_max_of(type, 4), norm_of(vector), largest_magnitude(vector));
        const CellFormat format{type, fixed, 7};
        ASSERT_EQ(encode_as(*make_fast(shape), seed, vector, format),
                  encode_as(*make_reference(shape), seed, vector, format))
            << cell_type_name(type) << ", d = " << shape.dimension << ", c = " << shape.columns;
      }
    }
  });
}

// Goal: sketches of exact multiples of the scale add up bit for bit: sketch(a) + sketch(b) = sketch(a + b). Method:
// a shift of 0, so that no cell is rounded; vectors of small whole numbers; every integer type.
RC_GTEST_PROP(FixedCells, SumOfSketchesIsTheSketchOfTheSum, ()) {
  const SketchShape shape{*rc::gen::inRange<std::uint64_t>(1, 3000), 3, *rc::gen::inRange<std::uint32_t>(600, 900)};
  const std::uint64_t seed = *rc::gen::arbitrary<std::uint64_t>();
  std::vector<float> a(shape.dimension);
  std::vector<float> b(shape.dimension);
  Random random(seed);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(random.below(9)) - 4;
    b[i] = static_cast<float>(random.below(9)) - 4;
  }
  std::vector<float> sum(shape.dimension);
  std::transform(a.begin(), a.end(), b.begin(), sum.begin(), std::plus<>());
  const auto sketch = make_fast(shape);
  for (const CellType type : integer_types) {
    // 3,000 coordinates at 600 columns: at most six meet in a cell.
    const CellFormat format{type, {1.0F, 0, 127}, 1};
    std::vector<std::byte> merged = encode_as(*sketch, seed, a, format);
    const std::vector<std::byte> other = encode_as(*sketch, seed, b, format);
    const PayloadShape payload{shape.cells(), 0, type};
    merged.resize(payload.bytes());
    std::vector<std::byte> other_padded = other;
    other_padded.resize(payload.bytes());
    merge(payload, 0, merged.data(), other_padded.data(), payload.bytes());
    merged.resize(payload.cells_bytes());
    RC_ASSERT(merged == encode_as(*sketch, seed, sum, format));
  }
}

// Goal: stochastic rounding is unbiased, and streams round independently. Method: the mean of a cell over 4,096
// streams lies within 5 standard errors of the sum (false alarm: 1 in 10^6 for each of 24 cells), and two streams
// differ in about as many cells as chance says.
TEST(FixedCells, RoundingIsUnbiasedOverStreams) {
  const SketchShape shape{24, 1, 24};
  const std::vector<float> vector = rough_vector(5, shape.dimension);
  const FixedPoint fixed = choose_fixed_point(shape, 15, norm_of(vector), largest_magnitude(vector));
  ASSERT_GT(fixed.shift, 8u);
  const auto sketch = make_fast(shape);
  const CellFormat exact{CellType::i32, {fixed.scale, 0, 1 << 30}, 0};
  const std::vector<float> sums = values_of(CellType::i32, encode_as(*sketch, 9, vector, exact));
  std::vector<double> means(shape.columns, 0.0);
  constexpr int streams = 4096;
  int differing = 0;
  std::vector<float> before;
  for (int stream = 0; stream < streams; ++stream) {
    const CellFormat format{CellType::i8, fixed, static_cast<std::uint64_t>(stream)};
    const std::vector<float> levels = values_of(CellType::i8, encode_as(*sketch, 9, vector, format));
    for (std::size_t b = 0; b < levels.size(); ++b) {
      means[b] += levels[b] / streams;
      if (!before.empty() && before[b] != levels[b]) ++differing;
    }
    before = levels;
  }
  double expected_differing = 0;
  for (std::size_t b = 0; b < means.size(); ++b) {
    const double level = sums[b] / std::ldexp(1.0, static_cast<int>(fixed.shift));
    const double up = level - std::floor(level);  // how often it is rounded up
    EXPECT_NEAR(means[b], level, 5 * std::sqrt(up * (1 - up) / streams) + 1e-4) << "cell " << b;
    expected_differing += 2 * up * (1 - up) * (streams - 1);
  }
  EXPECT_NEAR(differing, expected_differing, 6 * std::sqrt(expected_differing));
}

// Goal: the chosen scale never lets 32 bits overflow and uses the levels it has. Method: vectors that put as much
// as possible into one cell (one column), denormals, huge values, a single spike.
TEST(FixedCells, TheScaleLeavesRoomAndUsesIt) {
  struct Case {
    SketchShape shape;
    float value;
  };
  for (const Case& each : {Case{{4096, 1, 1}, 1.0F}, Case{{100'000, 3, 64}, 1e-40F}, Case{{100'000, 3, 64}, 1e30F},
                           Case{{1, 1, 1}, 3.0F}}) {
    const std::vector<float> vector(each.shape.dimension, each.value);
    const FixedPoint fixed = choose_fixed_point(each.shape, 127, norm_of(vector), each.value);
    EXPECT_GT(fixed.scale, 0.0F);
    const double most = std::ceil(static_cast<double>(each.shape.dimension) / segment_length(each.shape.columns)) *
                        double{each.value} * double{fixed.scale};
    EXPECT_LE(most, 0x1p30);
    EXPECT_EQ(encode_as(*make_fast(each.shape), 3, vector, {CellType::i8, fixed, 0}),
              encode_as(*make_reference(each.shape), 3, vector, {CellType::i8, fixed, 0}));
  }
  std::vector<float> spike(10'000, 0.0F);
  spike[77] = -2.5F;
  const SketchShape shape{10'000, 3, 1000};
  const FixedPoint fixed = choose_fixed_point(shape, 31, 2.5F, 2.5F);
  const auto sketch = make_fast(shape);
  sketch->load_cells(4, CellType::i8, encode_as(*sketch, 4, spike, {CellType::i8, fixed, 0}));
  const double level = std::ldexp(1.0, static_cast<int>(fixed.shift)) / fixed.scale;
  EXPECT_NEAR(estimates_of(*sketch)[77] * level, -2.5, level);
  EXPECT_GE(estimates_of(*sketch)[77], -31.0F);
  EXPECT_LE(estimates_of(*sketch)[77], -27.0F);
  EXPECT_THAT(top_of(*sketch, 1), ::testing::ElementsAre(77));
}

// Goal: a vector of zeros has cells of zero. Method: the scale of a zero magnitude.
TEST(FixedCells, ZerosStayZeros) {
  const SketchShape shape{5000, 3, 1024};
  const FixedPoint fixed = choose_fixed_point(shape, 127, 0.0F, 0.0F);
  const std::vector<float> zeros(shape.dimension, 0.0F);
  EXPECT_THAT(values_of(CellType::i8, encode_as(*make_fast(shape), 1, zeros, {CellType::i8, fixed, 3})),
              ::testing::Each(0.0F));
}

// Goal: levels and widths leave headroom for every P to 1,024 by construction. Method: P times the largest level
// fits the type, and there are at least 15 levels a side.
TEST(FixedCells, HeadroomHoldsForEveryRankCount) {
  for (std::uint32_t ranks = 1; ranks <= 1024; ++ranks) {
    for (const CellType type : integer_types) {
      const CellType wide = widen_for(type, ranks);
      const std::int64_t levels = level_max_of(wide, ranks);
      EXPECT_GE(levels, 15);
      EXPECT_LE(levels * ranks, wide == CellType::i8 ? 127 : wide == CellType::i16 ? 32'767 : 1 << 30);
      EXPECT_GE(cell_bytes(wide), cell_bytes(type));
    }
  }
  EXPECT_EQ(widen_for(CellType::i8, 8), CellType::i8);
  EXPECT_EQ(widen_for(CellType::i8, 9), CellType::i16);
}

// Goal: values become levels to nearest, ties to even, cut at the ends. Method: chosen values, every target, tails.
TEST(Quantise, RoundsToNearestAndCuts) {
  with_each_target([] {
    const std::vector<float> few = {0.0F, 0.25F, 0.75F, 1.25F, -0.75F, -1.25F, 100.0F, -100.0F, 31.4F};
    const std::vector<float> levels = {0, 0, 2, 2, -2, -2, 50, -50, 50};
    for (const CellType type : integer_types) {
      for (std::size_t size = 0; size < 70; ++size) {
        std::vector<float> values(size);
        std::vector<float> expected(size);
        for (std::size_t i = 0; i < size; ++i) {
          values[i] = few[i % few.size()];
          expected[i] = levels[i % few.size()];
        }
        std::vector<std::byte> cells(size * cell_bytes(type));
        quantise(values, 2.0F, 50, type, cells);
        ASSERT_EQ(values_of(type, cells), expected);
      }
    }
  });
}

// Goal: the largest magnitude is found wherever it stands; NaN is passed over. Method: every place of short vectors.
TEST(LargestMagnitude, IsFoundAnywhere) {
  with_each_target([] {
    for (std::size_t size = 1; size < 70; ++size) {
      std::vector<float> values(size, 0.5F);
      values[size / 2] = std::numeric_limits<float>::quiet_NaN();
      for (std::size_t at = 0; at < size; ++at) {
        std::vector<float> with = values;
        with[at] = -3.0F;
        ASSERT_EQ(largest_magnitude(with), 3.0F);
      }
    }
    ASSERT_EQ(largest_magnitude({}), 0.0F);
  });
}

// ---- merging ---------------------------------------------------------------------------------

// Goal: merging encoded integer cells gives the same bits in every order and grouping. Method: 7 contributions,
// random binary trees.
TEST(MergeCells, IntegersDoNotDependOnTheOrder) {
  const SketchShape shape{20'000, 3, 777};
  const auto sketch = make_fast(shape);
  constexpr std::uint32_t ranks = 7;
  Random random(8);
  for (const CellType type : integer_types) {
    const PayloadShape payload{shape.cells(), 0, type};
    std::vector<std::vector<std::byte>> contributions;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      const std::vector<float> vector = rough_vector(rank, shape.dimension);
      const FixedPoint fixed = choose_fixed_point(shape, level_max_of(type, ranks), 4000.0F, 60.0F);
      contributions.push_back(encode_as(*sketch, 5, vector, {type, fixed, rank}));
      contributions.back().resize(payload.bytes());
    }
    std::vector<std::byte> first;
    for (int round = 0; round < 20; ++round) {
      auto left = contributions;
      while (left.size() > 1) {
        const std::size_t a = random.below(left.size());
        std::size_t b = random.below(left.size() - 1);
        b += b >= a ? 1 : 0;
        merge(payload, 0, left[a].data(), left[b].data(), payload.bytes());
        left.erase(left.begin() + static_cast<std::ptrdiff_t>(b));
      }
      if (first.empty()) first = left[0];
      ASSERT_EQ(left[0], first);
    }
  }
}

// Goal: every type merges as it says, at any alignment and length, on every target. Method: against plain loops.
TEST(MergeCells, EveryTypeMergesAsItSays) {
  with_each_target([] {
    Random random(2);
    for (const CellType type : all_cell_types()) {
      for (std::size_t count = 0; count < 140; ++count) {
        const std::size_t bytes = count * cell_bytes(type);
        std::vector<std::byte> into(bytes + 3);
        std::vector<std::byte> from(bytes + 1);
        std::vector<float> a(count);
        std::vector<float> b(count);
        for (std::size_t i = 0; i < count; ++i) {
          a[i] = static_cast<float>(random.below(41)) - 20;
          b[i] = static_cast<float>(random.below(41)) - 20;
        }
        const auto put = [&](std::span<const float> values, std::byte* cells) {
          if (is_integer(type))
            quantise(values, 1.0F, 127, type, {cells, bytes});
          else
            narrow(type, values, {cells, bytes});
        };
        std::vector<std::byte> aligned(bytes + 8);
        const auto put_and_keep = [&](std::vector<float>& values, std::byte* cells) {
          put(values, aligned.data());
          std::memcpy(cells, aligned.data(), bytes);
          widen(type, {cells, bytes}, values);  // what is left of them
        };
        put_and_keep(a, into.data() + 3);
        put_and_keep(b, from.data() + 1);
        kernels::merge_cells(type, into.data() + 3, from.data() + 1, count);
        for (std::size_t i = 0; i < count; ++i) a[i] += b[i];
        put(a, aligned.data());
        ASSERT_EQ(std::memcmp(into.data() + 3, aligned.data(), bytes), 0) << cell_type_name(type) << " " << count;
      }
    }
  });
}

// ---- the catalogue ---------------------------------------------------------------------------

// Goal: a type is found by its name and its number where callers may ask for it, and nothing else is: not what is made
// inside, not what looks like one cut to 8 bits. Method: all types, and every number around them.
TEST(CellTypes, AreFoundWhereCallersMayAskForThem) {
  std::vector<CellType> found;
  for (std::int64_t number = -300; number < 1000; ++number)
    if (const auto type = find_cell_type(number)) found.push_back(*type);
  EXPECT_THAT(found, ::testing::ElementsAreArray(wire_cell_types()));
  EXPECT_EQ(find_cell_type(std::int64_t{1} << 32), std::nullopt);
  for (const CellType type : all_cell_types()) {
    const auto wire = wire_cell_types();
    const bool is_wire = std::find(wire.begin(), wire.end(), type) != wire.end();
    EXPECT_EQ(find_cell_type(cell_type_name(type)), is_wire ? std::optional(type) : std::nullopt);
    EXPECT_EQ(find_cell_type(static_cast<std::int64_t>(type)), is_wire ? std::optional(type) : std::nullopt);
  }
  EXPECT_EQ(cell_type_name(CellType::i32), "i32");
  EXPECT_EQ(find_cell_type("F32"), std::nullopt);
}

// Goal: what the catalogue calls a floating-point type's largest magnitude is that. Method: it comes back from a cell
// as it was, and twice as much does not.
TEST(CellTypes, FloatingOnesHoldTheirLargestMagnitude) {
  for (const CellType type : floating_types) {
    SCOPED_TRACE(cell_type_name(type));
    const auto most = static_cast<float>(row_of(type).most);
    std::vector<std::byte> cells(2 * std::size_t{cell_bytes(type)});
    narrow(type, std::vector<float>{-most, most * 2.0F}, cells);
    const std::vector<float> back = values_of(type, cells);
    EXPECT_EQ(back[0], -most);
    EXPECT_FALSE(std::isfinite(back[1]));
  }
}

// Goal: integer types hold what the catalogue says, with both signs, and give way to wider ones only. Method: the
// extremes there and back; each type's way up.
TEST(CellTypes, IntegersHoldTheirLevelsAndWiden) {
  for (CellType type : integer_types) {
    SCOPED_TRACE(cell_type_name(type));
    const std::int32_t most = level_max_of(type, 1);
    EXPECT_EQ(most, row_of(type).most);
    const std::vector<float> values = {static_cast<float>(most), static_cast<float>(-most)};
    std::vector<std::byte> cells(2 * std::size_t{cell_bytes(type)});
    quantise(values, 1.0F, most, type, cells);
    EXPECT_EQ(values_of(type, cells), values);
    while (row_of(type).wider != type) {
      ASSERT_GT(cell_bytes(row_of(type).wider), cell_bytes(type));
      type = row_of(type).wider;
    }
    EXPECT_EQ(type, CellType::i32);
  }
  for (const CellType type : floating_types) {
    EXPECT_EQ(widen_for(type, 1'000'000), type);
    EXPECT_EQ(level_max_of(type, 1), 0);
  }
  EXPECT_EQ(widen_for(CellType::i16, 2184), CellType::i16);
  EXPECT_EQ(widen_for(CellType::i8, 2185), CellType::i32);
}

}  // namespace
}  // namespace gossamer::sketch
