#include "../hash_vectors.h"
#include "hash_by_nvcc.h"

namespace gossamer::sketch {

// nvcc's own front end evaluates these in every compilation, that for the device included.
constexpr bool has_frozen_values(const SegmentVector& vector) {
  const SegmentHash hash = segment_hash(vector.seed, vector.segment);
  return segment_offset(hash, 0, vector.columns) == vector.offsets[0] &&
         segment_offset(hash, 1, vector.columns) == vector.offsets[1] &&
         segment_offset(hash, 14, vector.columns) == vector.offsets[2] &&
         sign_bits(hash, 0) >> 17 == vector.sign_fields[0] && sign_bits(hash, 1) >> 17 == vector.sign_fields[1] &&
         sign_bits(hash, 16) >> 17 == vector.sign_fields[2] && sign_bits(hash, 1023) >> 17 == vector.sign_fields[3];
}
constexpr bool have_frozen_values() {
  for (const SegmentVector& vector : segment_vectors) {
    if (!has_frozen_values(vector)) return false;
  }
  return true;
}
static_assert(have_frozen_values());

namespace by_nvcc {

SegmentHash segment_hash(std::uint64_t seed, std::uint64_t segment) {
  return gossamer::sketch::segment_hash(seed, segment);
}
std::uint32_t segment_offset(const SegmentHash& hash, std::uint32_t row, std::uint32_t columns) {
  return gossamer::sketch::segment_offset(hash, row, columns);
}
std::uint32_t sign_bits(const SegmentHash& hash, std::uint32_t position) {
  return gossamer::sketch::sign_bits(hash, position);
}
std::int32_t round_cell(std::int32_t sum, std::uint64_t seed, std::uint64_t stream, std::uint32_t cell,
                        const FixedPoint& fixed) {
  return gossamer::sketch::round_cell(sum, rounding_bits(rounding_key(seed, stream), cell), fixed);
}

}  // namespace by_nvcc
}  // namespace gossamer::sketch
