// Kernels over plain vectors: one pass each.
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "sketch/kernels.h"
#include "sketch/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sketch/vector_kernels.cc"
#include "hwy/cache_control.h"
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

void mark_above(const float* values, std::size_t count, std::int32_t above, std::uint64_t* words) {
  const Keys bound = hn::Set(KeyTag(), above);
  for (std::size_t w = 0; w < count; ++w) words[w] = bits_above(values + 64 * w, bound);
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

// Coordinates [begin, end) of `accumulate`, whole vectors of them.
template <bool has_u, bool has_copy, bool is_streamed>
HWY_INLINE void accumulate_vectors(const float* g, float scale, float momentum, const float* u, const float* v,
                                   const AccumulateTo& to, std::size_t begin, std::size_t end) {
  const FloatTag d;
  const Floats scales = hn::Set(d, scale);
  const Floats momenta = hn::Set(d, momentum);
  // So many streams are more than hardware prefetch keeps up with across page ends.
  constexpr std::size_t ahead = 512;
  const auto put = [d](Floats x, float* at) {
    if constexpr (is_streamed) {
      hn::Stream(x, d, at);
    } else {
      __builtin_prefetch(at + ahead, 1, 2);
      hn::StoreU(x, d, at);
    }
  };
  for (std::size_t i = begin; i < end; i += lanes) {
    __builtin_prefetch(g + i + ahead, 0, 2);
    __builtin_prefetch(v + i + ahead, 0, 2);
    Floats kept = hn::Zero(d);
    if constexpr (has_u) {
      __builtin_prefetch(u + i + ahead, 0, 2);
      kept = hn::Mul(momenta, hn::LoadU(d, u + i));
    }
    const Floats next = hn::Add(kept, hn::Mul(scales, hn::LoadU(d, g + i)));
    const Floats sum = hn::Add(hn::LoadU(d, v + i), next);
    if constexpr (has_u) put(next, to.u_next + i);
    put(sum, to.v_next + i);
    if constexpr (has_copy) hn::StoreU(sum, d, to.copy + i);
  }
}

void accumulate(const float* g, float scale, float momentum, const float* u, const float* v, const AccumulateTo& to,
                std::size_t count) {
  const auto one = [&](std::size_t i) {
    const float next = (u != nullptr ? momentum * u[i] : 0.0f) + scale * g[i];
    const float sum = v[i] + next;
    if (to.u_next != nullptr) to.u_next[i] = next;
    to.v_next[i] = sum;
    if (to.copy != nullptr) to.copy[i] = sum;
  };
  constexpr std::size_t vector_bytes = lanes * sizeof(float);
  const auto misaligned = [](const float* at) { return reinterpret_cast<std::uintptr_t>(at) % vector_bytes; };
  // Only whole vectors go past the caches, and only where those of u and v begin together.
  const bool is_streamed = to.is_read_late && misaligned(to.v_next) % sizeof(float) == 0 &&
                           (to.u_next == nullptr || misaligned(to.u_next) == misaligned(to.v_next));
  std::size_t begin = 0;
  if (is_streamed) {
    for (; begin < count && misaligned(to.v_next + begin) != 0; ++begin) one(begin);
  }
  const std::size_t end = begin + (count - begin) / lanes * lanes;
  const auto run = [&](auto has_u, auto has_copy, auto streams) {
    accumulate_vectors<has_u(), has_copy(), streams()>(g, scale, momentum, u, v, to, begin, end);
  };
  const auto choose = [](bool condition, const auto& use) {
    return condition ? use(std::true_type()) : use(std::false_type());
  };
  choose(u != nullptr, [&](auto has_u) {
    choose(to.copy != nullptr,
           [&](auto has_copy) { choose(is_streamed, [&](auto streams) { run(has_u, has_copy, streams); }); });
  });
  for (std::size_t i = end; i < count; ++i) one(i);
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
HWY_EXPORT(mark_above);
HWY_EXPORT(accumulate);
HWY_EXPORT(sum_squares);
HWY_EXPORT(first_non_finite);
HWY_EXPORT(largest_magnitude);
HWY_EXPORT(target_chosen);

std::size_t keep_above(const float* values, std::size_t count, std::uint32_t first_index, std::int32_t above,
                       std::uint32_t* indices, std::int32_t* keys) {
  return HWY_DYNAMIC_DISPATCH(keep_above)(values, count, first_index, above, indices, keys);
}

void mark_above(const float* values, std::size_t count, std::int32_t above, std::uint64_t* words) {
  HWY_DYNAMIC_DISPATCH(mark_above)(values, count, above, words);
}

void accumulate(const float* g, float scale, float momentum, const float* u, const float* v, const AccumulateTo& to,
                std::size_t count) {
  HWY_DYNAMIC_DISPATCH(accumulate)(g, scale, momentum, u, v, to, count);
}

void finish_late_writes() { hwy::FlushStream(); }

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
