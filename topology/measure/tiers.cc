#include "topology/measure/tiers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "topology/measure/quantile.h"
#include "topology/measure/tiers_of_cells.h"

namespace gossamer::topology {
namespace {

// Both directions' mean, so that what is slow in one direction alone moves a host half as far.
struct Table {
  Distances distances;
  double noise = 0.0;
};

std::optional<Table> table_of(const std::vector<HostCell>& cells, std::uint32_t slot, std::uint32_t hosts) {
  constexpr double natural = 0.025;  // what cables and places differ by
  Table table{Distances(hosts), 0.0};
  std::vector<double> noises;
  std::vector<double> differences;
  for (const HostCell& cell : cells) {
    if (cell.slot != slot || cell.from == cell.to) continue;
    noises.push_back(cell.noise);
    const double other = table.distances(cell.from, cell.to);
    if (!std::isnan(other)) differences.push_back(std::abs(cell.log_time - other));
    table.distances.set(cell.from, cell.to, std::isnan(other) ? cell.log_time : 0.5 * (cell.log_time + other));
  }
  if (noises.empty()) return std::nullopt;
  const double of_both = differences.empty() ? 0.0 : 1.4826 * median_of(differences) / 2;
  table.noise = std::hypot(natural, std::max(median_of(noises) / std::sqrt(2.0), of_both));
  return table;
}

std::vector<std::vector<std::uint32_t>> groups_of(const Partition& partition) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> groups;
  for (std::uint32_t host = 0; host < partition.size(); ++host) groups[partition[host]].push_back(host);
  std::vector<std::vector<std::uint32_t>> out;
  for (auto& [least, members] : groups) out.push_back(std::move(members));
  return out;
}

std::string name_of(std::size_t level, std::size_t levels) {
  if (level == 0) return "same switch";
  return levels == 2 ? "same group" : text("same group ", level);
}

Estimate span_of(std::vector<double>& logs) {
  if (logs.empty()) return {};
  std::sort(logs.begin(), logs.end());
  const auto at = [&](double q) {
    return std::exp(logs[static_cast<std::size_t>(q * static_cast<double>(logs.size() - 1))]);
  };
  return {at(0.5), at(0.025), at(0.975)};
}

void add_times(Tiers& tiers, const std::vector<HostCell>& cells) {
  std::vector<std::vector<double>> latencies(tiers.tiers.size());
  std::vector<std::vector<double>> betas(tiers.tiers.size());
  for (const HostCell& cell : cells) {
    if (cell.load != PairLoad::idle || cell.quantity == Quantity::tail) continue;
    const std::uint32_t tier = tiers.between(cell.from, cell.to);
    const bool is_latency = cell.quantity == Quantity::latency;
    (is_latency ? latencies : betas)[tier].push_back(cell.log_time);
    if (is_latency) tiers.tiers[tier].pairs += cell.pairs;
  }
  for (std::size_t tier = 0; tier < tiers.tiers.size(); ++tier) {
    tiers.tiers[tier].latency_ns = span_of(latencies[tier]);
    tiers.tiers[tier].ns_per_byte = span_of(betas[tier]);
  }
}

// Hosts by what they are declared as, against the nearest tier that was measured.
class Declared {
 public:
  Declared(const Measurement& measurement, const std::vector<HostCell>& cells)
      : measurement_(measurement), cells_(cells) {}

  void compare(Tiers& tiers) const {
    const std::vector<std::string> switch_of_group = majorities(tiers.tiers[1].groups);
    for (std::size_t group = 0; group < tiers.tiers[1].groups.size(); ++group) {
      for (const std::uint32_t host : tiers.tiers[1].groups[group]) {
        const std::string& declared = measurement_.hosts[host].declared_switch;
        const std::string& measured = switch_of_group[group];
        if (declared.empty() || measured.empty() || declared == measured) continue;
        // A switch that was measured as two, or two as one, is not this host's fault.
        if (std::count(switch_of_group.begin(), switch_of_group.end(), declared) != 1) continue;
        if (std::count(switch_of_group.begin(), switch_of_group.end(), measured) != 1) continue;
        if (auto found = evidence(host, declared, measured, tiers)) tiers.contradictions.push_back(*found);
      }
    }
    std::sort(tiers.contradictions.begin(), tiers.contradictions.end(),
              [](const Contradiction& a, const Contradiction& b) { return a.host < b.host; });
  }

 private:
  // The switch as which more than half of a group's hosts are declared; empty where there is none.
  [[nodiscard]] std::vector<std::string> majorities(const std::vector<std::vector<std::uint32_t>>& groups) const {
    std::vector<std::string> out;
    for (const std::vector<std::uint32_t>& group : groups) {
      std::map<std::string, std::size_t> votes;
      for (const std::uint32_t host : group) ++votes[measurement_.hosts[host].declared_switch];
      std::string most;
      for (const auto& [name, count] : votes) {
        if (2 * count > group.size() && group.size() > 1) most = name;
      }
      out.push_back(most);
    }
    return out;
  }

