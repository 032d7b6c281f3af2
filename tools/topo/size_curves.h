// What messages of each size take, by tier, and how far that is from the fitted model.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "tools/topo/links.h"

namespace gossamer::tools {

struct CurvePoint {
  std::uint64_t bytes = 0;
  std::size_t pairs = 0;
  // Over the pairs: the middle, and what a tenth of them lie below or above.
  double p50_ns = 0, p50_low_ns = 0, p50_high_ns = 0;
  double p99_ns = 0;                                         // the middle of the pairs' p99
  double residual = 0, residual_low = 0, residual_high = 0;  // (measured - fit) / fit
};

struct SizeCurve {
  std::size_t tier = 0;
  topology::PairLoad load = topology::PairLoad::idle;
  std::vector<CurvePoint> points;  // ascending in bytes
};

// Of each tier and load that has pairs.
[[nodiscard]] std::vector<SizeCurve> size_curves(const topology::Measurement& measurement, const PairTiers& tiers);

}  // namespace gossamer::tools
