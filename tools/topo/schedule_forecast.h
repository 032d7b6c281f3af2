// What each schedule of the catalogue would take for an all-reduce with the costs that were measured.
#pragma once

#include <string>
#include <vector>

#include "tools/topo/links.h"
#include "topology/two_level.h"

namespace gossamer::tools {

struct ForecastLine {
  std::string name;
  std::vector<double> nanoseconds;  // by size
};

struct ScheduleForecast {
  bool has_near = false, has_far = false;  // whether ranks share hosts; whether there are several hosts
  topology::TwoLevelCost cost;             // medians of the fits; the one that there is stands for both
  std::vector<std::uint64_t> bytes;
  std::vector<ForecastLine> lines;
  std::vector<std::size_t> best;  // by size: the line that takes least
};

// Hosts are the groups. Nothing without two ranks, or where no pair has a fit. 256 ranks take some tenths of a second.
[[nodiscard]] std::optional<ScheduleForecast> forecast_schedules(const topology::Measurement& measurement);

// "binomial-tree up to 4.0 KiB, then ring".
[[nodiscard]] std::string choice_in_words(const ScheduleForecast& forecast);

}  // namespace gossamer::tools