  [[nodiscard]] std::optional<Contradiction> evidence(std::uint32_t host, const std::string& declared,
                                                      const std::string& measured, const Tiers& tiers) const {
    Contradiction out{host, declared, measured, 0.0, 0};
    for (std::uint32_t slot = 0; slot < 2 * pair_load_count; ++slot) {  // latency and bandwidth
      std::vector<double> to_declared;
      std::vector<double> to_measured;
      std::uint32_t pairs = 0;
      for (const HostCell& cell : cells_) {
        if (cell.slot != slot || cell.from == cell.to || (cell.from != host && cell.to != host)) continue;
        const std::uint32_t other = cell.from == host ? cell.to : cell.from;
        const bool is_near = tiers.between(host, other) == 1;
        const std::string& others = measurement_.hosts[other].declared_switch;
        if (is_near && others == measured) {
          to_measured.push_back(cell.log_time);
        } else if (!is_near && others == declared) {
          to_declared.push_back(cell.log_time);
        } else {
          continue;
        }
        pairs += cell.pairs;
      }
      if (to_declared.empty() || to_measured.empty()) continue;
      const double factor = std::exp(median_of(to_declared) - median_of(to_measured));
      if (factor > out.declared_factor) out.declared_factor = factor;
      out.pairs = std::max(out.pairs, pairs);
    }
    constexpr double factor_min = 1.05;
    return out.declared_factor > factor_min ? std::optional(out) : std::nullopt;
  }

  const Measurement& measurement_;
  const std::vector<HostCell>& cells_;
};

}  // namespace

std::vector<Levels> levels_of(const std::vector<HostCell>& cells, std::uint32_t hosts, const Partition& known) {
  std::vector<Levels> all;
  for (std::uint32_t slot = 0; slot < 2 * pair_load_count; ++slot) {  // latency and bandwidth
    const std::optional<Table> table = table_of(cells, slot, hosts);
    if (!table) continue;
    const bool is_latency = slot / pair_load_count == static_cast<std::size_t>(Quantity::latency);
    all.push_back(find_levels(table->distances, table->noise, is_latency ? Excess::adds_up : Excess::governs, known));
  }
  std::stable_sort(all.begin(), all.end(), [](const Levels& a, const Levels& b) { return a.gain > b.gain; });
  return all;
}

Tiers tiers_from(const Levels& levels, const Measurement& measurement, const std::vector<HostCell>& cells) {
  const auto hosts = static_cast<std::uint32_t>(measurement.hosts.size());
  Tiers out;
  Tier alone{"same host", {}, {}, {}, 0};
  for (std::uint32_t host = 0; host < hosts; ++host) alone.groups.push_back({host});
  out.tiers.push_back(std::move(alone));
  for (std::size_t level = 0; level < levels.partitions.size(); ++level) {
    const std::string name = name_of(level, levels.partitions.size());
    out.tiers.push_back({name, groups_of(levels.partitions[level]), {}, {}, 0});
  }
  Tier all{"across", {std::vector<std::uint32_t>(hosts)}, {}, {}, 0};
  std::iota(all.groups[0].begin(), all.groups[0].end(), 0u);
  out.tiers.push_back(std::move(all));
  add_times(out, cells);
  if (out.network_tiers() > 1) {
    for (const std::vector<std::uint32_t>& group : out.tiers[1].groups) {
      if (group.size() == 1) out.unplaced.push_back(group[0]);
    }
    Declared(measurement, cells).compare(out);
  }
  return out;
}

Tiers find_tiers(const Measurement& measurement) {
  const std::vector<HostCell> cells = make_cells(measurement);
  const std::vector<Levels> levels = levels_of(cells, static_cast<std::uint32_t>(measurement.hosts.size()));
  return tiers_from(levels.empty() ? Levels{} : levels.front(), measurement, cells);
}

std::uint32_t Tiers::between(std::uint32_t host, std::uint32_t other) const {
  if (host == other) return 0;
  for (std::uint32_t tier = 1; tier + 1 < tiers.size(); ++tier) {
    for (const std::vector<std::uint32_t>& group : tiers[tier].groups) {
      if (!std::binary_search(group.begin(), group.end(), host)) continue;
      if (std::binary_search(group.begin(), group.end(), other)) return tier;
      break;
    }
  }
  return static_cast<std::uint32_t>(tiers.size() - 1);
}

}  // namespace gossamer::topology
