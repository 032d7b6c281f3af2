// A measurement in a few lines, for who has just made it.
#pragma once

#include <string>

#include "topology/measure/measurement.h"

namespace gossamer::tools {

// Ranks, hosts, how many pairs; for each load the median, least and largest latency and bandwidth with the pairs that
// have them; of a sampled measurement what it can have missed.
[[nodiscard]] std::string measurement_summary(const topology::Measurement& measurement);

// "rank 3 on node7 died: 14 of 112 pairs are missing"; empty where nothing is.
[[nodiscard]] std::string missing_words(const topology::Measurement& measurement);

}  // namespace gossamer::tools
