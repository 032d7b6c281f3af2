// A measurement as metrics of the fleet's monitoring.
#pragma once

#include <string>

#include "topology/measure/measurement.h"

namespace gossamer::tools {

// Text that both OpenMetrics and Prometheus read, for the folder of the node exporter's textfile collector: gauges in
// base units, no timestamps. A few series for each host and direction; for each two hosts only where that makes at most
// `host_pairs_max`.
[[nodiscard]] std::string metrics_text(const topology::Measurement& measurement, std::size_t host_pairs_max);

}  // namespace gossamer::tools
