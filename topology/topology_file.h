// What is known of a cluster's network and what to do about it, as a file that a session loads (GOSSAMER_TOPOLOGY) and
// `gossamer topo recommend` writes:
//
//    gossamer-topology 1
//    ranks 4
//    host node1 0 2                          its ranks; for each host, by the first rank of each
//    host node2 1 3
//    near 2.1,0.16                           what a message costs within a host, as GOSSAMER_COST has it
//    far 31,8.4                              and between hosts
//    far-links 1                             of a host, which its ranks share
//    order 0 2 1 3                           RankOrder
//    schedule all-reduce:0-4k:butterfly;4k-:rails of ring and circulant      a collective's rules; none: by cost
//    expect all-reduce 65536 410 790         microseconds: so, and without this file; for those who check it
//    end
//
// Blank lines and lines that begin with '#' are passed over. Lines come in this order; `schedule` and `expect` are
// there as often as they are needed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "topology/rank_order.h"
#include "topology/schedule_rules.h"
#include "topology/topology.h"
#include "topology/two_level.h"

namespace gossamer::topology {

struct ExpectedTime {
  Collective collective = Collective::all_reduce;
  std::uint64_t bytes = 0;  // of the payload
  double here_us = 0.0;
  double otherwise_us = 0.0;
  friend bool operator==(const ExpectedTime&, const ExpectedTime&) = default;
};

struct TopologyFile {
  static constexpr int format_version = 1;
  static constexpr std::size_t host_name_bytes_max = 256;
  static constexpr std::size_t expected_max = 1'024;

  std::vector<std::string> hosts;  // by rank; names without blanks
  TwoLevelCost cost;
  RankOrder order;
  ScheduleRules rules;  // each of one collective; no files
  std::vector<ExpectedTime> expected;
};

// Untrusted: bounded and validated. `malformed`, with the place: "PATH:4: expected ..., found ...".
[[nodiscard]] Result<TopologyFile> parse_topology_file(std::string_view text, std::string_view path);
// Numbers keep six digits, so what is read back is the same from the second time on.
[[nodiscard]] std::string format_topology_file(const TopologyFile& file);

}  // namespace gossamer::topology
