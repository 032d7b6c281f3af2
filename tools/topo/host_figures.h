// What the pairs say of each host.
#pragma once

#include <vector>

#include "tools/topo/links.h"

namespace gossamer::tools {

struct DirectionFigures {
  std::vector<double> latency_ns, latency_p99_ns, gb_per_s;  // of the pairs that have figures, in no order
};

struct HostFigures {
  std::uint32_t ranks = 0;
  DirectionFigures out, in;
  std::uint32_t missing = 0;  // pairs without a figure
};

// By host, of its pairs with other hosts; of its own where it is the only one.
[[nodiscard]] std::vector<HostFigures> figures_by_host(const topology::Measurement& measurement,
                                                       topology::PairLoad load);

}  // namespace gossamer::tools
