// `gossamer explain`, but for its command line: what the cost model says of each schedule, and which it takes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/base.h"
#include "tools/command/sizes.h"
#include "topology/topology.h"

namespace gossamer::tools {

struct ExplainConfig {
  std::uint32_t ranks = 8;
  std::string bytes = "1M";  // one size, or FROM:TO
  std::string collective = "all-reduce";
  std::string cost = "shared-memory";
  std::string json;
};

// "gossamer.explain/1". Of one size: a row for each schedule that can do it, the cheapest first, and the choice with
// its reason. Of a range: a row for each stretch of sizes over which the choice stays the same; where it changes is
// found to a line of 64 bytes, for changes that are more than an eighth of a doubling apart. Errors: invalid_argument.
[[nodiscard]] Result<nlohmann::json> explain(const ExplainConfig& config, const nlohmann::json& environment);
[[nodiscard]] std::string explain_table(const nlohmann::json& document);

}  // namespace gossamer::tools
