// User vectors: every operator of every type, on every SIMD target, against loops that one can read.
#include "sketch/elements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "inputs.h"
#include "sketch/half.h"

namespace gossamer::sketch {
namespace {

// ---- the reference ---------------------------------------------------------------------------

bool is_floating(ElementType type) { return row_of(type).kind == ElementKind::floating; }

std::uint64_t bits_at(ElementType type, const std::byte* values, std::size_t i) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, values + i * element_bytes(type), element_bytes(type));
  return bits;
}

template <typename Value>
Value value_at(const std::byte* values, std::size_t i) {
  Value value;
  std::memcpy(&value, values + i * sizeof(Value), sizeof(Value));
  return value;
}

// A floating-point element as a number; each type's are among those of f64.
double number_of(ElementType type, std::uint64_t bits) {
  switch (type) {
    case ElementType::f32:
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    case ElementType::f64:
      return std::bit_cast<double>(bits);
    case ElementType::bf16:
      return from_bf16(static_cast<std::uint16_t>(bits));
    case ElementType::f16:
      return from_f16(static_cast<std::uint16_t>(bits));
    default:
      ADD_FAILURE() << "not floating-point";
      return 0;
  }
}

// What an f32 result is in 16 bits.
std::uint64_t narrowed(ElementType type, float value) {
  if (type == ElementType::f16) return to_f16(value);
  return std::isnan(value) ? 0x7fc0u : to_bf16(value);
}

std::uint64_t sum_of(ElementType type, std::uint64_t a, std::uint64_t b) {
  const double x = number_of(type, a);
  const double y = number_of(type, b);
  if (type == ElementType::f64) return std::bit_cast<std::uint64_t>(x + y);
  const float sum = static_cast<float>(x) + static_cast<float>(y);
  return type == ElementType::f32 ? std::bit_cast<std::uint32_t>(sum) : narrowed(type, sum);
}

std::uint64_t quiet_nan(ElementType type) {
  switch (type) {
    case ElementType::f32:
      return 0x7fc00000;
    case ElementType::f64:
      return 0x7ff8000000000000;
    case ElementType::bf16:
      return 0x7fc0;
    case ElementType::f16:
      return 0x7e00;
    default:
      ADD_FAILURE() << "not floating-point";
      return 0;
  }
}

std::uint64_t picked_of(ElementType type, bool least, std::uint64_t a, std::uint64_t b) {
  const double x = number_of(type, a);
  const double y = number_of(type, b);
  if (std::isnan(x) || std::isnan(y)) return quiet_nan(type);
  if (x == y) return std::signbit(x) == least ? a : b;  // zeros of two signs
  return (x < y) == least ? a : b;
}

template <typename Value>
Value integer_of(ReduceOp op, Value a, Value b) {
  switch (op) {
    case ReduceOp::sum:
    case ReduceOp::mean:
      return static_cast<Value>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    case ReduceOp::min:
      return std::min(a, b);
    case ReduceOp::max:
      return std::max(a, b);
    case ReduceOp::bit_or:
      return static_cast<Value>(a | b);
  }
  return {};
}

template <typename Value>
void reduce_integers(ReduceOp op, std::byte* into, const std::byte* a, const std::byte* b, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const Value value = integer_of(op, value_at<Value>(a, i), value_at<Value>(b, i));
    std::memcpy(into + i * sizeof(Value), &value, sizeof(Value));
  }
}

void reduce_plainly(ElementType type, ReduceOp op, std::byte* into, const std::byte* a, const std::byte* b,
                    std::size_t count) {
  switch (type) {
    case ElementType::i8:
      return reduce_integers<std::int8_t>(op, into, a, b, count);
    case ElementType::i32:
      return reduce_integers<std::int32_t>(op, into, a, b, count);
    case ElementType::i64:
      return reduce_integers<std::int64_t>(op, into, a, b, count);
    case ElementType::u8:
      return reduce_integers<std::uint8_t>(op, into, a, b, count);
    default:
      break;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t x = bits_at(type, a, i);
    const std::uint64_t y = bits_at(type, b, i);
    const std::uint64_t value =
        op == ReduceOp::min || op == ReduceOp::max ? picked_of(type, op == ReduceOp::min, x, y) : sum_of(type, x, y);
    std::memcpy(into + i * element_bytes(type), &value, element_bytes(type));
  }
}

