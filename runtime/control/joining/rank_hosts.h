// Which host each rank is on, as the launcher says it: for messages about ranks that nobody has heard of.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/base.h"

namespace gossamer::runtime {

// "a:4,b:2": hosts in the order of their ranks, with how many each has; "[fd00::7]:2". Empty is right as well.
[[nodiscard]] bool are_rank_hosts(std::string_view rank_hosts);

// Empty where they do not tell.
[[nodiscard]] std::string host_of_rank(std::string_view rank_hosts, Rank rank);

// " (on b)", " (on b and c)", or nothing where one of them is not told.
[[nodiscard]] std::string on_hosts(std::string_view rank_hosts, std::span<const Rank> ranks);

}  // namespace gossamer::runtime
