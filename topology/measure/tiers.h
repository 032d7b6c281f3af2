// Which hosts are near each other, from what was measured alone, and where that contradicts what was declared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "topology/measure/measurement.h"

namespace gossamer::topology {

struct Tier {
  std::string name;  // "same host", "same switch", "same group", "across"
  // Hosts that reach each other within this tier; "same host" has each alone, the last one all together. By least host,
  // hosts ascending.
  std::vector<std::vector<std::uint32_t>> groups;
  // Of the pairs of ranks of which this is the nearest tier in common, idle: medians, and the span of the middle 95 of
  // 100 of them. 0 where nothing was measured.
  Estimate latency_ns;
  Estimate ns_per_byte;
  std::uint32_t pairs = 0;
};

// A host that is nearer to the hosts of another switch than to those of its own.
struct Contradiction {
  std::uint32_t host = 0;
  std::string declared;          // its switch, as declared
  std::string measured;          // the switch as which most hosts that are near to it are declared
  double declared_factor = 0.0;  // times to hosts of the declared switch, over times to those of the measured one
  std::uint32_t pairs = 0;       // of ranks, to hosts of both
};

struct Tiers {
  std::vector<Tier> tiers;  // nearest first; "same host" and "across" are always there
  std::vector<Contradiction> contradictions;
  // The host's place in the nearest network tier cannot be told: what is slow with it hides what is near.
  std::vector<std::uint32_t> unplaced;

  // Index into `tiers`.
  [[nodiscard]] std::uint32_t between(std::uint32_t host, std::uint32_t other) const;
  // How many tiers the network has: 1 for a flat one.
  [[nodiscard]] std::size_t network_tiers() const { return tiers.size() - 1; }
};

// Average-linkage clustering of hosts (Sokal and Michener 1958) on log times that a slow host does not shift, cut where
// two levels describe the times better than one by more than the partition costs to tell (Rissanen 1978). A host alone
// on its switch cannot be told from a slow one and counts as slow. O(hosts^2 log hosts) and as much memory.
[[nodiscard]] Tiers find_tiers(const Measurement& measurement);

}  // namespace gossamer::topology