// Equal bits; for what may be any NaN, a quiet one on both sides.
::testing::AssertionResult same_elements(ElementType type, ReduceOp op, std::span<const std::byte> actual,
                                         std::span<const std::byte> expected) {
  const bool any_nan = is_floating(type) && (op == ReduceOp::sum || op == ReduceOp::mean);
  for (std::size_t i = 0; i < expected.size() / element_bytes(type); ++i) {
    const std::uint64_t is = bits_at(type, actual.data(), i);
    const std::uint64_t should = bits_at(type, expected.data(), i);
    if (is == should) continue;
    const std::uint64_t quiet = any_nan ? quiet_nan(type) : 0;
    if (any_nan && std::isnan(number_of(type, should)) && (is & quiet) == quiet) continue;
    return ::testing::AssertionFailure() << element_type_name(type) << " " << reduce_op_name(op) << ": element " << i
                                         << " is " << std::hex << is << ", not " << should;
  }
  return ::testing::AssertionSuccess();
}

// ---- inputs ----------------------------------------------------------------------------------

// The bits of what is rare in any bits at all.
std::vector<std::uint64_t> special_elements(ElementType type) {
  if (!is_floating(type)) {
    const int bits = static_cast<int>(8 * element_bytes(type));
    const std::uint64_t most = ~std::uint64_t{0} >> (64 - bits);
    return {0, 1, most, most >> 1, (most >> 1) + 1, most - 1};
  }
  const std::uint64_t sign = std::uint64_t{1} << (8 * element_bytes(type) - 1);
  const std::uint64_t quiet = quiet_nan(type);
  const std::uint64_t quiet_bit = quiet & ~(quiet << 1) & ~sign;
  std::uint64_t infinite = quiet;
  // The lowest bit of a quiet NaN is its quiet bit.
  infinite ^= quiet & (~quiet + 1);
  std::vector<std::uint64_t> specials;
  for (const std::uint64_t bits : {std::uint64_t{0}, std::uint64_t{1}, infinite, infinite - 1, infinite + 1, quiet,
                                   quiet + 1, infinite >> 1, (infinite >> 1) + 1, quiet_bit, quiet_bit - 1}) {
    specials.push_back(bits);
    specials.push_back(bits | sign);
  }
  return specials;
}

// Any bits; one in four is special.
std::vector<std::byte> any_elements(ElementType type, std::uint64_t seed, std::size_t count) {
  Random random(seed);
  const std::vector<std::uint64_t> specials = special_elements(type);
  std::vector<std::byte> values(count * element_bytes(type));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random.below(4) == 0 ? specials[random.below(specials.size())] : random.next();
    std::memcpy(values.data() + i * element_bytes(type), &bits, element_bytes(type));
  }
  return values;
}

template <typename Body>
void with_each_pair(const Body& body) {
  for (const ElementType type : all_element_types())
    for (const ReduceOp op : all_reduce_ops())
      if (op_fits(type, op)) body(type, op);
}

// ---- reduce ----------------------------------------------------------------------------------

// Goal: every operator of every type is what elements.h says, for all values: special with special as well, whichever
// side has them. Method: all pairs of special values, then any bits, against plain loops, both ways round; on every
// target.
TEST(ReduceElements, IsThePlainLoopForEveryValue) {
  with_each_target([] {
    with_each_pair([](ElementType type, ReduceOp op) {
      const std::vector<std::uint64_t> specials = special_elements(type);
      const std::size_t pairs = specials.size() * specials.size();
      const std::size_t count = pairs + 10'000;
      std::vector<std::byte> a = any_elements(type, 1, count);
      std::vector<std::byte> b = any_elements(type, 2, count);
      for (std::size_t i = 0; i < pairs; ++i) {
        std::memcpy(a.data() + i * element_bytes(type), &specials[i % specials.size()], element_bytes(type));
        std::memcpy(b.data() + i * element_bytes(type), &specials[i / specials.size()], element_bytes(type));
      }
      std::vector<std::byte> expected(a.size());
      reduce_plainly(type, op, expected.data(), a.data(), b.data(), count);
      std::vector<std::byte> actual(a.size());
      reduce_elements(type, op, actual.data(), a.data(), b.data(), count);
      ASSERT_TRUE(same_elements(type, op, actual, expected));
      reduce_elements(type, op, actual.data(), b.data(), a.data(), count);
      ASSERT_TRUE(same_elements(type, op, actual, expected)) << "with its sides exchanged";
    });
  });
}

