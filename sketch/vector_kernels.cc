// Kernels over plain vectors: one pass each.
#include <bit>
#include <cstring>

#include "sketch/kernels.h"
#include "sketch/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sketch/vector_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gossamer::sketch::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using KeyTag = hn::RebindToSigned<FloatTag>;
using IndexTag = hn::RebindToUnsigned<FloatTag>;
using Floats = hn::Vec<FloatTag>;
using Keys = hn::Vec<KeyTag>;
inline constexpr std::size_t lanes = hn::MaxLanes(FloatTag());
static_assert(lanes <= lanes_max);

// The bit pattern of |value| as a signed integer: magnitudes in order, all at least 0.
HWY_INLINE Keys keys_of(Floats values) {
  const KeyTag d;
  return hn::And(hn::BitCast(d, values), hn::Set(d, 0x7fffffff));
}

// Bit i is set when the key of values[i] is above `bound`, for 64 values.
HWY_INLINE std::uint64_t bits_above(const float* values, Keys bound) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 64; i += lanes) {
    HWY_ALIGN std::uint8_t part[8];  // the least that Highway asks for
    hn::StoreMaskBits(KeyTag(), hn::Gt(keys_of(hn::LoadU(FloatTag(), values + i)), bound), part);
    std::uint32_t word = 0;
    std::memcpy(&word, part, (lanes + 7) / 8);
    bits |= std::uint64_t{word} << i;
  }
  return bits;
}

// A loop over set bits: what is kept is rare. It runs over the bits of many words at once, since how many one word has
// cannot be predicted. (Highway's Compress copies its tables to the stack with the compilers of today, which costs ten
// times as much.)
std::size_t keep_above(const float* HWY_RESTRICT values, std::size_t count, std::uint32_t first_index,
                       std::int32_t above, std::uint32_t* HWY_RESTRICT indices, std::int32_t* HWY_RESTRICT keys) {
  constexpr std::size_t words_max = 16;
  const Keys bound = hn::Set(KeyTag(), above);
  std::size_t kept = 0;
  std::size_t begin = 0;
  while (begin + 64 <= count) {
    std::uint64_t words[words_max + 1];  // those with a bit set, and where they begin
    std::size_t begins[words_max + 1];
    std::size_t used = 0;
    std::size_t found = 0;
    for (std::size_t word = 0; word < words_max && begin + 64 <= count; ++word, begin += 64) {
      const std::uint64_t bits = bits_above(values + begin, bound);
      words[used] = bits;
      begins[used] = begin;
      used += bits != 0 ? 1 : 0;
      found += static_cast<std::size_t>(std::popcount(bits));
    }
    words[used] = 0;
    begins[used] = begin;
    std::size_t word = 0;
    std::uint64_t bits = words[0];
    for (const std::size_t end = kept + found; kept < end; ++kept) {
      const std::size_t i = begins[word] + static_cast<std::size_t>(std::countr_zero(bits));
      indices[kept] = first_index + static_cast<std::uint32_t>(i);
      keys[kept] = key_of(values[i]);
      bits &= bits - 1;
      word += bits == 0 ? 1 : 0;
      bits = bits == 0 ? words[word] : bits;
    }
  }
  for (std::size_t i = begin; i < count; ++i) {
    indices[kept] = first_index + static_cast<std::uint32_t>(i);
    keys[kept] = key_of(values[i]);
    kept += keys[kept] > above ? 1 : 0;
  }
  return kept;
}

void accumulate(const float* g, float scale, float momentum, const float* u, const float* v, float* u_next,
                float* v_next, std::size_t count) {
  const FloatTag d;
  const Floats scales = hn::Set(d, scale);
  const Floats momenta = hn::Set(d, momentum);
  // Five streams are more than hardware prefetch keeps up with across page ends.
  constexpr std::size_t ahead = 1024;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (const float* stream : {g, u, v}) __builtin_prefetch(stream + i + ahead, 0, 2);
    for (const float* stream : {u_next, v_next}) __builtin_prefetch(stream + i + ahead, 1, 2);
    const Floats next = hn::Add(hn::Mul(momenta, hn::LoadU(d, u + i)), hn::Mul(scales, hn::LoadU(d, g + i)));
    const Floats sum = hn::Add(hn::LoadU(d, v + i), next);
    hn::StoreU(next, d, u_next + i);
    hn::StoreU(sum, d, v_next + i);
  }
  for (; i < count; ++i) {
    const float next = momentum * u[i] + scale * g[i];
    v_next[i] = v[i] + next;
    u_next[i] = next;
  }
}

