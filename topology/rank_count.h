// How many ranks schedules and graphs may have.
#pragma once

#include <cstdint>

namespace gossamer::topology {

// Bounds what a request, or text from outside, can make us allocate.
inline constexpr std::uint32_t rank_count_max = 65'536;

}  // namespace gossamer::topology
