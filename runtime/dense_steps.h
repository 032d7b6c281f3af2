// What dense does to each element, wherever it lies; the same bits for the same input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sketch/sketch.h"

namespace gossamer::runtime {

// How the mean over ranks is made of what travels.
//
//   f32, bf16   each rank sends g, and the sum is divided by P
//   f16         each rank sends g / P: a sum of P gradients that fit into f16 fits, too
struct DenseWire {
  sketch::CellType type = sketch::CellType::f32;
  std::uint32_t rank_count = 1;

  [[nodiscard]] bool divides_first() const { return type == sketch::CellType::f16; }
  [[nodiscard]] float share() const { return 1.0f / static_cast<float>(rank_count); }
};

// cells = gradient * scale, as they travel. What goes beyond the range of f16 becomes infinity.
void make_dense_cells(const DenseWire& wire, std::span<const float> gradient, float scale, std::span<std::byte> cells);

// next = momentum * u + mean of the summed cells. Returns the first position where that is NaN or infinite, next.size()
// if there is none; then what follows it in `next` is not written. `u` is not read at momentum 0, and may be empty;
// `next` may be `u`.
[[nodiscard]] std::size_t take_dense_cells(const DenseWire& wire, std::span<const std::byte> cells, float momentum,
                                           std::span<const float> u, std::span<float> next);

}  // namespace gossamer::runtime
