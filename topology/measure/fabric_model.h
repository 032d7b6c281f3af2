// Measurements of fabrics that do not exist, with defects that are known: for tests of what reads measurements, and for
// example pages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "topology/measure/causes.h"
#include "topology/measure/measurement.h"

namespace gossamer::topology {

struct PlantedDefect {
  CauseKind kind = CauseKind::slow_host;
  CauseDirection direction = CauseDirection::both;
  std::uint32_t first = 0;   // host, or switch
  std::uint32_t second = 0;  // the other host of a pair
  double factor = 2.0;       // a delay of (factor - 1) latencies, a link of 1 / factor of the bandwidth; of tails
  bool slows_latency = true;
  bool slows_bandwidth = true;
};

struct FabricModel {
  std::uint32_t hosts = 16;
  std::uint32_t ranks_per_host = 4;
  // 1: flat; 2: switches; 3: switches in groups.
  std::uint32_t network_tiers = 2;
  std::uint32_t hosts_per_switch = 4;
  std::uint32_t switches_per_group = 2;
  double far_factor = 1.5;  // of latency, from a tier to the next
  double taper = 1.0;       // of bandwidth: so much less across switches
  bool is_declared = true;  // hosts' switches, as "leaf3"
  std::vector<PlantedDefect> defects;
  // Log-normal, of a single pair's alpha and beta; a part of the pairs meets a burst.
  double noise = 0.04;
  double outliers = 0.03;
  double heavy_tail = 3.0;       // degrees of freedom of Student's t; 0: normal
  double natural_spread = 0.01;  // of hosts
  double sampled_fraction = 1.0;
  std::uint64_t seed = 1;
};

[[nodiscard]] Measurement make_measurement(const FabricModel& model);

// A fabric of 64 ranks drawn from `seed`, on 8 to 32 hosts with 1 to 3 tiers of network, with `defects` of different
// kinds in places that do not hide each other, each of a factor in [factor_min, 2 factor_min].
[[nodiscard]] FabricModel draw_fabric(std::uint64_t seed, std::uint32_t defects, double factor_min = 1.5);

}  // namespace gossamer::topology
