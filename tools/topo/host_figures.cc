#include "tools/topo/host_figures.h"

namespace gossamer::tools {
namespace {

void add(DirectionFigures& direction, const LinkFigures& figures) {
  direction.latency_ns.push_back(figures.latency_ns.value);
  direction.latency_p99_ns.push_back(figures.latency_p99_ns);
  direction.gb_per_s.push_back(figures.gb_per_s.value);
}

}  // namespace

std::vector<HostFigures> figures_by_host(const topology::Measurement& measurement, topology::PairLoad load) {
  std::vector<HostFigures> out(measurement.hosts.size());
  for (const topology::MeasuredRank& rank : measurement.ranks) ++out[rank.host].ranks;
  for (const topology::PairMeasurement& pair : measurement.pairs) {
    const std::uint32_t from = measurement.ranks[pair.from].host;
    const std::uint32_t to = measurement.ranks[pair.to].host;
    if (pair.load != load || (from == to && out.size() > 1)) continue;
    if (const std::optional<LinkFigures> figures = figures_of(pair)) {
      add(out[from].out, *figures);
      add(out[to].in, *figures);
    } else {
      ++out[from].missing;
      if (from != to) ++out[to].missing;
    }
  }
  return out;
}

}  // namespace gossamer::tools
