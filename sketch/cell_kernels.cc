// Kernels over cells of all types: merge, narrow, widen, quantise, round. Plain loops but for the rounding: the
// compiler vectorises them for each target.
#include <cstring>

#include "sketch/half.h"
#include "sketch/hash.h"
#include "sketch/kernels.h"
#include "sketch/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sketch/cell_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gossamer::sketch::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <typename Value>
HWY_INLINE Value load_at(const std::byte* cells, std::size_t i) {
  Value value;
  std::memcpy(&value, cells + i * sizeof(Value), sizeof(Value));
  return value;
}

template <typename Value>
HWY_INLINE void store_at(std::byte* cells, std::size_t i, Value value) {
  std::memcpy(cells + i * sizeof(Value), &value, sizeof(Value));
}

// Calls combine(into, from) for all cells of one type.
template <typename Value, typename Combine>
HWY_INLINE void combine_cells(std::byte* HWY_RESTRICT into, const std::byte* HWY_RESTRICT from, std::size_t count,
                              const Combine& combine) {
  for (std::size_t i = 0; i < count; ++i) {
    store_at<Value>(into, i, static_cast<Value>(combine(load_at<Value>(into, i), load_at<Value>(from, i))));
  }
}

// Unsigned: the sums wrap.
template <typename Value>
HWY_INLINE void add_wrapping(std::byte* into, const std::byte* from, std::size_t count) {
  combine_cells<Value>(into, from, count, [](Value a, Value b) { return a + b; });
}

// ---- f16 -------------------------------------------------------------------------------------
//
// x86 converts vectors in one instruction each. Elsewhere, and at the end, the integer arithmetic of half.h, which
// gives the same bits.

#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
using WideTag = hn::ScalableTag<float>;
using HalfTag = hn::Rebind<hwy::float16_t, WideTag>;

HWY_INLINE hn::Vec<WideTag> load_f16(const std::byte* cells, std::size_t i) {
  return hn::PromoteTo(WideTag(), hn::LoadU(HalfTag(), reinterpret_cast<const hwy::float16_t*>(cells + 2 * i)));
}

HWY_INLINE void store_f16(hn::Vec<WideTag> values, std::byte* cells, std::size_t i) {
  hn::StoreU(hn::DemoteTo(HalfTag(), values), HalfTag(), reinterpret_cast<hwy::float16_t*>(cells + 2 * i));
}
#define GOSSAMER_WHOLE_F16_VECTORS(i, count, statement) \
  for (; i + hn::MaxLanes(WideTag()) <= count; i += hn::MaxLanes(WideTag())) statement
#else
#define GOSSAMER_WHOLE_F16_VECTORS(i, count, statement)
#endif

void merge_f16(std::byte* HWY_RESTRICT into, const std::byte* HWY_RESTRICT from, std::size_t count) {
  std::size_t i = 0;
  GOSSAMER_WHOLE_F16_VECTORS(i, count, store_f16(hn::Add(load_f16(into, i), load_f16(from, i)), into, i));
  for (; i < count; ++i) {
    const float sum = from_f16(load_at<std::uint16_t>(into, i)) + from_f16(load_at<std::uint16_t>(from, i));
    store_at<std::uint16_t>(into, i, to_f16(sum));
  }
}

void narrow_f16(const float* HWY_RESTRICT values, std::byte* HWY_RESTRICT cells, std::size_t count) {
  std::size_t i = 0;
  GOSSAMER_WHOLE_F16_VECTORS(i, count, store_f16(hn::LoadU(WideTag(), values + i), cells, i));
  for (; i < count; ++i) store_at<std::uint16_t>(cells, i, to_f16(values[i]));
}

void widen_f16(const std::byte* HWY_RESTRICT cells, float* HWY_RESTRICT values, std::size_t count) {
  std::size_t i = 0;
  GOSSAMER_WHOLE_F16_VECTORS(i, count, hn::StoreU(load_f16(cells, i), WideTag(), values + i));
  for (; i < count; ++i) values[i] = from_f16(load_at<std::uint16_t>(cells, i));
}
#undef GOSSAMER_WHOLE_F16_VECTORS

// ---- all types -------------------------------------------------------------------------------

