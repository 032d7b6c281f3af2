// Private to `topology/measure`: find_tiers from cells, from which causes that are known may have been taken away.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/measure/cells.h"
#include "topology/measure/clusters.h"
#include "topology/measure/tiers.h"

namespace gossamer::topology {

// As each quantity and load shows them by itself, the clearest first; with `known` as their finest level, if it is
// given.
[[nodiscard]] std::vector<Levels> levels_of(const std::vector<HostCell>& cells, std::uint32_t hosts,
                                            const Partition& known = {});
[[nodiscard]] Tiers tiers_from(const Levels& levels, const Measurement& measurement,
                               const std::vector<HostCell>& cells);

}  // namespace gossamer::topology
