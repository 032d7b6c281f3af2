#include "tools/topo/causes_json.h"

#include <string>
#include <vector>

namespace gossamer::tools {
namespace {

using nlohmann::json;

json names_of(const std::vector<std::uint32_t>& hosts, const topology::Measurement& measurement) {
  json out = json::array();
  for (const std::uint32_t host : hosts) out.push_back(measurement.hosts[host].name);
  return out;
}

json estimate_json(const topology::Estimate& estimate) { return {estimate.value, estimate.low, estimate.high}; }

json optional_json(const std::optional<topology::Estimate>& estimate) {
  return estimate ? estimate_json(*estimate) : json(nullptr);
}

}  // namespace

json causes_json(const topology::Causes& causes, const topology::Measurement& measurement) {
  json rows = json::array();
  for (const topology::Cause& each : causes.causes) {
    const char* const directions[] = {"both", "out", "in"};
    rows.push_back({{"kind", topology::cause_kind_name(each.kind)},
                    {"what", each.what},
                    {"direction", directions[static_cast<std::size_t>(each.direction)]},
                    {"hosts", names_of(each.hosts, measurement)},
                    {"others", names_of(each.others, measurement)},
                    {"factor", estimate_json(each.factor)},
                    {"latency_factor", optional_json(each.latency_factor)},
                    {"time_per_byte_factor", optional_json(each.time_per_byte_factor)},
                    {"tail_factor", optional_json(each.tail_factor)},
                    {"idle", each.idle},
                    {"loaded", each.loaded},
                    {"stolen_cpu", each.stolen_cpu},
                    {"pairs", each.pairs},
                    {"pairs_explained", each.pairs_explained},
                    {"evidence", each.evidence},
                    {"confidence", each.confidence},
                    {"harm", each.harm}});
  }
  json tiers = json::array();
  for (const topology::Tier& each : causes.tiers.tiers) {
    json groups = json::array();
    for (const std::vector<std::uint32_t>& group : each.groups) groups.push_back(names_of(group, measurement));
    tiers.push_back({{"name", each.name},
                     {"groups", std::move(groups)},
                     {"latency_ns", estimate_json(each.latency_ns)},
                     {"ns_per_byte", estimate_json(each.ns_per_byte)},
                     {"pairs", each.pairs}});
  }
  json contradictions = json::array();
  for (const topology::Contradiction& each : causes.tiers.contradictions) {
    contradictions.push_back({{"host", measurement.hosts[each.host].name},
                              {"declared", each.declared},
                              {"measured", each.measured},
                              {"declared_factor", each.declared_factor},
                              {"pairs", each.pairs}});
  }
  return {{"schema", "gossamer.topo.causes/1"},
          {"rows", std::move(rows)},
          {"tiers", std::move(tiers)},
          {"contradictions", std::move(contradictions)},
          {"unplaced", names_of(causes.tiers.unplaced, measurement)},
          {"pairs", causes.pairs},
          {"missing", causes.missing},
          {"spread_before", causes.spread_before},
          {"spread_after", causes.spread_after}};
}

}  // namespace gossamer::tools
