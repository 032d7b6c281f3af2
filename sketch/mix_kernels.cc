// Kernels that move a vector toward others.
#include <cstring>

#include "sketch/half.h"
#include "sketch/kernels.h"
#include "sketch/mix.h"
#include "sketch/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sketch/mix_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gossamer::sketch::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// ---- formats: how elements are read, moved and written ---------------------------------------

template <typename Value>
struct WholeFormat {
  using Tag = hn::ScalableTag<Value>;
  using Values = hn::Vec<Tag>;
  using Share = Value;
  static constexpr std::size_t lanes = hn::MaxLanes(Tag());
  static HWY_INLINE Values load(const std::byte* at, std::size_t i) {
    return hn::LoadU(Tag(), reinterpret_cast<const Value*>(at) + i);
  }
  static HWY_INLINE Values toward(Values sum, Values z, Values part, Share share) {
    return hn::Add(sum, hn::Mul(hn::Set(Tag(), share), hn::Sub(part, z)));
  }
  static HWY_INLINE void store(Values values, std::byte* at, std::size_t i) {
    hn::StoreU(values, Tag(), reinterpret_cast<Value*>(at) + i);
  }
  static HWY_INLINE Value load_one(const std::byte* at, std::size_t i) {
    Value value;
    std::memcpy(&value, at + i * sizeof(Value), sizeof(Value));
    return value;
  }
  static HWY_INLINE void store_one(Value value, std::byte* at, std::size_t i) {
    std::memcpy(at + i * sizeof(Value), &value, sizeof(Value));
  }
};

// A lane of 32 bits holds two elements, and the upper half of an f32 is a bf16: neither order nor width changes.
struct Bf16Format {
  using Tag = hn::ScalableTag<float>;
  using WordTag = hn::RebindToUnsigned<Tag>;
  using Floats = WholeFormat<float>;
  struct Values {
    hn::Vec<Tag> even;
    hn::Vec<Tag> odd;
  };
  using Share = float;
  static constexpr std::size_t lanes = 2 * hn::MaxLanes(Tag());
  static HWY_INLINE Values load(const std::byte* at, std::size_t i) {
    const WordTag d;
    const auto words = hn::LoadU(d, reinterpret_cast<const std::uint32_t*>(at + 2 * i));
    return {hn::BitCast(Tag(), hn::ShiftLeft<16>(words)), hn::BitCast(Tag(), hn::And(words, hn::Set(d, 0xffff0000u)))};
  }
  static HWY_INLINE Values toward(Values sum, Values z, Values part, Share share) {
    return {Floats::toward(sum.even, z.even, part.even, share), Floats::toward(sum.odd, z.odd, part.odd, share)};
  }
  static HWY_INLINE void store(Values values, std::byte* at, std::size_t i) {
    const WordTag d;
    const auto words =
        hn::Or(hn::ShiftRight<16>(rounded(values.even)), hn::And(rounded(values.odd), hn::Set(d, 0xffff0000u)));
    hn::StoreU(words, d, reinterpret_cast<std::uint32_t*>(at + 2 * i));
  }
  static HWY_INLINE float load_one(const std::byte* at, std::size_t i) {
    return from_bf16(WholeFormat<std::uint16_t>::load_one(at, i));
  }
  static HWY_INLINE void store_one(float value, std::byte* at, std::size_t i) {
    WholeFormat<std::uint16_t>::store_one(to_bf16(value), at, i);
  }

 private:
  // The upper half is the result.
  static HWY_INLINE hn::Vec<WordTag> rounded(hn::Vec<Tag> values) {
    const WordTag d;
    const auto bits = hn::BitCast(d, values);
    return hn::Add(hn::Add(bits, hn::Set(d, 0x7fffu)), hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u)));
  }
};

// x86 converts vectors in one instruction each; elsewhere, one element at a time, by the arithmetic of half.h.
struct F16Format {
  using Tag = hn::ScalableTag<float>;
  using Share = float;
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  using HalfTag = hn::Rebind<hwy::float16_t, Tag>;
  using Values = hn::Vec<Tag>;
  static constexpr std::size_t lanes = hn::MaxLanes(Tag());
  static HWY_INLINE Values load(const std::byte* at, std::size_t i) {
    return hn::PromoteTo(Tag(), hn::LoadU(HalfTag(), reinterpret_cast<const hwy::float16_t*>(at) + i));
  }
  static HWY_INLINE Values toward(Values sum, Values z, Values part, Share share) {
    return WholeFormat<float>::toward(sum, z, part, share);
  }
  static HWY_INLINE void store(Values values, std::byte* at, std::size_t i) {
    hn::StoreU(hn::DemoteTo(HalfTag(), values), HalfTag(), reinterpret_cast<hwy::float16_t*>(at) + i);
  }
#else
  using Values = float;
  static constexpr std::size_t lanes = 1;
  static HWY_INLINE Values load(const std::byte* at, std::size_t i) { return load_one(at, i); }
  static HWY_INLINE Values toward(Values sum, Values z, Values part, Share share) { return sum + share * (part - z); }
  static HWY_INLINE void store(Values value, std::byte* at, std::size_t i) { store_one(value, at, i); }
#endif
  static HWY_INLINE float load_one(const std::byte* at, std::size_t i) {
    return from_f16(WholeFormat<std::uint16_t>::load_one(at, i));
  }
  static HWY_INLINE void store_one(float value, std::byte* at, std::size_t i) {
    WholeFormat<std::uint16_t>::store_one(to_f16(value), at, i);
  }
};

