// Which numbers the cost model has: by what the ranks' transports say they have, or as the user sets them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "runtime/session/introduction.h"
#include "topology/topology.h"
#include "topology/two_level.h"
#include "transport/transport.h"

namespace gossamer::runtime {

// What a rank tells the others of its links.
[[nodiscard]] Links links_of(const transport::Capabilities& capabilities);

// What GOSSAMER_COST says: "auto", a model for every link, or one for links within a host and one for those between
// hosts: "near shared-memory; far 25,10". Models as topology::parse_cost_model takes them.
struct CostSetting {
  std::string near;  // empty both: auto
  std::string far;
};
[[nodiscard]] Result<CostSetting> parse_cost_setting(std::string_view text);

// Bytes that one TCP connection may have on their way, where GOSSAMER_COST says how fast the network is; 0, the
// kernel's choice, where it does not. The kernel lets a megabyte and more wait before an adapter, and whatever goes to
// another rank, like the few bytes with which a rendezvous begins, waits behind it: 8 ms at 1 Gbit/s.
[[nodiscard]] Result<std::uint64_t> tcp_send_buffer_for(std::string_view setting);

struct LinkCost {
  std::string name;
  topology::TwoLevelCost cost;
};

// The slowest link that ranks may share. Far, between hosts: adapters where each rank has one, else TCP of 1 Gbit/s,
// since nothing says how fast a network is, and where it is faster the wrong guess costs microseconds. Near: shared
// memory where each rank that shares a host has it, and the same of it; else as far. A pure function of its arguments:
// ranks that agree on them agree on every schedule. `setting` is GOSSAMER_COST.
[[nodiscard]] Result<LinkCost> choose_link_cost(std::string_view setting, std::span<const Introduction> introductions);

// The host of each rank: ranks with one name are near each other.
[[nodiscard]] std::vector<std::string> hosts_of(std::span<const Introduction> introductions);

}  // namespace gossamer::runtime
