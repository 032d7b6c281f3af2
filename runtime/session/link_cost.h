// Which numbers the cost model has: by what the ranks' transports say they have, or as the user sets them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/base.h"
#include "runtime/session/introduction.h"
#include "topology/topology.h"
#include "transport/transport.h"

namespace gossamer::runtime {

// What a rank tells the others of its links.
[[nodiscard]] Links links_of(const transport::Capabilities& capabilities);

struct LinkCost {
  std::string name;
  topology::CostModel model;
};

// The slowest link that the ranks may share: shared memory where all are on one host and each has it, else adapters
// where each has one, else TCP of 1 Gbit/s, since nothing says how fast a network is, and where it is faster the wrong
// guess costs microseconds. `setting` is GOSSAMER_COST: "auto", or what topology::parse_cost_model takes. A pure
// function of its arguments: ranks that agree on them agree on every schedule.
[[nodiscard]] Result<LinkCost> choose_link_cost(std::string_view setting, std::span<const Introduction> introductions);

}  // namespace gossamer::runtime
