// How many ranks a session takes, so that a job that cannot join is refused before it starts.
#pragma once

#include <cstdint>

namespace gossamer::tools {

// The control mesh's bound, rank_count_max in runtime/control_places.cc.
inline constexpr std::uint32_t session_ranks_max = 64;

}  // namespace gossamer::tools