// Partial sum p takes elements p, p + 16, p + 32, ...; the square of an f32 is exact in f64.
double sum_squares(const float* values, std::size_t count) {
  constexpr std::size_t partials = 16;
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, hn::ScalableTag<double>> half;
  using Doubles = hn::Vec<hn::ScalableTag<double>>;
  constexpr std::size_t width = hn::MaxLanes(hn::ScalableTag<double>());
  constexpr std::size_t vectors = partials / width;
  Doubles sums[vectors];
  for (Doubles& sum : sums) sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + partials <= count; i += partials) {
    for (std::size_t part = 0; part < vectors; ++part) {
      const Doubles x = hn::PromoteTo(d, hn::LoadU(half, values + i + part * width));
      sums[part] = hn::Add(sums[part], hn::Mul(x, x));
    }
  }
  HWY_ALIGN double sum[partials];
  for (std::size_t part = 0; part < vectors; ++part) hn::Store(sums[part], d, sum + part * width);
  for (; i < count; ++i) {
    const double x = values[i];
    sum[i % partials] += x * x;
  }
  for (std::size_t step = partials / 2; step != 0; step /= 2) {
    for (std::size_t p = 0; p < step; ++p) sum[p] += sum[p + step];
  }
  return sum[0];
}

std::size_t first_non_finite(const float* values, std::size_t count) {
  constexpr std::int32_t finite_max = 0x7f7fffff;
  const FloatTag d;
  const KeyTag key_tag;
  const Keys bound = hn::Set(key_tag, finite_max);
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    const Keys greatest =
        hn::Max(hn::Max(keys_of(hn::LoadU(d, values + i)), keys_of(hn::LoadU(d, values + i + lanes))),
                hn::Max(keys_of(hn::LoadU(d, values + i + 2 * lanes)), keys_of(hn::LoadU(d, values + i + 3 * lanes))));
    if (!hn::AllFalse(key_tag, hn::Gt(greatest, bound))) break;
  }
  for (; i < count; ++i) {
    if (key_of(values[i]) > finite_max) return i;
  }
  return count;
}

float largest_magnitude(const float* values, std::size_t count) {
  constexpr std::int32_t infinity = 0x7f800000;
  const FloatTag d;
  const KeyTag key_tag;
  const Keys bound = hn::Set(key_tag, infinity);
  Keys greatest = hn::Zero(key_tag);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Keys keys = keys_of(hn::LoadU(d, values + i));
    greatest = hn::Max(greatest, hn::IfThenZeroElse(hn::Gt(keys, bound), keys));
  }
  HWY_ALIGN std::int32_t keys[lanes];
  hn::Store(greatest, key_tag, keys);
  std::int32_t most = 0;
  for (const std::int32_t key : keys) most = key > most ? key : most;
  for (; i < count; ++i) most = key_of(values[i]) > most && key_of(values[i]) <= infinity ? key_of(values[i]) : most;
  return std::bit_cast<float>(most);
}

std::int64_t target_chosen() { return HWY_TARGET; }

}  // namespace gossamer::sketch::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gossamer::sketch::kernels {

HWY_EXPORT(keep_above);
HWY_EXPORT(accumulate);
HWY_EXPORT(sum_squares);
HWY_EXPORT(first_non_finite);
HWY_EXPORT(largest_magnitude);
HWY_EXPORT(target_chosen);

std::size_t keep_above(const float* values, std::size_t count, std::uint32_t first_index, std::int32_t above,
                       std::uint32_t* indices, std::int32_t* keys) {
  return HWY_DYNAMIC_DISPATCH(keep_above)(values, count, first_index, above, indices, keys);
}

void accumulate(const float* g, float scale, float momentum, const float* u, const float* v, float* u_next,
                float* v_next, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(accumulate)(g, scale, momentum, u, v, u_next, v_next, count);
}

double sum_squares(const float* values, std::size_t count) { return HWY_DYNAMIC_DISPATCH(sum_squares)(values, count); }

std::size_t first_non_finite(const float* values, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(first_non_finite)(values, count);
}

float largest_magnitude(const float* values, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(largest_magnitude)(values, count);
}

std::int64_t target_chosen() { return HWY_DYNAMIC_DISPATCH(target_chosen)(); }
std::int64_t targets_compiled() { return HWY_TARGETS; }

}  // namespace gossamer::sketch::kernels
#endif  // HWY_ONCE