void merge_cells(CellType type, std::byte* into, const std::byte* from, std::size_t count) {
  switch (type) {
    case CellType::f32:
      return combine_cells<float>(into, from, count, [](float a, float b) { return a + b; });
    case CellType::bf16:
      return combine_cells<std::uint16_t>(
          into, from, count, [](std::uint16_t a, std::uint16_t b) { return to_bf16(from_bf16(a) + from_bf16(b)); });
    case CellType::f16:
      return merge_f16(into, from, count);
    case CellType::i8:
      return add_wrapping<std::uint8_t>(into, from, count);
    case CellType::i16:
      return add_wrapping<std::uint16_t>(into, from, count);
    case CellType::i32:
      return add_wrapping<std::uint32_t>(into, from, count);
  }
}

void narrow(CellType type, const float* values, std::byte* cells, std::size_t count) {
  switch (type) {
    case CellType::f32:
      if (count != 0) std::memcpy(cells, values, count * sizeof(float));  // null pointers are no memory of 0 bytes
      return;
    case CellType::bf16:
      for (std::size_t i = 0; i < count; ++i) store_at<std::uint16_t>(cells, i, to_bf16(values[i]));
      return;
    case CellType::f16:
      return narrow_f16(values, cells, count);
    case CellType::i8:
    case CellType::i16:
    case CellType::i32:
      break;
  }
  GOSSAMER_CHECK(false, "narrow: cells that are not floating-point");
}

void widen(CellType type, const std::byte* cells, float* values, std::size_t count) {
  switch (type) {
    case CellType::f32:
      if (count != 0) std::memcpy(values, cells, count * sizeof(float));
      return;
    case CellType::bf16:
      for (std::size_t i = 0; i < count; ++i) values[i] = from_bf16(load_at<std::uint16_t>(cells, i));
      return;
    case CellType::f16:
      return widen_f16(cells, values, count);
    case CellType::i8:
      for (std::size_t i = 0; i < count; ++i) values[i] = load_at<std::int8_t>(cells, i);
      return;
    case CellType::i16:
      for (std::size_t i = 0; i < count; ++i) values[i] = load_at<std::int16_t>(cells, i);
      return;
    case CellType::i32:
      for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(load_at<std::int32_t>(cells, i));
  }
}

// ---- levels ----------------------------------------------------------------------------------

using FloatTag = hn::ScalableTag<float>;
using LevelTag = hn::RebindToSigned<FloatTag>;
using WordTag = hn::RebindToUnsigned<FloatTag>;
using Levels = hn::Vec<LevelTag>;
using Words = hn::Vec<WordTag>;
inline constexpr std::size_t lanes = hn::MaxLanes(FloatTag());

template <typename Value>
HWY_INLINE void store_levels(Levels levels, std::byte* cells, std::size_t i) {
  if constexpr (sizeof(Value) == sizeof(std::int32_t)) {
    hn::StoreU(levels, LevelTag(), reinterpret_cast<std::int32_t*>(cells) + i);
  } else {
    const hn::Rebind<Value, LevelTag> d;
    hn::StoreU(hn::DemoteTo(d, levels), d, reinterpret_cast<Value*>(cells) + i);
  }
}

HWY_INLINE Levels cut(Levels levels, std::int32_t level_max) {
  const LevelTag d;
  return hn::Max(hn::Min(levels, hn::Set(d, level_max)), hn::Set(d, -level_max));
}

template <typename Value>
void quantise_as(const float* HWY_RESTRICT values, float scale, std::int32_t level_max, std::byte* HWY_RESTRICT cells,
                 std::size_t count) {
  const FloatTag d;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Levels levels = hn::NearestInt(hn::Mul(hn::LoadU(d, values + i), hn::Set(d, scale)));
    store_levels<Value>(cut(levels, level_max), cells, i);
  }
  if (i < count) {
    HWY_ALIGN float tail[lanes] = {};
    HWY_ALIGN std::int32_t levels[lanes];
    std::memcpy(tail, values + i, (count - i) * sizeof(float));
    hn::Store(cut(hn::NearestInt(hn::Mul(hn::Load(d, tail), hn::Set(d, scale))), level_max), LevelTag(), levels);
    for (std::size_t lane = 0; i < count; ++i, ++lane) store_at<Value>(cells, i, static_cast<Value>(levels[lane]));
  }
}

