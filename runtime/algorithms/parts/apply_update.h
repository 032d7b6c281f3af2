// Adding an update to the weights, tensor by tensor.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/algorithms/parts/layout.h"

namespace gossamer::runtime {

// weights[tensor][i] += scale * value. Without indices, values are all coordinates in the caller's order.
void apply_update(const Layout& layout, std::span<const std::uint32_t> indices, std::span<const float> values,
                  float* const* weights, float scale);

}  // namespace gossamer::runtime