// Goal: any count, any alignment, and nothing beyond the ends is touched. Method: every count to past the unrolled
// loop, each operand skewed by its own number of bytes, guards on both sides.
TEST(ReduceElements, TakesAnyCountAndAlignment) {
  constexpr std::size_t guard = 32;
  constexpr std::byte untouched{0xa5};
  with_each_target([&] {
    with_each_pair([&](ElementType type, ReduceOp op) {
      const std::size_t count_max = 300 / element_bytes(type) + 20;
      for (std::size_t count = 0; count <= count_max; ++count) {
        const std::size_t bytes = count * element_bytes(type);
        const std::vector<std::byte> a = any_elements(type, count, count);
        const std::vector<std::byte> b = any_elements(type, count + 1, count);
        std::vector<std::byte> expected(bytes);
        reduce_plainly(type, op, expected.data(), a.data(), b.data(), count);
        const std::size_t skew = count % 31;
        std::vector<std::byte> skewed_a(bytes + 16);
        std::vector<std::byte> skewed_b(bytes + 16);
        std::copy(a.begin(), a.end(), skewed_a.begin() + 3);
        std::copy(b.begin(), b.end(), skewed_b.begin() + 9);
        std::vector<std::byte> into(bytes + 2 * guard + skew, untouched);
        reduce_elements(type, op, into.data() + guard + skew, skewed_a.data() + 3, skewed_b.data() + 9, count);
        ASSERT_TRUE(same_elements(type, op, std::span(into).subspan(guard + skew, bytes), expected)) << count;
        ASSERT_EQ(std::count(into.begin(), into.begin() + static_cast<std::ptrdiff_t>(guard + skew), untouched),
                  static_cast<std::ptrdiff_t>(guard + skew));
        ASSERT_EQ(std::count(into.end() - static_cast<std::ptrdiff_t>(guard), into.end(), untouched),
                  static_cast<std::ptrdiff_t>(guard));
      }
    });
  });
}

// Goal: the result may take the place of either operand or of both. Method: in place of a, of b, and of one that is
// both, against the result in other memory; aligned and not.
TEST(ReduceElements, MayTakeThePlaceOfItsOperands) {
  with_each_target([] {
    with_each_pair([](ElementType type, ReduceOp op) {
      for (const std::size_t count : {std::size_t{3}, std::size_t{64}, std::size_t{1000}}) {
        for (const std::size_t skew : {0u, 1u, 8u}) {
          std::vector<std::byte> a(skew + count * element_bytes(type));
          std::vector<std::byte> b = a;
          std::ranges::copy(any_elements(type, 5, count), a.begin() + static_cast<std::ptrdiff_t>(skew));
          std::ranges::copy(any_elements(type, 6, count), b.begin() + static_cast<std::ptrdiff_t>(skew));
          std::vector<std::byte> apart(a.size());
          const auto part = [skew](std::vector<std::byte>& whole) { return std::span(whole).subspan(skew); };
          reduce_elements(type, op, part(apart).data(), part(a).data(), part(b).data(), count);
          std::vector<std::byte> into = a;
          reduce_elements(type, op, part(into).data(), part(into).data(), part(b).data(), count);
          ASSERT_TRUE(same_elements(type, op, part(into), part(apart)));
          into = b;
          reduce_elements(type, op, part(into).data(), part(a).data(), part(into).data(), count);
          ASSERT_TRUE(same_elements(type, op, part(into), part(apart)));
          reduce_elements(type, op, part(apart).data(), part(a).data(), part(a).data(), count);
          into = a;
          reduce_elements(type, op, part(into).data(), part(into).data(), part(into).data(), count);
          ASSERT_TRUE(same_elements(type, op, part(into), part(apart)));
        }
      }
    });
  });
}

