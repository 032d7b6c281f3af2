// What `gossamer topo recommend` says: advice as a topology file, for a terminal, and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "topology/measure/advice.h"

namespace gossamer::tools {

// The file that GOSSAMER_TOPOLOGY names, with where it is from as comments. `source`: the measurement's path.
[[nodiscard]] std::string topology_file_text(const topology::Advice& advice, const topology::Measurement& measurement,
                                             const std::string& source);

// Schema gossamer.topo.recommend/1: a row for each collective and size.
[[nodiscard]] nlohmann::json recommend_document(const topology::Advice& advice,
                                                const topology::Measurement& measurement,
                                                const nlohmann::json& environment);

[[nodiscard]] std::string recommend_text(const topology::Advice& advice, const topology::Measurement& measurement);

}  // namespace gossamer::tools
