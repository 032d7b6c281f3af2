// The lists of ranks that agree among themselves. No network.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

// Which rank of how many.
struct RankOf {
  Rank rank;
  std::uint32_t rank_count;
};

// The whole list: `members`, or all ranks where that is empty. `invalid_argument` where it is not ascending, goes
// beyond the session, or leaves out `own`: "plan: a group of ranks 1 and 7, and the session has ranks 0 to 3".
[[nodiscard]] Result<std::vector<Rank>> members_of(std::string_view subject, std::span<const Rank> members,
                                                   const RankOf& own);

// "all ranks", or "ranks 1, 2 and 5".
[[nodiscard]] std::string members_text(std::span<const Rank> members, std::uint32_t rank_count);

}  // namespace gossamer::runtime
