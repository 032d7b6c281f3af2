// The textbook Count-Sketch (Charikar, Chen, Farach-Colton 2002): every coordinate has its own column and its own
// sign in each row, all fully mixed. Slow, r random accesses a coordinate; it is what the segment-shift form is
// measured against.
#pragma once

#include <cstdint>
#include <span>

#include "sketch/sketch.h"

namespace gossamer::tools {

// Overwrites `cells` (rows * columns, row after row) with the sketch of `vector` (dimension).
void encode_random_hash(const sketch::SketchShape& shape, std::uint64_t seed, std::span<const float> vector,
                        std::span<float> cells);

// Overwrites `estimates` (dimension) with the median over rows of sign * cell.
void estimate_random_hash(const sketch::SketchShape& shape, std::uint64_t seed, std::span<const float> cells,
                          std::span<float> estimates);

}  // namespace gossamer::tools
