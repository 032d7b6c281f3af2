// What a machine can do at most: the yardsticks that sketch kernels are measured against.
#pragma once

#include <cstddef>
#include <span>

namespace gossamer::tools {

// Reads every element once, as wide as the machine can, with the prefetching that it does by itself. Returns
// something that depends on all of them.
[[nodiscard]] float read_all(std::span<const float> values);

// `count` elements of y += x, over blocks of 8 KB that stay in the first cache level: what one row of a sketch
// costs at least, if its cells were always there. Returns something that depends on all of them.
[[nodiscard]] float add_in_cache(std::size_t count);

// into += from, once: a vector add in memory.
void add_once(std::span<float> into, std::span<const float> from);

}  // namespace gossamer::tools
