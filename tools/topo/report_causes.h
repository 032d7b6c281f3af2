// What is wrong with a cluster, in a report's words.
#pragma once

#include <string>
#include <vector>

#include "tools/topo/links.h"
#include "topology/measure/causes.h"

namespace gossamer::tools {

// A section: each cause with its evidence, the most harmful first; contradictions between declared and measured tiers.
// Says so where nothing stands out.
[[nodiscard]] std::string causes_section(const topology::Causes& causes, const topology::Measurement& measurement);

// The causes as one sentence: "2 things are wrong: node3 (slow host), node1 -> node2 (slow direction)."
[[nodiscard]] std::string causes_sentence(const topology::Causes& causes);

// The tiers that were found, for readers of pairs of ranks.
[[nodiscard]] PairTiers tiers_as_measured(const topology::Measurement& measurement, const topology::Tiers& tiers);

}  // namespace gossamer::tools
