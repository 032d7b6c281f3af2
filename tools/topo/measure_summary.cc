#include "tools/topo/measure_summary.h"

#include <algorithm>
#include <set>
#include <vector>

#include "tools/command/report.h"
#include "tools/topo/measurement_file.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;
using topology::PairLoad;
using topology::PairMeasurement;

std::string ends_of(const PairMeasurement& pair) { return text(pair.from, " to ", pair.to); }

using Row = std::vector<std::string>;

// `value` of every pair: the median, and both ends with whose they are. `digits` behind the point.
template <typename Value>
Row spread(const std::string& name, std::vector<const PairMeasurement*> pairs, int digits, const Value& value) {
  std::sort(pairs.begin(), pairs.end(), [&](const auto* a, const auto* b) { return value(*a) < value(*b); });
  const auto words = [&](const PairMeasurement& pair) { return format_number(value(pair), digits); };
  return {name, words(*pairs[pairs.size() / 2]), text(words(*pairs.front()), ", ", ends_of(*pairs.front())),
          text(words(*pairs.back()), ", ", ends_of(*pairs.back()))};
}

// What was sampled, and what that leaves open.
std::string sampling_words(const Measurement& measurement) {
  const std::size_t ranks = measurement.ranks.size();
  std::vector<std::set<std::uint32_t>> partners(ranks);
  std::size_t measured = 0;
  for (const PairMeasurement& pair : measurement.pairs) {
    if (pair.sizes.empty()) continue;
    measured += partners[pair.from].insert(pair.to).second ? 1u : 0u;
  }
  std::size_t least = ranks;
  for (const auto& each : partners) least = std::min(least, each.size());
  const double all = static_cast<double>(ranks) * static_cast<double>(ranks - 1);
  const double share = static_cast<double>(measured) / std::max(1.0, all);
  // Rule of three: where none of n is bad, at most 3 / n are, in 95 of 100 cases.
  return text(
      "sampled: ", format_number(100 * share, 1), " % of all pairs, each rank with at least ", least, " of ", ranks - 1,
      " others. A slow rank or host shows in all of its pairs; a single slow\npair is not among them in ",
      format_number(100 * (1 - share), 0), " of 100 cases. Where no pair looks slow, at most ",
      format_number(300 / std::max(1.0, static_cast<double>(measured)), 2), " % of all are (95 of 100 cases).\n");
}

}  // namespace

std::string measurement_summary(const Measurement& measurement) {
  std::string out = text(measurement.ranks.size(), " ranks on ", measurement.hosts.size(),
                         measurement.hosts.size() == 1 ? " host, " : " hosts, ", measurement.transport, ", ",
                         measurement.memory, " memory\n");
  std::vector<Row> rows = {{"", "median", "least", "largest"}};
  std::size_t again = 0;
  for (const PairLoad load : {PairLoad::idle, PairLoad::loaded}) {
    std::vector<const PairMeasurement*> pairs;
    for (const PairMeasurement& pair : measurement.pairs) {
      if (pair.load != load || pair.sizes.empty()) continue;
      pairs.push_back(&pair);
      again += pair.passes > 1 ? 1u : 0u;
    }
    if (pairs.empty()) continue;
    const std::string behind = text(", ", pair_load_name(load), ", ", pairs.size(), " pairs");
    rows.push_back(spread("latency, us" + behind, pairs, 1,
                          [](const PairMeasurement& pair) { return pair.sizes.front().p50_ns.value / 1e3; }));
    std::erase_if(pairs, [](const auto* pair) { return !pair->fit || pair->fit->beta_ns_per_byte.value <= 0.0; });
    if (pairs.empty()) continue;
    rows.push_back(spread("bandwidth, MB/s" + behind, pairs, 1,
                          [](const PairMeasurement& pair) { return 1e3 / pair.fit->beta_ns_per_byte.value; }));
  }
  if (rows.size() > 1) out += format_columns(rows);
  if (again > 0) out += text(again, " pairs looked suspicious and were measured again\n");
  for (const topology::MeasuredHost& host : measurement.hosts) {
    if (host.stolen_cpu < 0.01) continue;
    out += text("noise: the hypervisor took ", format_number(100 * host.stolen_cpu, 1), " % of ", host.name,
                "'s processor time\n");
  }
  if (measurement.sampled_fraction < 1.0) out += sampling_words(measurement);
  return out;
}

std::string missing_words(const Measurement& measurement) {
  std::size_t missing = 0;
  std::set<std::string> reasons;
  for (const PairMeasurement& pair : measurement.pairs) {
    if (pair.missing.empty()) continue;
    ++missing;
    reasons.insert(pair.missing);
  }
  if (missing == 0) return {};
  std::string words;
  for (const std::string& each : reasons) words += (words.empty() ? "" : ", ") + each;
  return text(words, ": ", missing, " of ", measurement.pairs.size(), " pairs are missing");
}

}  // namespace gossamer::tools
