// Causes and tiers as JSON: gossamer.topo.causes/1.
#pragma once

#include <nlohmann/json.hpp>

#include "topology/measure/causes.h"

namespace gossamer::tools {

// Hosts by their names.
[[nodiscard]] nlohmann::json causes_json(const topology::Causes& causes, const topology::Measurement& measurement);

}  // namespace gossamer::tools
