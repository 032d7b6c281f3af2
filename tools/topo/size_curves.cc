#include "tools/topo/size_curves.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

using topology::PairMeasurement;

struct Values {
  std::vector<double> p50, p99, residual;
};

CurvePoint point_of(std::uint64_t bytes, const Values& values) {
  CurvePoint point{bytes, values.p50.size()};
  point.p50_ns = median(values.p50);
  point.p50_low_ns = percentile(values.p50, 0.1);
  point.p50_high_ns = percentile(values.p50, 0.9);
  point.p99_ns = median(values.p99);
  point.residual = median(values.residual);
  point.residual_low = percentile(values.residual, 0.1);
  point.residual_high = percentile(values.residual, 0.9);
  return point;
}

}  // namespace

std::vector<SizeCurve> size_curves(const topology::Measurement& measurement, const PairTiers& tiers) {
  std::map<std::pair<topology::PairLoad, std::size_t>, std::map<std::uint64_t, Values>> found;
  for (const PairMeasurement& pair : measurement.pairs) {
    if (!pair.missing.empty()) continue;
    std::map<std::uint64_t, Values>& curve = found[{pair.load, tiers.tier_of(pair.from, pair.to)}];
    for (const topology::SizeSamples& size : pair.sizes) {
      Values& values = curve[size.bytes];
      values.p50.push_back(size.p50_ns.value);
      values.p99.push_back(size.p99_ns);
      if (!pair.fit) continue;
      const double fit = pair.fit->alpha_ns.value + pair.fit->beta_ns_per_byte.value * static_cast<double>(size.bytes);
      if (fit > 0) values.residual.push_back((size.p50_ns.value - fit) / fit);
    }
  }
  std::vector<SizeCurve> out;
  for (const auto& [key, sizes] : found) {
    SizeCurve curve{key.second, key.first, {}};
    for (const auto& [bytes, values] : sizes) curve.points.push_back(point_of(bytes, values));
    out.push_back(std::move(curve));
  }
  return out;
}

}  // namespace gossamer::tools
