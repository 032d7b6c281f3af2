// Integer cells: how coordinates become small integers whose sums have the same bits in any order of merging.
//
//   q    = nearest(v * scale), ties to even            each coordinate, 32 bits
//   sum  = the cell's sum of +-q, mod 2^32             exact: the scale leaves room for any vector within its bounds
//   cell = floor((sum + u) / 2^shift)                  u uniform in [0, 2^shift): the expectation is sum / 2^shift
//
// u comes from a counter hash keyed by seed, stream (a rank) and cell, so CPU, SIMD and GPU code give the same bits,
// and ranks round independently. Frozen with hash_version, like hash.h.
#pragma once

#include <cstdint>

#include "base/base.h"
#include "sketch/hash.h"

namespace gossamer::sketch {

// What all ranks share for one sketch. The value of one level is 2^shift / scale.
struct FixedPoint {
  float scale = 0.0f;          // 0: every coordinate becomes 0
  std::uint32_t shift = 0;     // 0 to 30
  std::int32_t level_max = 0;  // a cell is cut to [-level_max, level_max]
  friend bool operator==(const FixedPoint&, const FixedPoint&) = default;
};

// Two keys for the cells of one stream.
struct RoundingKey {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
};
inline constexpr std::uint64_t rounding_stream = 16;

[[nodiscard]] constexpr RoundingKey rounding_key(std::uint64_t seed, std::uint64_t stream) {
  const std::uint64_t keys = mix64(mix64(seed, stream), rounding_stream);
  return {static_cast<std::uint32_t>(keys >> 32), static_cast<std::uint32_t>(keys)};
}

// 32 random bits for cell `cell` (row * columns + column); the low ones are not well mixed.
[[nodiscard]] constexpr std::uint32_t rounding_bits(const RoundingKey& key, std::uint32_t cell) {
  return sign_bits({0, key.first, key.second}, cell);
}

// The cell of a 32-bit sum; |sum| <= 2^30. The high bits of `bits` are used.
[[nodiscard]] constexpr std::int32_t round_cell(std::int32_t sum, std::uint32_t bits, const FixedPoint& fixed) {
  const std::int32_t up = fixed.shift == 0 ? 0 : static_cast<std::int32_t>(bits >> (32 - fixed.shift));
  const std::int32_t level = (sum + up) >> fixed.shift;
  return level > fixed.level_max ? fixed.level_max : level < -fixed.level_max ? -fixed.level_max : level;
}

}  // namespace gossamer::sketch
