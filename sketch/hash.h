// The frozen hash of the segment-shift sketch, version 1: which cell and which sign each coordinate has.
//
// Scalar, SIMD and GPU code share these formulas, so peers that differ in hardware still agree on every
// bit. All of it is unsigned arithmetic mod 2^32 or 2^64. A change of any formula is a new
// hash_version; tests/sketch/hash_vectors.h holds the frozen values.
//
//   vector   | segment 0 | segment 1 | segment 2 | ...      L = min(1024, c) coordinates each
//                              |
//                     shifted by offset(1, j)
//                              v
//   row j    ..............[ segment 1 ].............      c columns, positions mod c
//
// A whole segment is added at one offset, any integer below c: offsets that keep lanes apart (multiples of
// the SIMD width) would let every 16th coordinate collide with its like far too often.
#pragma once

#include <cstdint>

#include "base/base.h"

namespace gossamer::sketch {

inline constexpr std::uint32_t segment_length_max = 1024;
inline constexpr std::uint32_t rows_max = 15;

// L: a multiple of every SIMD width for all but tiny sketches; longer segments would correlate errors
// inside a layer more, shorter ones cost more offsets.
[[nodiscard]] constexpr std::uint32_t segment_length(std::uint32_t columns) {
  return columns < segment_length_max ? columns : segment_length_max;
}

// What one segment draws from the seed: a root for its offsets, and two keys for its signs.
struct SegmentHash {
  std::uint64_t root = 0;
  std::uint32_t sign_key_first = 0;
  std::uint32_t sign_key_second = 0;
};

// Stream number of the sign keys; the offsets use streams 0 to rows_max - 1.
inline constexpr std::uint64_t sign_stream = 15;

[[nodiscard]] constexpr SegmentHash segment_hash(std::uint64_t seed, std::uint64_t segment) {
  const std::uint64_t root = mix64(seed, segment);
  const std::uint64_t keys = mix64(root, sign_stream);
  return {root, static_cast<std::uint32_t>(keys >> 32), static_cast<std::uint32_t>(keys)};
}

// Column of the segment's first coordinate in `row`: 32 random bits times c, multiply-high, so any column
// can come up with a bias below c / 2^32.
[[nodiscard]] constexpr std::uint32_t segment_offset(const SegmentHash& hash, std::uint32_t row,
                                                     std::uint32_t columns) {
  const std::uint64_t random = mix64(hash.root, row) >> 32;
  return static_cast<std::uint32_t>((random * columns) >> 32);
}

// Constants of the sign hash: the odd step spreads neighbours over all 32 bits; shifts and multipliers
// are those of lowbias32 (Wellons, hash-prospector), whose last xor-shift changes only bits that no row
// uses and is left out. The second key enters between the multiplications, so that segments whose
// counters overlap still have unrelated signs.
inline constexpr std::uint32_t sign_step = 0x9e3779b1u;
inline constexpr std::uint32_t sign_multiplier_first = 0x7feb352du;
inline constexpr std::uint32_t sign_multiplier_second = 0x846ca68bu;
inline constexpr int sign_shift_first = 16;
inline constexpr int sign_shift_second = 15;

// Sign bits of the coordinate at `position` of its segment: bit 31 - j is set when row j negates it.
// Bits 16 and below are not well mixed and mean nothing.
[[nodiscard]] constexpr std::uint32_t sign_bits(const SegmentHash& hash, std::uint32_t position) {
  std::uint32_t x = hash.sign_key_first + position * sign_step;
  x ^= x >> sign_shift_first;
  x *= sign_multiplier_first;
  x ^= x >> sign_shift_second;
  x ^= hash.sign_key_second;
  x *= sign_multiplier_second;
  return x;
}

[[nodiscard]] constexpr bool is_negated(std::uint32_t bits, std::uint32_t row) { return ((bits << row) >> 31) != 0; }

}  // namespace gossamer::sketch
