// Private to `topology/measure`: what was measured between two hosts, as one number for each quantity and direction.
// Ranks of a host share what can be slow there, so that a lower median over their pairs loses nothing of it and is
// blind to the few pairs that met a burst.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "topology/measure/measurement.h"

namespace gossamer::topology {

// What is looked at, each by itself: they can be slow apart.
enum class Quantity : std::uint8_t {
  latency,    // alpha
  bandwidth,  // beta: time for a byte
  tail,       // p99 over p50
};
inline constexpr std::size_t quantity_count = 3;

struct HostCell {
  std::uint32_t from = 0;  // hosts; the same: between ranks of one host
  std::uint32_t to = 0;
  Quantity quantity = Quantity::latency;
  PairLoad load = PairLoad::idle;
  double log_time = 0.0;    // natural logarithm of the lower median over the pairs of ranks
  double noise = 0.0;       // standard deviation of that, from the pairs' spread and intervals
  double odd_chance = 0.0;  // that it is off by chance: most of its pairs are outliers at once
  std::uint32_t pairs = 0;  // pairs of ranks
  std::uint32_t slot = 0;   // of (quantity, load), below cell_slots
};
inline constexpr std::size_t cell_slots = quantity_count * pair_load_count;

// In the order of (slot, from, to), whatever the order of the pairs. Pairs that are missing or have no positive finite
// value are not there.
[[nodiscard]] std::vector<HostCell> make_cells(const Measurement& measurement);

}  // namespace gossamer::topology
