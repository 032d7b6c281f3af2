// Today's measurement of a cluster beside an earlier one: what became worse.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "topology/measure/measurement.h"

namespace gossamer::tools {

// Worse is what takes more than so many times as long, or moves less than the baseline over this; better, the other way
// round. Both only where the intervals of the two do not meet.
struct DiffThresholds {
  double latency = 1.3;
  double bandwidth = 1.2;
};

enum class Change : std::uint8_t {
  none,
  worse,
  better,
  lost,   // there was a figure, and now there is none
  found,  // the other way round
};
[[nodiscard]] const char* change_name(Change change);

struct QuantityChange {
  topology::Estimate baseline, now;  // ns or GB/s
  double ratio = 1.0;                // of times: above 1 is slower, of latency and of bandwidth
  Change change = Change::none;
};

enum class DiffLevel : std::uint8_t { tier, host, pair };

struct DiffRow {
  DiffLevel level = DiffLevel::pair;
  std::string name;  // "node7", "node1 rank 0 -> node7 rank 1": the k-th rank on its host
  topology::PairLoad load = topology::PairLoad::idle;
  std::size_t pairs = 1;
  QuantityChange latency, bandwidth;
  std::string missing;  // of a pair that lost its figures: why

  [[nodiscard]] bool is(Change change) const { return latency.change == change || bandwidth.change == change; }
};

struct Diff {
  std::vector<DiffRow> rows;  // all tiers, then hosts, then the pairs that changed, the worst first
  std::size_t pairs_compared = 0;
  std::size_t pairs_worse = 0, pairs_better = 0, pairs_lost = 0, pairs_found = 0;
  [[nodiscard]] bool is_worse() const;
};

// Ranks are the same that are the same in number on the host of the same name, in whatever order the hosts are. Tiers
// and hosts: the middle of their pairs' ratios with its interval by order statistics, so that one bad pair is not a bad
// host. `mismatch`, naming all that differs: other hosts, another number of ranks on one, another transport or memory,
// no size or no pair in common. `invalid_argument`: a threshold below 1.
[[nodiscard]] Result<Diff> diff_measurements(const topology::Measurement& baseline, const topology::Measurement& now,
                                             const DiffThresholds& thresholds);

// gossamer.topo.diff/1: a row for each tier, host and changed pair.
[[nodiscard]] nlohmann::json diff_json(const Diff& diff, const topology::Measurement& baseline,
                                       const topology::Measurement& now, const DiffThresholds& thresholds);
[[nodiscard]] std::string diff_table(const Diff& diff, const topology::Measurement& baseline);

}  // namespace gossamer::tools
