// What an operation gives every rank, and adding it to the weights, tensor by tensor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/algorithms/parts/layout.h"

namespace gossamer::runtime {

// The same on every rank, bit for bit. Spans are the algorithm's, valid until the next operation; values lie in memory
// of the shape's kind, indices on the host.
struct Update {
  std::span<const std::uint32_t> indices;  // in the caller's order of tensors; none: values are all of them, in it
  std::span<const float> values;           // mean over ranks
};

// The update of what was applied: `applied` holds the coordinates of the sparse range, ascending, and is lengthened
// by the exact range; `outer` gets them in the caller's order. Neither allocates when reserved for both.
[[nodiscard]] Update make_update(const Layout& layout, std::vector<std::uint32_t>& applied,
                                 std::vector<std::uint32_t>& outer, std::span<const float> means);

// weights[tensor][i] += scale * value. Without indices, values are all coordinates in the caller's order.
void apply_update(const Layout& layout, std::span<const std::uint32_t> indices, std::span<const float> values,
                  float* const* weights, float scale);

}  // namespace gossamer::runtime
