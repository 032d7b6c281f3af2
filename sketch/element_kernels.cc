// Kernels over user vectors: two become one, and one is scaled. All types run through one loop.
#include <cstring>

#include "sketch/elements.h"
#include "sketch/half.h"
#include "sketch/kernels.h"
#include "sketch/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sketch/element_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gossamer::sketch::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Where a kernel reads and writes. No __restrict: `into` may be `a` or `b`, and each vector is read before it is
// written.
struct Operands {
  std::byte* into;
  const std::byte* a;
  const std::byte* b;
};

// Of any alignment. One lane alone is not a vector to Highway, which would read it as an aligned value.
template <typename Lane, typename Tag>
HWY_INLINE hn::Vec<Tag> load(Tag d, const std::byte* from, std::size_t i) {
  if constexpr (hn::MaxLanes(d) > 1) {
    return hn::LoadU(d, reinterpret_cast<const Lane*>(from) + i);
  } else {
    Lane lane;
    std::memcpy(&lane, from + i * sizeof(Lane), sizeof(Lane));
    return hn::Set(d, lane);
  }
}

template <typename Lane, typename Tag>
HWY_INLINE void store(Tag d, hn::Vec<Tag> values, std::byte* to, std::size_t i) {
  if constexpr (hn::MaxLanes(d) > 1) {
    hn::StoreU(values, d, reinterpret_cast<Lane*>(to) + i);
  } else {
    const Lane lane = hn::GetLane(values);
    std::memcpy(to + i * sizeof(Lane), &lane, sizeof(Lane));
  }
}

// Lanes [i, count): vectors of `width` lanes, then of half as many, down to one. So a tail costs a step a bit of its
// length, and there is no second, scalar arithmetic.
template <typename Lane, std::size_t width, typename Combine>
HWY_INLINE void combine_rest(const Operands& at, std::size_t i, std::size_t count, const Combine& combine) {
  const hn::CappedTag<Lane, width> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  for (; i + lanes <= count; i += lanes)
    store<Lane>(d, combine(d, load<Lane>(d, at.a, i), load<Lane>(d, at.b, i)), at.into, i);
  if constexpr (lanes > 1) {
    if (i < count) combine_rest<Lane, lanes / 2>(at, i, count, combine);
  }
}

// The lanes before the first of `into` that lies on a vector boundary; 0 where none does.
template <typename Lane>
HWY_INLINE std::size_t lanes_before_boundary(const std::byte* into, std::size_t vector_bytes) {
  const std::size_t bytes = (std::size_t{0} - reinterpret_cast<std::uintptr_t>(into)) % vector_bytes;
  return bytes % sizeof(Lane) == 0 ? bytes / sizeof(Lane) : 0;
}

// At most 32 bytes: with 64, three vectors that lie in memory took a tenth to a fifth longer than a plain loop (Zen 4);
// in place, and in cache, the two are alike.
template <typename Lane>
using WholeVector = hn::CappedTag<Lane, 32 / sizeof(Lane)>;

// Stores are kept within cache lines; so are loads from vectors that lie as `into` does, the one in place among them.
// Four vectors a turn: the loads of one do not wait for the stores of another.
template <typename Lane, typename Combine>
HWY_INLINE void combine_all(const Operands& at, std::size_t count, const Combine& combine) {
  const WholeVector<Lane> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  std::size_t i = 0;
  if (count >= 8 * lanes) {
    i = lanes_before_boundary<Lane>(at.into, lanes * sizeof(Lane));
    combine_rest<Lane, lanes>(at, 0, i, combine);
  }
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    const auto first = combine(d, load<Lane>(d, at.a, i), load<Lane>(d, at.b, i));
    const auto second = combine(d, load<Lane>(d, at.a, i + lanes), load<Lane>(d, at.b, i + lanes));
    const auto third = combine(d, load<Lane>(d, at.a, i + 2 * lanes), load<Lane>(d, at.b, i + 2 * lanes));
    const auto fourth = combine(d, load<Lane>(d, at.a, i + 3 * lanes), load<Lane>(d, at.b, i + 3 * lanes));
    store<Lane>(d, first, at.into, i);
    store<Lane>(d, second, at.into, i + lanes);
    store<Lane>(d, third, at.into, i + 2 * lanes);
    store<Lane>(d, fourth, at.into, i + 3 * lanes);
  }
  combine_rest<Lane, lanes>(at, i, count, combine);
}

// ---- what is combined ------------------------------------------------------------------------

struct Add {
  template <typename Tag, typename Values>
  HWY_INLINE Values operator()(Tag, Values a, Values b) const {
    return hn::Add(a, b);
  }
};

struct Least {
  template <typename Tag, typename Values>
  HWY_INLINE Values operator()(Tag, Values a, Values b) const {
    return hn::Min(a, b);
  }
};

