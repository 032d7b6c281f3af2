#include "tools/topo/metrics.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/base.h"
#include "tools/topo/links.h"
#include "tools/topo/measurement_file.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;
using topology::PairLoad;

using Labels = MetricsWriter::Labels;

struct Figures {
  std::vector<double> latency_ns, latency_p99_ns, gb_per_s;
  std::size_t missing = 0;

  void add(const topology::PairMeasurement& pair) {
    const std::optional<LinkFigures> figures = figures_of(pair);
    if (!figures) {
      ++missing;
      return;
    }
    latency_ns.push_back(figures->latency_ns.value);
    latency_p99_ns.push_back(figures->latency_p99_ns);
    gb_per_s.push_back(figures->gb_per_s.value);
  }
};

// By labels, which are in the order of the names: equal names, as a file may have them, are one series.
using Series = std::map<std::vector<std::string>, Figures>;

struct SeriesNames {
  const char* prefix;
  std::vector<const char*> labels;
  const char* of;
};

void write_series(MetricsWriter& writer, const Series& series, const SeriesNames& names) {
  const auto write_one = [&](const char* suffix, const char* unit, const std::string& meaning, const auto& value,
                             bool even_without_figures = false) {
    const std::string name = text("gossamer_topo_", names.prefix, suffix);
    const std::string help = text(meaning, ' ', names.of);
    writer.begin_gauge(name, unit, help);
    for (const auto& [values, figures] : series) {
      if (figures.latency_ns.empty() && !even_without_figures) continue;
      Labels labels;
      for (std::size_t i = 0; i < values.size(); ++i) labels.emplace_back(names.labels[i], values[i]);
      writer.add(labels, value(figures));
    }
  };
  write_one("latency_seconds", "seconds", "Median one-way time of the smallest message, middle of the directions",
            [](const Figures& each) { return median(each.latency_ns) / 1e9; });
  write_one("latency_p99_seconds", "seconds",
            "99th percentile of the one-way time of the smallest message, middle of the directions",
            [](const Figures& each) { return median(each.latency_p99_ns) / 1e9; });
  write_one("bandwidth_bytes_per_second", "bytes_per_second",
            "Bytes of the largest message over its median one-way time, middle of the directions",
            [](const Figures& each) { return median(each.gb_per_s) * 1e9; });
  write_one(
      "unmeasured_directions", "", "Directions that were asked for and ended without a figure,",
      [](const Figures& each) { return static_cast<double>(each.missing); }, true);
}

}  // namespace

std::string metrics_text(const Measurement& measurement, std::size_t host_pairs_max) {
  const PairTiers tiers = tiers_by_declaration(measurement);
  Series by_host;
  Series by_tier;
  Series by_host_pair;
  const std::size_t hosts = measurement.hosts.size();
  const bool has_pairs = hosts * (hosts - (hosts > 0 ? 1 : 0)) <= host_pairs_max;
  for (const topology::PairMeasurement& pair : measurement.pairs) {
    const std::string load(pair_load_name(pair.load));
    by_tier[{tiers.names[tiers.tier_of(pair.from, pair.to)], load}].add(pair);
    const std::string& from = measurement.host_of(pair.from);
    const std::string& to = measurement.host_of(pair.to);
    if (from == to && hosts > 1) continue;
    by_host[{from, "out", load}].add(pair);
    by_host[{to, "in", load}].add(pair);
    if (has_pairs && from != to) by_host_pair[{from, to, load}].add(pair);
  }
  MetricsWriter writer;
  writer.begin_gauge("gossamer_topo_info", "", "What was measured, and when");
  writer.add({{"when", measurement.when},
              {"transport", measurement.transport},
              {"memory", measurement.memory},
              {"version", measurement.version}},
             1);
  writer.begin_gauge("gossamer_topo_ranks", "", "Ranks that were measured");
  writer.add({}, static_cast<double>(measurement.ranks.size()));
  writer.begin_gauge("gossamer_topo_hosts", "", "Hosts that were measured");
  writer.add({}, static_cast<double>(hosts));
  std::map<std::string, std::pair<double, double>> state;  // stolen CPU, dead ranks
  for (const topology::MeasuredHost& host : measurement.hosts)
    state[host.name].first = std::max(state[host.name].first, host.stolen_cpu);
  for (std::uint32_t rank = 0; rank < measurement.ranks.size(); ++rank)
    state[measurement.host_of(rank)].second += measurement.ranks[rank].died ? 1 : 0;
  writer.begin_gauge("gossamer_topo_stolen_cpu_ratio", "ratio",
                     "CPU time that the hypervisor took while it was measured");
  for (const auto& [host, values] : state) writer.add({{"host", host}}, values.first);
  writer.begin_gauge("gossamer_topo_dead_ranks", "", "Ranks that died while they were measured");
  for (const auto& [host, values] : state) writer.add({{"host", host}}, values.second);
  write_series(writer, by_host, {"host_", {"host", "direction", "load"}, "of a host with the others"});
  write_series(writer, by_tier, {"tier_", {"tier", "load"}, "of a tier"});
  if (!by_host_pair.empty()) write_series(writer, by_host_pair, {"link_", {"from", "to", "load"}, "between two hosts"});
  return std::move(writer).end();
}

}  // namespace gossamer::tools
