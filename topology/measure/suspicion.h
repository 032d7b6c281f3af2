// Which pairs look as if something had disturbed their measurement: they are measured again before anybody believes
// them.
#pragma once

#include <vector>

#include "topology/measure/measurement.h"

namespace gossamer::topology {

struct Suspicion {
  PairLoad load = PairLoad::idle;
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  double ratio = 1.0;  // measured over expected, or its inverse where that is larger
};

struct SuspicionLimits {
  double ratio = 1.15;        // below it nothing is suspicious
  double spread_times = 5.0;  // nor below so many times the usual distance of a pair from what is expected of it
  std::size_t most = 16;
};

// What is expected of a pair is what its sender and its receiver do with their others: the logarithm of its time is a
// sum of one number for each, found by medians (Tukey's median polish), for the least and the largest size that all
// pairs of a load have. Worst first.
[[nodiscard]] std::vector<Suspicion> suspicious_pairs(const Measurement& measurement, const SuspicionLimits& limits);

}  // namespace gossamer::topology
