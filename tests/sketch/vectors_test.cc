#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "inputs.h"

namespace gossamer::sketch {
namespace {

// Lengths from nothing to a few of the widest unrolled steps, with every tail.
constexpr std::size_t length_max = 4 * 64 + 3;

// Goal: the sum has one order on every target. Method: the loop of the definition beside it, all short lengths
// and misalignments.
TEST(SumSquares, AddsInTheDefinedOrderOnEveryTarget) {
  with_each_target([] {
    for (std::size_t size = 0; size <= length_max; ++size) {
      const std::vector<float> values = rough_vector(size, size + 3);
      for (std::size_t skew = 0; skew < 4; ++skew) {
        const std::span<const float> part = std::span(values).subspan(skew, size > skew ? size - skew : 0);
        double partial[16] = {};
        for (std::size_t i = 0; i < part.size(); ++i) partial[i % 16] += double{part[i]} * double{part[i]};
        for (int step = 8; step != 0; step /= 2) {
          for (int p = 0; p < step; ++p) partial[p] += partial[p + step];
        }
        ASSERT_EQ(std::bit_cast<std::uint64_t>(sum_squares(part)), std::bit_cast<std::uint64_t>(partial[0]));
      }
    }
  });
}

// Goal: no finite vector overflows, and one bad element shows. Method: the largest float; one NaN; one infinity.
TEST(SumSquares, IsFiniteExactlyWhenAllElementsAre) {
  with_each_target([] {
    std::vector<float> values(100, std::numeric_limits<float>::max());
    EXPECT_TRUE(std::isfinite(sum_squares(values)));
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      for (const std::size_t at : {0u, 50u, 99u}) {
        std::vector<float> broken = values;
        broken[at] = bad;
        EXPECT_FALSE(std::isfinite(sum_squares(broken)));
      }
    }
  });
}

// Goal: the first bad element is found, wherever it is. Method: every position of every short length; another bad
// one behind it.
TEST(FirstNonFinite, FindsTheFirstOfThem) {
  with_each_target([] {
    for (const std::size_t size : {std::size_t{1}, std::size_t{17}, std::size_t{64}, length_max}) {
      std::vector<float> values(size, std::numeric_limits<float>::max());
      ASSERT_EQ(first_non_finite(values), size);
      for (std::size_t at = 0; at < size; ++at) {
        std::vector<float> broken = values;
        broken.back() = std::numeric_limits<float>::infinity();
        broken[at] = at % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity();
        ASSERT_EQ(first_non_finite(broken), at);
      }
    }
    EXPECT_EQ(first_non_finite({}), 0u);
  });
}

// Goal: each operation rounds by itself on every target, so no multiply-add is contracted. Method: the same in
// separate volatile steps, bit for bit.
TEST(Accumulate, RoundsEachOperationByItself) {
  with_each_target([] {
    for (std::size_t size = 0; size <= length_max; ++size) {
      const std::vector<float> g = rough_vector(1, size);
      std::vector<float> u = rough_vector(2, size);
      std::vector<float> v = rough_vector(3, size);
      std::vector<float> u_expected(size);
      std::vector<float> v_expected(size);
      for (std::size_t i = 0; i < size; ++i) {
        const volatile float kept = 0.9F * u[i];
        const volatile float scaled = 0.37F * g[i];
        const volatile float next = kept + scaled;
        u_expected[i] = next;
        v_expected[i] = v[i] + next;
      }
      // Into other memory first, then in place.
      std::vector<float> u_next(size);
      std::vector<float> v_next(size);
      accumulate(g, 0.37F, 0.9F, {u, v}, {u_next, v_next});
      ASSERT_TRUE(same_bits(u_next, u_expected));
      ASSERT_TRUE(same_bits(v_next, v_expected));
      accumulate(g, 0.37F, 0.9F, {u, v}, {u, v});
      ASSERT_TRUE(same_bits(u, u_expected));
      ASSERT_TRUE(same_bits(v, v_expected));
    }
  });
}

// Goal: without momentum, with a copy, and past the caches it writes the same. Method: the plain one beside each, with
// u of 0 for none; at every length and alignment, those of u and v equal or not.
TEST(Accumulate, WritesTheSameInEveryWay) {
  with_each_target([] {
    for (std::size_t size = 0; size <= length_max; ++size) {
      for (const std::size_t u_offset : {0u, 3u}) {
        for (const std::size_t v_offset : {0u, 3u, 16u}) {
          for (const bool has_momentum : {true, false}) {
            const std::vector<float> g = rough_vector(1, size);
            const std::vector<float> u = has_momentum ? rough_vector(2, size) : std::vector<float>(size, 0.0F);
            const std::vector<float> v = rough_vector(3, size);
            std::vector<float> u_expected(size), v_expected(size), copy(size);
            accumulate(g, 0.37F, 0.9F, {u, v}, {u_expected, v_expected});
            std::vector<float> u_memory(size + u_offset), v_memory(size + v_offset);
            const auto u_next = std::span(u_memory).subspan(u_offset), v_next = std::span(v_memory).subspan(v_offset);
            const auto kept = [&](std::span<float> of) { return has_momentum ? of : std::span<float>(); };
            const std::span<const float> from = has_momentum ? std::span(u) : std::span<const float>();
            accumulate(g, 0.37F, 0.9F, {from, v}, {kept(u_next), v_next, copy, true});
            if (has_momentum) {
              ASSERT_TRUE(same_bits({u_next.begin(), u_next.end()}, u_expected));
            }
            ASSERT_TRUE(same_bits({v_next.begin(), v_next.end()}, v_expected));
            ASSERT_TRUE(same_bits(copy, v_expected));
          }
        }
      }
    }
  });
}

// Goal: add is elementwise, at every length. Method: the plain loop beside it.
TEST(Add, IsElementwise) {
  with_each_target([] {
    for (std::size_t size = 0; size <= length_max; ++size) {
      std::vector<float> into = rough_vector(1, size);
      const std::vector<float> from = rough_vector(2, size);
      std::vector<float> expected(size);
      for (std::size_t i = 0; i < size; ++i) expected[i] = into[i] + from[i];
      add(into, from);
      ASSERT_TRUE(same_bits(into, expected));
    }
  });
}

// Goal: gather picks by index. Method: a few, with the first and the last.
TEST(Gather, PicksByIndex) {
  const std::vector<float> values = {5, 6, 7, 8};
  const std::vector<std::uint32_t> indices = {0, 3, 3, 1};
  std::vector<float> out(4);
  gather(values, indices, out);
  EXPECT_EQ(out, (std::vector<float>{5, 8, 8, 6}));
}

}  // namespace
}  // namespace gossamer::sketch
