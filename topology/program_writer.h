// Private to `topology`: how a kind writes down one rank's program.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "topology/topology.h"

namespace gossamer::topology {

// Collects rounds and their steps. Every kind begins the same rounds on all ranks, whether the rank
// has a part in them or not: that keeps round numbers alike everywhere (see topology.h).
class ProgramWriter {
 public:
  explicit ProgramWriter(std::uint32_t slice_count) : slice_count_(slice_count) {}

  void begin_round() { program_.rounds.emplace_back(); }

  // A step of the current round about `count` <= slice_count slices from `first` on, counted around
  // the circle of slices. A range that passes the end becomes two steps; no slices, no step. Both
  // sides of a message name the same slices, so they cut it at the same place.
  void add(StepKind kind, std::uint32_t peer, std::uint32_t first, std::uint32_t count);

  // The program without the empty rounds at its end.
  [[nodiscard]] Program finish() &&;

 private:
  std::uint32_t slice_count_;
  Program program_;
};

// How many chunks follow each other through a pipeline: enough that its filling and draining costs little beside them
// where trees are a few edges deep, few enough that a message is still worth its latency.
inline constexpr std::uint32_t chunk_count = 8;

// Positions on a circle of `size`: both arguments below `size` <= rank_count_max, so nothing overflows.
[[nodiscard]] constexpr std::uint32_t after(std::uint32_t position, std::uint32_t distance, std::uint32_t size) {
  return (position + distance) % size;
}
[[nodiscard]] constexpr std::uint32_t before(std::uint32_t position, std::uint32_t distance, std::uint32_t size) {
  return (position + size - distance) % size;
}

// Of each kind: one rank's program for a request that is valid, supported and of at least two ranks, and ranks whose
// programs together cost what all do, up to the line by which slices differ: one of each role.
#define GOSSAMER_SCHEDULE_DECLARE(name, ...)                                             \
  [[nodiscard]] Program make_##name(const ScheduleRequest& request, std::uint32_t rank); \
  [[nodiscard]] std::vector<std::uint32_t> cost_ranks_of_##name(const ScheduleRequest& request);
GOSSAMER_SCHEDULE_TABLE(GOSSAMER_SCHEDULE_DECLARE)
#undef GOSSAMER_SCHEDULE_DECLARE

// As above, for the kind that the request names.
[[nodiscard]] std::vector<std::uint32_t> cost_ranks_of(const ScheduleRequest& request);
// Whether choose_schedule may take it for this collective where some ranks are nearer to each other than others.
[[nodiscard]] bool is_chosen_over_groups(ScheduleKind kind, Collective collective);

// Whether the request can be made at all, and why not.
[[nodiscard]] Status check_request(const ScheduleRequest& request);

}  // namespace gossamer::topology
