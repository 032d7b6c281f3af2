// Private to `topology/measure`: everything that might be slow, given which hosts belong together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "topology/measure/cells.h"
#include "topology/measure/clusters.h"
#include "topology/measure/fault_model.h"

namespace gossamer::topology {

// Hosts behind one switch: as measured, or as declared.
struct HostGroup {
  std::string name;                  // empty: measured, and not declared
  std::vector<std::uint32_t> hosts;  // ascending
};

// The groups of all levels and all declared switches, each once: those of two hosts on that are not all but one.
[[nodiscard]] std::vector<HostGroup> host_groups(const std::vector<Partition>& partitions,
                                                 const Measurement& measurement);

[[nodiscard]] std::vector<Suspect> network_suspects(const std::vector<HostCell>& cells, std::uint32_t hosts,
                                                    const std::vector<HostGroup>& groups);
// For tails: hosts alone make noise.
[[nodiscard]] std::vector<Suspect> noise_suspects(const std::vector<HostCell>& cells, std::uint32_t hosts);

}  // namespace gossamer::topology