struct Greatest {
  template <typename Tag, typename Values>
  HWY_INLINE Values operator()(Tag, Values a, Values b) const {
    return hn::Max(a, b);
  }
};

struct BitOr {
  template <typename Tag, typename Values>
  HWY_INLINE Values operator()(Tag, Values a, Values b) const {
    return hn::Or(a, b);
  }
};

template <typename Factor>
struct Scale {
  Factor factor;
  template <typename Tag, typename Values>
  HWY_INLINE Values operator()(Tag d, Values a, Values) const {
    return hn::Mul(a, hn::Set(d, factor));
  }
};

// Least or Greatest of floating-point values of any width, on their bits as signed integers: with the lower bits of
// negative ones inverted, integers order as the values do, -0 below +0. The way back is the way there.
template <typename Bits, Bits infinity, Bits quiet_nan, typename Pick>
struct Ordered {
  template <typename Tag, typename Values>
  HWY_INLINE Values operator()(Tag d, Values a, Values b) const {
    const auto magnitudes = hn::Set(d, hwy::LimitsMax<Bits>());
    const auto is_nan = hn::Gt(hn::Max(hn::And(a, magnitudes), hn::And(b, magnitudes)), hn::Set(d, infinity));
    const auto picked = flipped(d, Pick()(d, flipped(d, a), flipped(d, b)));
    return hn::IfThenElse(is_nan, hn::Set(d, quiet_nan), picked);
  }

 private:
  template <typename Tag, typename Values>
  static HWY_INLINE Values flipped(Tag d, Values bits) {
    return hn::Xor(bits, hn::And(hn::BroadcastSignBit(bits), hn::Set(d, hwy::LimitsMax<Bits>())));
  }
};

template <typename Pick>
using OrderedF32 = Ordered<std::int32_t, 0x7f800000, 0x7fc00000, Pick>;
template <typename Pick>
using OrderedF64 = Ordered<std::int64_t, 0x7ff0000000000000, 0x7ff8000000000000, Pick>;
template <typename Pick>
using OrderedBf16 = Ordered<std::int16_t, 0x7f80, 0x7fc0, Pick>;
template <typename Pick>
using OrderedF16 = Ordered<std::int16_t, 0x7c00, 0x7e00, Pick>;

// ---- bf16 ------------------------------------------------------------------------------------

// A lane of 32 bits holds two elements, and the upper half of an f32 is a bf16: neither order nor width changes.
template <typename Combine>
struct OnPairsOfBf16 {
  Combine combine;
  template <typename Tag, typename Words>
  HWY_INLINE Words operator()(Tag d, Words a, Words b) const {
    const auto upper = hn::Set(d, 0xffff0000u);
    const Words even = rounded(d, hn::ShiftLeft<16>(a), hn::ShiftLeft<16>(b));
    const Words odd = rounded(d, hn::And(a, upper), hn::And(b, upper));
    return hn::Or(hn::ShiftRight<16>(even), hn::And(odd, upper));
  }

 private:
  // The upper half is the result.
  template <typename Tag, typename Words>
  HWY_INLINE Words rounded(Tag d, Words a, Words b) const {
    const hn::RebindToFloat<Tag> floats;
    const Words bits = hn::BitCast(d, combine(floats, hn::BitCast(floats, a), hn::BitCast(floats, b)));
    const Words is_odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
    const Words nearest = hn::Add(hn::Add(bits, hn::Set(d, 0x7fffu)), is_odd);
    const auto is_nan = hn::Gt(hn::And(bits, hn::Set(d, 0x7fffffffu)), hn::Set(d, 0x7f800000u));
    return hn::IfThenElse(is_nan, hn::Or(bits, hn::Set(d, 0x00400000u)), nearest);
  }
};

template <typename Combine>
HWY_INLINE void combine_bf16(const Operands& at, std::size_t count, const Combine& combine) {
  const OnPairsOfBf16<Combine> on_pairs{combine};
  combine_all<std::uint32_t>(at, count / 2, on_pairs);
  if (count % 2 == 0) return;
  const std::size_t last = 2 * (count - 1);
  std::uint32_t words[2] = {};
  std::memcpy(&words[0], at.a + last, 2);
  std::memcpy(&words[1], at.b + last, 2);
  const hn::CappedTag<std::uint32_t, 1> d;
  const std::uint32_t word = hn::GetLane(on_pairs(d, hn::Set(d, words[0]), hn::Set(d, words[1])));
  std::memcpy(at.into + last, &word, 2);
}

// ---- f16 -------------------------------------------------------------------------------------

