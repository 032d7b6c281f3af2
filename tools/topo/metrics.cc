#include "tools/topo/metrics.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/base.h"
#include "tools/topo/links.h"
#include "tools/topo/measurement_file.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;
using topology::PairLoad;

using Labels = std::vector<std::pair<const char*, std::string>>;

// Both formats want UTF-8, and three letters escaped.
std::string escaped(const std::string& raw) {
  const std::string valid = nlohmann::json(raw).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string out;
  for (const char c : nlohmann::json::parse(valid).get<std::string>()) {
    if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

class Writer {
 public:
  // All samples of a metric follow it.
  void begin(const char* name, const char* unit, const char* meaning) {
    name_ = name;
    append(out_, "# HELP ", name, ' ', meaning, "\n# TYPE ", name, " gauge\n");
    if (*unit != '\0') append(out_, "# UNIT ", name, ' ', unit, '\n');
  }
  void add(const Labels& labels, double value) {
    append(out_, name_, labels.empty() ? "" : "{");
    for (std::size_t i = 0; i < labels.size(); ++i)
      append(out_, i == 0 ? "" : ",", labels[i].first, "=\"", escaped(labels[i].second), '"');
    append(out_, labels.empty() ? " " : "} ", general(value, 9), '\n');
  }
  [[nodiscard]] std::string end() && { return out_ + "# EOF\n"; }

 private:
  const char* name_ = "";
  std::string out_;
};

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

void write(Writer& writer, const Series& series, const SeriesNames& names) {
  const auto write_one = [&](const char* suffix, const char* unit, const std::string& meaning, const auto& value,
                             bool even_without_figures = false) {
    const std::string name = text("gossamer_topo_", names.prefix, suffix);
    const std::string help = text(meaning, ' ', names.of);
    writer.begin(name.c_str(), unit, help.c_str());
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
  Writer writer;
  writer.begin("gossamer_topo_info", "", "What was measured, and when");
  writer.add({{"when", measurement.when},
              {"transport", measurement.transport},
              {"memory", measurement.memory},
              {"version", measurement.version}},
             1);
  writer.begin("gossamer_topo_ranks", "", "Ranks that were measured");
  writer.add({}, static_cast<double>(measurement.ranks.size()));
  writer.begin("gossamer_topo_hosts", "", "Hosts that were measured");
  writer.add({}, static_cast<double>(hosts));
  std::map<std::string, std::pair<double, double>> state;  // stolen CPU, dead ranks
  for (const topology::MeasuredHost& host : measurement.hosts)
    state[host.name].first = std::max(state[host.name].first, host.stolen_cpu);
  for (std::uint32_t rank = 0; rank < measurement.ranks.size(); ++rank)
    state[measurement.host_of(rank)].second += measurement.ranks[rank].died ? 1 : 0;
  writer.begin("gossamer_topo_stolen_cpu_ratio", "ratio", "CPU time that the hypervisor took while it was measured");
  for (const auto& [host, values] : state) writer.add({{"host", host}}, values.first);
  writer.begin("gossamer_topo_dead_ranks", "", "Ranks that died while they were measured");
  for (const auto& [host, values] : state) writer.add({{"host", host}}, values.second);
  write(writer, by_host, {"host_", {"host", "direction", "load"}, "of a host with the others"});
  write(writer, by_tier, {"tier_", {"tier", "load"}, "of a tier"});
  if (!by_host_pair.empty()) write(writer, by_host_pair, {"link_", {"from", "to", "load"}, "between two hosts"});
  return std::move(writer).end();
}

}  // namespace gossamer::tools