// Goal: what people look up: integers wrap, halves round to nearest even and overflow to infinity, zeros have an order,
// and a value that is not a number is seen. Method: values with their results.
TEST(ReduceElements, HoldsToItsWordInKnownCases) {
  const auto reduced = [](ElementType type, ReduceOp op, std::uint64_t a, std::uint64_t b) {
    std::uint64_t into = 0;
    reduce_elements(type, op, reinterpret_cast<std::byte*>(&into), reinterpret_cast<const std::byte*>(&a),
                    reinterpret_cast<const std::byte*>(&b), 1);
    return into;
  };
  with_each_target([&] {
    EXPECT_EQ(reduced(ElementType::i8, ReduceOp::sum, 0x7f, 0x01), 0x80u);
    EXPECT_EQ(reduced(ElementType::u8, ReduceOp::sum, 0xff, 0x02), 0x01u);
    EXPECT_EQ(reduced(ElementType::i32, ReduceOp::sum, 0x80000000, 0xffffffff), 0x7fffffffu);
    EXPECT_EQ(reduced(ElementType::i8, ReduceOp::max, 0x80, 0x01), 0x01u);
    EXPECT_EQ(reduced(ElementType::u8, ReduceOp::max, 0x80, 0x01), 0x80u);
    EXPECT_EQ(reduced(ElementType::i64, ReduceOp::bit_or, 0xf0f0000000000000, 0x0f), 0xf0f000000000000fu);
    // 2,048 + 1 lies between 2,048 and 2,050: to the even one; 2,050 + 1 goes up to 2,052.
    EXPECT_EQ(reduced(ElementType::f16, ReduceOp::sum, to_f16(2048), to_f16(1)), to_f16(2048));
    EXPECT_EQ(reduced(ElementType::f16, ReduceOp::sum, to_f16(2050), to_f16(1)), to_f16(2052));
    EXPECT_EQ(reduced(ElementType::bf16, ReduceOp::sum, to_bf16(256), to_bf16(1)), to_bf16(256));
    EXPECT_EQ(reduced(ElementType::bf16, ReduceOp::sum, to_bf16(258), to_bf16(1)), to_bf16(260));
    EXPECT_EQ(reduced(ElementType::f16, ReduceOp::sum, to_f16(65504), to_f16(65504)), 0x7c00u);
    EXPECT_EQ(reduced(ElementType::bf16, ReduceOp::sum, 0x7f7f, 0x7f7f), 0x7f80u);
    EXPECT_EQ(reduced(ElementType::f32, ReduceOp::min, 0x00000000, 0x80000000), 0x80000000u);
    EXPECT_EQ(reduced(ElementType::f32, ReduceOp::max, 0x80000000, 0x00000000), 0x00000000u);
    EXPECT_EQ(reduced(ElementType::f32, ReduceOp::min, 0xff800000, 0xffa00001), 0x7fc00000u);
    EXPECT_EQ(reduced(ElementType::f64, ReduceOp::max, 0x7ff0000000000000, 0xfff0000000000001), 0x7ff8000000000000u);
  });
}

// ---- scale -----------------------------------------------------------------------------------

// Goal: one multiplication, rounded once, for every value, count and alignment. Method: against plain loops on every
// target; factors of means, and one that overflows.
TEST(ScaleElements, IsThePlainLoop) {
  with_each_target([] {
    for (const ElementType type : all_element_types()) {
      if (!is_floating(type)) continue;
      for (const double factor : {1.0 / 3, 1.0 / 8, 1.0 / 1000, 3.0}) {
        for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{29}, std::size_t{2000}}) {
          const std::vector<std::byte> values = any_elements(type, count, count);
          std::vector<std::byte> expected = values;
          for (std::size_t i = 0; i < count; ++i) {
            const double x = number_of(type, bits_at(type, values.data(), i));
            std::uint64_t value = 0;
            if (type == ElementType::f64)
              value = std::bit_cast<std::uint64_t>(x * factor);
            else if (type == ElementType::f32)
              value = std::bit_cast<std::uint32_t>(static_cast<float>(x * factor));
            else
              value = narrowed(type, static_cast<float>(x) * static_cast<float>(factor));
            std::memcpy(expected.data() + i * element_bytes(type), &value, element_bytes(type));
          }
          std::vector<std::byte> skewed(values.size() + 1);
          std::copy(values.begin(), values.end(), skewed.begin() + 1);
          scale_elements(type, factor, skewed.data() + 1, count);
          ASSERT_TRUE(same_elements(type, ReduceOp::mean, std::span(skewed).subspan(1), expected)) << factor;
        }
      }
    }
  });
}

