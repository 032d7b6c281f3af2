#include "sketch/hash.h"

#include <gtest/gtest.h>

#include "hash_vectors.h"
#include "inputs.h"

namespace gossamer::sketch {
namespace {

// Goal: the hash is frozen. Method: literal values for seeds, segments and columns at the ends of their ranges.
TEST(Hash, GivesItsFrozenVectors) {
  ASSERT_EQ(hash_version, 1u);
  for (const SegmentVector& vector : segment_vectors) {
    const SegmentHash hash = segment_hash(vector.seed, vector.segment);
    EXPECT_EQ(segment_offset(hash, 0, vector.columns), vector.offsets[0]);
    EXPECT_EQ(segment_offset(hash, 1, vector.columns), vector.offsets[1]);
    EXPECT_EQ(segment_offset(hash, 14, vector.columns), vector.offsets[2]);
    EXPECT_EQ(sign_bits(hash, 0) >> 17, vector.sign_fields[0]);
    EXPECT_EQ(sign_bits(hash, 1) >> 17, vector.sign_fields[1]);
    EXPECT_EQ(sign_bits(hash, 16) >> 17, vector.sign_fields[2]);
    EXPECT_EQ(sign_bits(hash, 1023) >> 17, vector.sign_fields[3]);
  }
}

// Goal: whole sketches are frozen, on every target. Method: hashes of the cells of integers, which sum exactly.
TEST(Hash, SketchesHaveTheirFrozenCells) {
  with_each_target([] {
    std::vector<float> vector(5003);
    for (std::size_t t = 0; t < vector.size(); ++t) vector[t] = static_cast<float>(t % 7) - 3.0F;
    for (const CellsVector& expected : cells_vectors) {
      const auto sketch = make_fast({.dimension = vector.size(), .rows = expected.rows, .columns = expected.columns});
      std::vector<float> cells = encode_with(*sketch, expected.seed, vector);
      EXPECT_EQ(hash_bytes(std::as_bytes(std::span(cells))), expected.hash);
    }
  });
}

// Goal: the hash can be evaluated at compile time, as GPU tables will want. Method: a static_assert.
static_assert(segment_offset(segment_hash(1, 2), 3, 1) == 0);
static_assert(segment_length(1) == 1 && segment_length(1024) == 1024 && segment_length(1u << 28) == 1024);

}  // namespace
}  // namespace gossamer::sketch
