// What dense does to each element, wherever it lies; the same bits for the same input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sketch/sketch.h"

namespace gossamer::runtime {

// cells = gradient * scale, as f32, bf16 or f16.
void make_dense_cells(sketch::CellType type, std::span<const float> gradient, float scale, std::span<std::byte> cells);

// u = momentum * u + cells / rank_count.
void take_dense_cells(sketch::CellType type, std::span<const std::byte> cells, std::uint32_t rank_count, float momentum,
                      std::span<float> u);

}  // namespace gossamer::runtime
