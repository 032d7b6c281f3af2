// What the two implementations of CountSketch share: the rules for shapes, and the order of f32 sums.
#pragma once

#include "sketch/hash.h"
#include "sketch/sketch.h"

namespace gossamer::sketch {

[[nodiscard]] Status check_sketch_shape(const SketchShape& shape);

// f32 sums are made part by part, each from zero and in ascending order, and the parts' sums added in order: so
// threads can share the vector without changing a bit. A part has at least 64 times as many coordinates as the
// sketch has columns, so that adding it up costs little.
[[nodiscard]] constexpr std::uint32_t encode_part_count(const SketchShape& shape) {
  constexpr std::uint64_t parts_max = 64;
  const std::uint64_t parts = shape.dimension / (std::uint64_t{64} * shape.columns);
  return static_cast<std::uint32_t>(parts < 1 ? 1 : parts > parts_max ? parts_max : parts);
}

// First coordinate of a part: a whole number of segments. Part encode_part_count begins at the dimension.
[[nodiscard]] constexpr std::uint64_t encode_part_begin(const SketchShape& shape, std::uint32_t part) {
  const std::uint64_t length = segment_length(shape.columns);
  const std::uint64_t segments = (shape.dimension + length - 1) / length;
  const std::uint64_t begin = segments * part / encode_part_count(shape) * length;
  return begin < shape.dimension ? begin : shape.dimension;
}

}  // namespace gossamer::sketch