void quantise(const float* values, float scale, std::int32_t level_max, CellType type, std::byte* cells,
              std::size_t count) {
  switch (type) {
    case CellType::i8:
      return quantise_as<std::int8_t>(values, scale, level_max, cells, count);
    case CellType::i16:
      return quantise_as<std::int16_t>(values, scale, level_max, cells, count);
    case CellType::i32:
      return quantise_as<std::int32_t>(values, scale, level_max, cells, count);
    case CellType::f32:
    case CellType::bf16:
    case CellType::f16:
      break;
  }
  GOSSAMER_CHECK(false, "quantise: cells that are not integers");
}

// rounding_bits of fixed_point.h for `lanes` cells at a time.
HWY_INLINE Words rounding_words(Words counter, Words second) {
  Words x = hn::Xor(counter, hn::ShiftRight<sign_shift_first>(counter));
  x = hn::Mul(x, hn::Set(WordTag(), sign_multiplier_first));
  x = hn::Xor(hn::Xor(x, hn::ShiftRight<sign_shift_second>(x)), second);
  return hn::Mul(x, hn::Set(WordTag(), sign_multiplier_second));
}

template <typename Value>
void round_rows_as(const RowShape& shape, const FixedPoint& fixed, const RoundingKey& key, const std::int32_t* rows,
                   std::byte* cells) {
  const WordTag words;
  const auto shift = static_cast<int>(fixed.shift);
  const Words second = hn::Set(words, key.second);
  const Words step = hn::Set(words, static_cast<std::uint32_t>(lanes) * sign_step);
  for (std::uint32_t row = 0; row < shape.rows; ++row) {
    const std::int32_t* const sums = rows + row * shape.row_stride;
    const std::uint32_t first = row * shape.columns;
    Words counter = hn::Add(hn::Mul(hn::Iota(words, first), hn::Set(words, sign_step)), hn::Set(words, key.first));
    std::uint32_t b = 0;
    for (; b + lanes <= shape.columns; b += static_cast<std::uint32_t>(lanes)) {
      Levels levels = hn::LoadU(LevelTag(), sums + b);
      if (shift != 0) {
        const Words up = hn::ShiftRightSame(rounding_words(counter, second), 32 - shift);
        levels = hn::ShiftRightSame(hn::Add(levels, hn::BitCast(LevelTag(), up)), shift);
        counter = hn::Add(counter, step);
      }
      store_levels<Value>(cut(levels, fixed.level_max), cells, first + b);
    }
    for (; b < shape.columns; ++b) {
      store_at<Value>(cells, first + b, static_cast<Value>(round_cell(sums[b], rounding_bits(key, first + b), fixed)));
    }
  }
}

void round_rows(const RowShape& shape, const FixedPoint& fixed, std::uint64_t stream, const std::int32_t* rows,
                CellType type, std::byte* cells) {
  const RoundingKey key = rounding_key(shape.seed, stream);
  switch (type) {
    case CellType::i8:
      return round_rows_as<std::int8_t>(shape, fixed, key, rows, cells);
    case CellType::i16:
      return round_rows_as<std::int16_t>(shape, fixed, key, rows, cells);
    case CellType::i32:
      return round_rows_as<std::int32_t>(shape, fixed, key, rows, cells);
    case CellType::f32:
    case CellType::bf16:
    case CellType::f16:
      break;
  }
  GOSSAMER_CHECK(false, "round_rows: cells that are not integers");
}

}  // namespace gossamer::sketch::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gossamer::sketch::kernels {

HWY_EXPORT(merge_cells);
HWY_EXPORT(narrow);
HWY_EXPORT(widen);
HWY_EXPORT(quantise);
HWY_EXPORT(round_rows);

void merge_cells(CellType type, std::byte* into, const std::byte* from, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(merge_cells)(type, into, from, count);
}

void narrow(CellType type, const float* values, std::byte* cells, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(narrow)(type, values, cells, count);
}

void widen(CellType type, const std::byte* cells, float* values, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(widen)(type, cells, values, count);
}

void quantise(const float* values, float scale, std::int32_t level_max, CellType type, std::byte* cells,
              std::size_t count) {
  HWY_DYNAMIC_DISPATCH(quantise)(values, scale, level_max, type, cells, count);
}

void round_rows(const RowShape& shape, const FixedPoint& fixed, std::uint64_t stream, const std::int32_t* rows,
                CellType type, std::byte* cells) {
  HWY_DYNAMIC_DISPATCH(round_rows)(shape, fixed, stream, rows, type, cells);
}

}  // namespace gossamer::sketch::kernels
#endif  // HWY_ONCE