// ---- one pass --------------------------------------------------------------------------------

// Two vectors a turn, so that the sum of one does not wait for the other's.
template <typename Format>
HWY_INLINE void mix_as(const std::byte* z, std::span<const MixPart> parts, std::byte* out, std::size_t count) {
  using Share = typename Format::Share;
  constexpr std::size_t lanes = Format::lanes;
  std::size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto first = Format::load(z, i);
    const auto second = Format::load(z, i + lanes);
    auto first_sum = first;
    auto second_sum = second;
    for (const MixPart& part : parts) {
      const auto share = static_cast<Share>(part.share);
      first_sum = Format::toward(first_sum, first, Format::load(part.values, i), share);
      second_sum = Format::toward(second_sum, second, Format::load(part.values, i + lanes), share);
    }
    Format::store(first_sum, out, i);
    Format::store(second_sum, out, i + lanes);
  }
  for (; i < count; ++i) {
    const Share own = Format::load_one(z, i);
    Share sum = own;
    for (const MixPart& part : parts)
      sum = sum + static_cast<Share>(part.share) * (Format::load_one(part.values, i) - own);
    Format::store_one(sum, out, i);
  }
}

void mix(ElementType type, const std::byte* z, std::span<const MixPart> parts, std::byte* out, std::size_t count) {
  switch (type) {
    case ElementType::f32:
      return mix_as<WholeFormat<float>>(z, parts, out, count);
    case ElementType::f64:
      return mix_as<WholeFormat<double>>(z, parts, out, count);
    case ElementType::bf16:
      return mix_as<Bf16Format>(z, parts, out, count);
    case ElementType::f16:
      return mix_as<F16Format>(z, parts, out, count);
    case ElementType::i8:
    case ElementType::i32:
    case ElementType::i64:
    case ElementType::u8:
      break;
  }
  GOSSAMER_CHECK(false, "mix: elements that are not floating-point");
}

// The compiler vectorises it. A value whose exponent has all bits set is not finite.
template <typename Bits>
HWY_INLINE bool copy_finite_as(Bits exponent, const std::byte* HWY_RESTRICT from, std::byte* HWY_RESTRICT to,
                               std::size_t count) {
  Bits found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, from + i * sizeof(Bits), sizeof(Bits));
    std::memcpy(to + i * sizeof(Bits), &bits, sizeof(Bits));
    found = static_cast<Bits>(found | ((bits & exponent) == exponent ? 1 : 0));
  }
  return found == 0;
}

bool copy_finite(ElementType type, const std::byte* from, std::byte* to, std::size_t count) {
  switch (type) {
    case ElementType::f32:
      return copy_finite_as<std::uint32_t>(0x7f800000u, from, to, count);
    case ElementType::f64:
      return copy_finite_as<std::uint64_t>(0x7ff0000000000000u, from, to, count);
    case ElementType::bf16:
      return copy_finite_as<std::uint16_t>(0x7f80u, from, to, count);
    case ElementType::f16:
      return copy_finite_as<std::uint16_t>(0x7c00u, from, to, count);
    case ElementType::i8:
    case ElementType::i32:
    case ElementType::i64:
    case ElementType::u8:
      break;
  }
  GOSSAMER_CHECK(false, "copy_finite: elements that are not floating-point");
  return false;
}

}  // namespace gossamer::sketch::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gossamer::sketch {

namespace kernels {

HWY_EXPORT(mix);
HWY_EXPORT(copy_finite);

void mix(ElementType type, const std::byte* z, std::span<const MixPart> parts, std::byte* out, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(mix)(type, z, parts, out, count);
}

bool copy_finite(ElementType type, const std::byte* from, std::byte* to, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(copy_finite)(type, from, to, count);
}

}  // namespace kernels

void mix(ElementType type, const std::byte* z, std::span<const MixPart> parts, std::byte* out, std::size_t count) {
  kernels::mix(type, z, parts, out, count);
}

bool copy_finite(ElementType type, const std::byte* from, std::byte* to, std::size_t count) {
  return kernels::copy_finite(type, from, to, count);
}

}  // namespace gossamer::sketch
#endif  // HWY_ONCE
