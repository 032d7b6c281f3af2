#include "sketch/mix.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <limits>

#include "inputs.h"
#include "sketch/half.h"
#include "tests/support/plain_mix.h"

namespace gossamer::sketch {
namespace {

using testing::mixed_types;
using testing::plain_mix;
using testing::rough_elements;
using Bytes = std::vector<std::byte>;

// Goal: one pass over all parts gives the bits of the plain loop on every target, apart and in place. Method: every
// short length, misaligned vectors, none to four parts.
TEST(Mix, GivesTheBitsOfThePlainLoopOnEveryTarget) {
  with_each_target([] {
    for (const ElementType type : mixed_types) {
      SCOPED_TRACE(element_type_name(type));
      const std::size_t size = element_bytes(type);
      for (std::size_t count = 0; count <= 140; ++count) {
        for (std::size_t part_count = 0; part_count <= 4; ++part_count) {
          const std::size_t skew = count % 3 * size;
          Bytes z = rough_elements(type, count, count + 3);
          std::vector<Bytes> vectors;
          std::vector<MixPart> parts;
          for (std::size_t p = 0; p < part_count; ++p)
            vectors.push_back(rough_elements(type, 100 * (p + 1) + count, count + 3));
          for (std::size_t p = 0; p < part_count; ++p)
            parts.push_back({vectors[p].data() + skew, 1.0 / static_cast<double>(3 + p)});
          Bytes expected(count * size);
          plain_mix(type, z.data() + skew, parts, expected.data(), count);
          Bytes out((count + 1) * size);
          mix(type, z.data() + skew, parts, out.data() + size, count);
          ASSERT_TRUE(std::equal(expected.begin(), expected.end(), out.begin() + static_cast<std::ptrdiff_t>(size)))
              << count << " elements, " << part_count << " parts";
          mix(type, z.data() + skew, parts, z.data() + skew, count);
          ASSERT_TRUE(std::equal(expected.begin(), expected.end(), z.begin() + static_cast<std::ptrdiff_t>(skew)))
              << count << " elements in place, " << part_count << " parts";
        }
      }
    }
  });
}

// Goal: ranks with equal vectors keep them whatever the shares are, and what rounds beyond the range is infinite, not
// the largest number. Method: parts equal to z; the largest bf16 and f16 moved on by their own size.
TEST(Mix, KeepsEqualVectorsAndOverflowsToInfinity) {
  with_each_target([] {
    for (const ElementType type : mixed_types) {
      const Bytes z = rough_elements(type, 7, 100);
      Bytes out(z.size());
      mix(type, z.data(), std::vector<MixPart>{{z.data(), 0.3}, {z.data(), 1.0 / 7}}, out.data(), 100);
      EXPECT_EQ(out, z) << element_type_name(type);
    }
    for (const auto& [type, largest, infinity] :
         {std::tuple{ElementType::bf16, std::uint16_t{0x7f7f}, std::uint16_t{0x7f80}},
          std::tuple{ElementType::f16, std::uint16_t{0x7bff}, std::uint16_t{0x7c00}}}) {
      const std::vector<std::uint16_t> z(40, largest);
      const std::vector<std::uint16_t> zero(40, 0);
      std::vector<std::uint16_t> out(40);
      mix(type, std::as_bytes(std::span(z)).data(), std::vector<MixPart>{{std::as_bytes(std::span(zero)).data(), -0.5}},
          std::as_writable_bytes(std::span(out)).data(), 40);
      EXPECT_EQ(out, std::vector<std::uint16_t>(40, infinity)) << element_type_name(type);
    }
  });
}

// Goal: a copy is the same bytes and knows whether all are finite. Method: the largest numbers; each of infinity, its
// negative and not a number in every place of a short vector.
TEST(CopyFinite, CopiesAndSeesEveryBadElement) {
  with_each_target([] {
    for (const ElementType type : mixed_types) {
      const std::size_t size = element_bytes(type);
      const auto element = [&](double value) {
        const auto single = static_cast<float>(value);
        std::uint16_t half = type == ElementType::bf16 ? to_bf16(single) : to_f16(single);
        if (type == ElementType::bf16 && value != value) half = 0x7fc1;
        Bytes bytes(size);
        const void* const from = type == ElementType::f64   ? static_cast<const void*>(&value)
                                 : type == ElementType::f32 ? static_cast<const void*>(&single)
                                                            : static_cast<const void*>(&half);
        std::memcpy(bytes.data(), from, size);
        return bytes;
      };
      constexpr std::size_t count = 70;
      const double largest = type == ElementType::f64    ? std::numeric_limits<double>::max()
                             : type == ElementType::f16  ? 65504.0
                             : type == ElementType::bf16 ? 3.3895313892515355e38
                                                         : double{std::numeric_limits<float>::max()};
      Bytes good;
      for (std::size_t i = 0; i < count; ++i) {
        const Bytes one = element(i % 2 == 0 ? largest : -largest);
        good.insert(good.end(), one.begin(), one.end());
      }
      Bytes copy(good.size());
      EXPECT_TRUE(copy_finite(type, good.data(), copy.data(), count)) << element_type_name(type);
      EXPECT_EQ(copy, good);
      constexpr double infinity = std::numeric_limits<double>::infinity();
      for (const double bad : {infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
        for (std::size_t i = 0; i < count; ++i) {
          Bytes broken = good;
          const Bytes one = element(bad);
          std::copy(one.begin(), one.end(), broken.begin() + static_cast<std::ptrdiff_t>(i * size));
          ASSERT_FALSE(copy_finite(type, broken.data(), copy.data(), count)) << element_type_name(type) << " at " << i;
          ASSERT_EQ(copy, broken);
        }
      }
    }
  });
}

}  // namespace
}  // namespace gossamer::sketch