// x86 converts vectors in one instruction each. Elsewhere, and at the end, the integer arithmetic of half.h, which
// gives the same bits.
template <typename Combine>
HWY_INLINE void combine_f16(const Operands& at, std::size_t count, const Combine& combine) {
  std::size_t i = 0;
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  const hn::ScalableTag<float> d;
  const hn::Rebind<hwy::float16_t, hn::ScalableTag<float>> halves;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  for (; i + lanes <= count; i += lanes) {
    const auto a = hn::PromoteTo(d, load<hwy::float16_t>(halves, at.a, i));
    const auto b = hn::PromoteTo(d, load<hwy::float16_t>(halves, at.b, i));
    store<hwy::float16_t>(halves, hn::DemoteTo(halves, combine(d, a, b)), at.into, i);
  }
#endif
  const hn::CappedTag<float, 1> one;
  for (; i < count; ++i) {
    std::uint16_t a = 0;
    std::uint16_t b = 0;
    std::memcpy(&a, at.a + 2 * i, 2);
    std::memcpy(&b, at.b + 2 * i, 2);
    const std::uint16_t half = to_f16(hn::GetLane(combine(one, hn::Set(one, from_f16(a)), hn::Set(one, from_f16(b)))));
    std::memcpy(at.into + 2 * i, &half, 2);
  }
}

// ---- all types -------------------------------------------------------------------------------

void sum_elements(ElementType type, const Operands& at, std::size_t count) {
  switch (type) {
    case ElementType::f32:
      return combine_all<float>(at, count, Add());
    case ElementType::f64:
      return combine_all<double>(at, count, Add());
    case ElementType::bf16:
      return combine_bf16(at, count, Add());
    case ElementType::f16:
      return combine_f16(at, count, Add());
    case ElementType::i32:
      return combine_all<std::uint32_t>(at, count, Add());
    case ElementType::i64:
      return combine_all<std::uint64_t>(at, count, Add());
    case ElementType::i8:
    case ElementType::u8:
      return combine_all<std::uint8_t>(at, count, Add());
  }
}

template <typename Pick>
HWY_INLINE void pick_elements(ElementType type, const Operands& at, std::size_t count) {
  switch (type) {
    case ElementType::f32:
      return combine_all<std::int32_t>(at, count, OrderedF32<Pick>());
    case ElementType::f64:
      return combine_all<std::int64_t>(at, count, OrderedF64<Pick>());
    case ElementType::bf16:
      return combine_all<std::int16_t>(at, count, OrderedBf16<Pick>());
    case ElementType::f16:
      return combine_all<std::int16_t>(at, count, OrderedF16<Pick>());
    case ElementType::i8:
      return combine_all<std::int8_t>(at, count, Pick());
    case ElementType::i32:
      return combine_all<std::int32_t>(at, count, Pick());
    case ElementType::i64:
      return combine_all<std::int64_t>(at, count, Pick());
    case ElementType::u8:
      return combine_all<std::uint8_t>(at, count, Pick());
  }
}

void reduce_elements(ElementType type, ReduceOp op, std::byte* into, const std::byte* a, const std::byte* b,
                     std::size_t count) {
  const Operands at{into, a, b};
  switch (op) {
    case ReduceOp::sum:
    case ReduceOp::mean:
      return sum_elements(type, at, count);
    case ReduceOp::min:
      return pick_elements<Least>(type, at, count);
    case ReduceOp::max:
      return pick_elements<Greatest>(type, at, count);
    case ReduceOp::bit_or:
      return combine_all<std::uint8_t>(at, count * element_bytes(type), BitOr());
  }
}

// The compiler vectorises it for each target. (Highway narrows infinities to the largest finite value on some.)
void scale_f32(double factor, std::byte* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    float value = 0;
    std::memcpy(&value, values + sizeof(float) * i, sizeof(float));
    value = static_cast<float>(value * factor);
    std::memcpy(values + sizeof(float) * i, &value, sizeof(float));
  }
}

void scale_elements(ElementType type, double factor, std::byte* values, std::size_t count) {
  const Operands at{values, values, values};
  switch (type) {
    case ElementType::f32:
      return scale_f32(factor, values, count);
    case ElementType::f64:
      return combine_all<double>(at, count, Scale<double>{factor});
    case ElementType::bf16:
      return combine_bf16(at, count, Scale<float>{static_cast<float>(factor)});
    case ElementType::f16:
      return combine_f16(at, count, Scale<float>{static_cast<float>(factor)});
    case ElementType::i8:
    case ElementType::i32:
    case ElementType::i64:
    case ElementType::u8:
      break;
  }
  GOSSAMER_CHECK(false, "scale_elements: elements that are not floating-point");
}

}  // namespace gossamer::sketch::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gossamer::sketch::kernels {

HWY_EXPORT(reduce_elements);
HWY_EXPORT(scale_elements);

void reduce_elements(ElementType type, ReduceOp op, std::byte* into, const std::byte* a, const std::byte* b,
                     std::size_t count) {
  HWY_DYNAMIC_DISPATCH(reduce_elements)(type, op, into, a, b, count);
}

void scale_elements(ElementType type, double factor, std::byte* values, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(scale_elements)(type, factor, values, count);
}

}  // namespace gossamer::sketch::kernels
#endif  // HWY_ONCE
