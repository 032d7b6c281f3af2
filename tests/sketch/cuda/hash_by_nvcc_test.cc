#include "hash_by_nvcc.h"

#include <gtest/gtest.h>

#include "../hash_vectors.h"
#include "base/base.h"

namespace gossamer::sketch {
namespace {

// Goal: nvcc compiles the frozen hash to the frozen values. Method: every literal vector, through functions that nvcc
// compiled for the host.
TEST(HashByNvcc, GivesTheFrozenVectors) {
  for (const SegmentVector& vector : segment_vectors) {
    const SegmentHash hash = by_nvcc::segment_hash(vector.seed, vector.segment);
    EXPECT_EQ(by_nvcc::segment_offset(hash, 0, vector.columns), vector.offsets[0]);
    EXPECT_EQ(by_nvcc::segment_offset(hash, 1, vector.columns), vector.offsets[1]);
    EXPECT_EQ(by_nvcc::segment_offset(hash, 14, vector.columns), vector.offsets[2]);
    EXPECT_EQ(by_nvcc::sign_bits(hash, 0) >> 17, vector.sign_fields[0]);
    EXPECT_EQ(by_nvcc::sign_bits(hash, 1) >> 17, vector.sign_fields[1]);
    EXPECT_EQ(by_nvcc::sign_bits(hash, 16) >> 17, vector.sign_fields[2]);
    EXPECT_EQ(by_nvcc::sign_bits(hash, 1023) >> 17, vector.sign_fields[3]);
  }
}

// Goal: nvcc compiles rounding as the host compiler does. Method: random sums, cells and shifts through both.
TEST(HashByNvcc, RoundsAsTheHostCompilerDoes) {
  Random random(12);
  for (int i = 0; i < 2000; ++i) {
    const FixedPoint fixed{.scale = 1.0F, .shift = static_cast<std::uint32_t>(random.below(31)), .level_max = 127};
    const auto sum = static_cast<std::int32_t>(random.below(std::uint64_t{1} << 31)) - (1 << 30);
    const auto cell = static_cast<std::uint32_t>(random.next());
    const std::uint64_t seed = random.next();
    EXPECT_EQ(by_nvcc::round_cell(sum, seed, 3, cell, fixed),
              round_cell(sum, rounding_bits(rounding_key(seed, 3), cell), fixed));
  }
}

}  // namespace
}  // namespace gossamer::sketch
