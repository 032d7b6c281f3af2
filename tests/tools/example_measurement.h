// Measurements of clusters that never were: times by a model of tiers, faults that are planted, noise from a seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "topology/measure/measurement.h"

namespace gossamer::tools {

struct ExampleCluster {
  std::uint32_t hosts = 4;
  std::uint32_t ranks_per_host = 2;
  std::uint32_t hosts_per_switch = 0;  // 0: one switch, not declared
  std::uint64_t seed = 1;
  std::string host_prefix = "node";
  bool is_loaded_too = true;
  int slow_host = -1;          // its links have a fifth of the bandwidth
  int slow_direction_to = -1;  // from host 0 to this one: half of it
  int dead_rank = -1;
  double sampled_fraction = 1.0;
  double noise = 0.03;  // standard deviation of the logarithm of a time
};

[[nodiscard]] topology::Measurement example_measurement(const ExampleCluster& cluster);

}  // namespace gossamer::tools