// Goal: the mean of equal values is that value. Method: sums of 1 to 64 equal whole numbers, scaled; f32, and halves
// whose sums are exact.
TEST(ScaleElements, MeanOfEqualValuesIsThatValue) {
  for (std::uint32_t ranks = 1; ranks <= 64; ++ranks) {
    std::vector<float> values(101);
    std::iota(values.begin(), values.end(), -50.0F);
    std::vector<float> sums = values;
    for (float& sum : sums) sum *= static_cast<float>(ranks);
    scale_elements(ElementType::f32, 1.0 / ranks, reinterpret_cast<std::byte*>(sums.data()), sums.size());
    EXPECT_EQ(sums, values) << ranks;
    for (const std::uint32_t whole : {0u, 1u, 2u, 3u}) {
      std::uint16_t bf16 = to_bf16(static_cast<float>(whole * ranks));
      scale_elements(ElementType::bf16, 1.0 / ranks, reinterpret_cast<std::byte*>(&bf16), 1);
      EXPECT_EQ(from_bf16(bf16), static_cast<float>(whole)) << ranks;
      std::uint16_t f16 = to_f16(static_cast<float>(whole * ranks));
      scale_elements(ElementType::f16, 1.0 / ranks, reinterpret_cast<std::byte*>(&f16), 1);
      EXPECT_EQ(from_f16(f16), static_cast<float>(whole)) << ranks;
    }
  }
}

// ---- the catalogue ---------------------------------------------------------------------------

// Goal: types and operators keep the numbers and names that programs were written with, and nothing else is found.
// Method: the lists as they are published; all numbers around them.
TEST(Elements, KeepTheirNumbersAndNames) {
  constexpr std::pair<std::string_view, std::uint32_t> types[] = {{"f32", 4}, {"f64", 8}, {"bf16", 2}, {"f16", 2},
                                                                  {"i8", 1},  {"i32", 4}, {"i64", 8},  {"u8", 1}};
  constexpr std::string_view ops[] = {"sum", "min", "max", "mean", "bit-or"};
  ASSERT_EQ(all_element_types().size(), std::size(types));
  ASSERT_EQ(all_reduce_ops().size(), std::size(ops));
  for (std::int64_t number = -300; number < 600; ++number) {
    const auto type = find_element_type(number);
    const auto op = find_reduce_op(number);
    ASSERT_EQ(type.has_value(), number >= 0 && number < std::ssize(types)) << number;
    ASSERT_EQ(op.has_value(), number >= 0 && number < std::ssize(ops)) << number;
    if (type) {
      const auto& [name, bytes] = types[number];
      EXPECT_EQ(element_type_name(*type), name);
      EXPECT_EQ(element_bytes(*type), bytes);
      EXPECT_EQ(find_element_type(name), type);
    }
    if (op) {
      EXPECT_EQ(reduce_op_name(*op), ops[number]);
      EXPECT_EQ(find_reduce_op(ops[number]), op);
    }
  }
  EXPECT_EQ(find_element_type("F32"), std::nullopt);
  EXPECT_EQ(find_reduce_op("bit_or"), std::nullopt);
  EXPECT_EQ(find_element_type(std::int64_t{1} << 32), std::nullopt);
}

// Goal: an operator that is not for a type is refused with what to do instead. Method: all pairs; two sentences.
TEST(Elements, OperatorThatDoesNotFitIsRefusedWithWords) {
  for (const ElementType type : all_element_types()) {
    for (const ReduceOp op : all_reduce_ops()) {
      const bool fits = op == ReduceOp::mean ? is_floating(type) : op != ReduceOp::bit_or || !is_floating(type);
      EXPECT_EQ(op_fits(type, op), fits);
      EXPECT_EQ(check_op_fits(type, op).ok(), fits);
    }
  }
  const Status mean = check_op_fits(ElementType::i32, ReduceOp::mean);
  EXPECT_EQ(mean.error().code, Code::invalid_argument);
  EXPECT_EQ(mean.error().message,
            "mean is for floating-point elements, not for i32: take the sum and divide it, rounded as is right for it");
  EXPECT_EQ(check_op_fits(ElementType::bf16, ReduceOp::bit_or).error().message,
            "bit-or is for integer elements, not for bf16: pass the vector as u8 if its bits are meant");
}

}  // namespace
}  // namespace gossamer::sketch
