// What a measurement says of one direction between two ranks, in the two figures that people compare, and how close the
// ranks stand: what report, diff and metrics read a measurement with.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "topology/measure/measurement.h"

namespace gossamer::tools {

// Of a direction that was measured.
struct LinkFigures {
  topology::Estimate latency_ns;  // the median of the smallest message
  double latency_p99_ns = 0;
  topology::Estimate gb_per_s;  // the median of the largest message
  double gb_per_s_p99 = 0;      // what all but one in a hundred reach
};

// Pairs by rank. Keeps the measurement, which must outlive it; a lookup costs nothing.
class Links {
 public:
  explicit Links(const topology::Measurement& measurement);

  [[nodiscard]] const topology::Measurement& measurement() const { return measurement_; }
  [[nodiscard]] std::uint32_t rank_count() const { return static_cast<std::uint32_t>(measurement_.ranks.size()); }
  [[nodiscard]] bool has(topology::PairLoad load) const { return !index_[static_cast<std::size_t>(load)].empty(); }
  // Nothing: it was not asked for. What was asked for and has no figures says why in `missing`.
  [[nodiscard]] const topology::PairMeasurement* find(topology::PairLoad load, std::uint32_t from,
                                                      std::uint32_t to) const;
  [[nodiscard]] std::optional<LinkFigures> figures(topology::PairLoad load, std::uint32_t from, std::uint32_t to) const;

 private:
  const topology::Measurement& measurement_;
  std::array<std::vector<std::uint32_t>, topology::pair_load_count> index_;  // by from * ranks + to
};

// Nothing where the pair is missing.
[[nodiscard]] std::optional<LinkFigures> figures_of(const topology::PairMeasurement& pair);

// Where ranks stand, from the nearest to the farthest, as far as the hosts say: on one host, under one declared switch,
// or apart. Names and meanings are for readers.
struct PairTiers {
  std::vector<std::string> names;  // "same host", "same switch", "between switches"
  // By place: the ranks of a host stand together, and the hosts of a switch.
  std::vector<std::uint32_t> order;
  [[nodiscard]] std::uint32_t tier_of(std::uint32_t a, std::uint32_t b) const;
  // For each tier, the group of each rank: ranks of one group are that near or nearer. The last has one group.
  std::vector<std::vector<std::uint32_t>> groups;
};
[[nodiscard]] PairTiers tiers_by_declaration(const topology::Measurement& measurement);

// The middle of the values, the mean of the two middle ones; 0 for none.
[[nodiscard]] double median(std::vector<double> values);

// "rank 12 on node7".
[[nodiscard]] std::string rank_in_words(const topology::Measurement& measurement, std::uint32_t rank);
// "12.3 us", with three significant digits; "118 MB/s".
[[nodiscard]] std::string time_in_words(double nanoseconds);
[[nodiscard]] std::string speed_in_words(double gb_per_s);

}  // namespace gossamer::tools
