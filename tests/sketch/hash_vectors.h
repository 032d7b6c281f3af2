// Frozen values of hash version 1. A mismatch means that the format changed: raise hash_version instead.
#pragma once

#include <array>
#include <cstdint>

namespace gossamer::sketch {

struct SegmentVector {
  std::uint64_t seed;
  std::uint64_t segment;
  std::uint32_t columns;
  std::array<std::uint32_t, 3> offsets;      // of rows 0, 1 and 14
  std::array<std::uint32_t, 4> sign_fields;  // sign_bits >> 17 (rows 0 to 14) at positions 0, 1, 16 and 1023
};

inline constexpr SegmentVector segment_vectors[] = {
    {0x0u, 0, 1000, {129, 165, 656}, {0x72b8u, 0x45a8u, 0x5f44u, 0x2311u}},
    {0x1u, 0, 1024, {906, 254, 389}, {0x4da6u, 0x39ffu, 0x2d75u, 0x3013u}},
    {0x1u, 1, 10716, {8430, 1921, 6803}, {0x05b3u, 0x6828u, 0x2cbcu, 0x036cu}},
    {0x123456789abcdef0u, 4194303, 1048576, {856624, 838660, 790173}, {0x163au, 0x333eu, 0x25e5u, 0x12e2u}},
    {0xffffffffffffffffu, 7, 268435456, {67360325, 186744877, 136746968}, {0x3c59u, 0x6f8du, 0x2ad6u, 0x0dceu}},
    {0x2au, 65536, 268435399, {43676632, 26669331, 264350816}, {0x033cu, 0x5db0u, 0x3584u, 0x241bu}},
};

// hash_bytes of the cells of coarse integers: vector[t] = t % 7 - 3, d = 5003.
struct CellsVector {
  std::uint64_t seed;
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint64_t hash;
};

inline constexpr CellsVector cells_vectors[] = {
    {0x0u, 1, 1, 0x983e66778fccf3c5u},
    {0x1u, 3, 100, 0x0581ee05b3d87222u},
    {0xfeedfacecafebeefu, 5, 1024, 0x6c955d4e8bde4157u},
    {0x7u, 15, 3001, 0x81f66fbc58a9862fu},
};

}  // namespace gossamer::sketch
