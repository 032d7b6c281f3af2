// Private to `topology/measure`: find_tiers from cells, from which causes that are known may have been taken away.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/measure/cells.h"
#include "topology/measure/clusters.h"
#include "topology/measure/tiers.h"

namespace gossamer::topology {

[[nodiscard]] Levels levels_of(const std::vector<Cell>& cells, std::uint32_t hosts);
[[nodiscard]] Tiers tiers_from(const Levels& levels, const Measurement& measurement, const std::vector<Cell>& cells);

}  // namespace gossamer::topology
