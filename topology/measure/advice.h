// From a measurement to what a session should do: in which order ranks play schedules, which schedule for which size,
// what links cost. A pure function, so that what it advises can be asked for again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "topology/measure/measurement.h"
#include "topology/topology_file.h"

namespace gossamer::topology {

struct AdviceOptions {
  // Hosts that are near each other (those of a switch), by index, each host once; empty: those with one declared
  // switch, and all others together. Where none is declared, as find_tiers has them.
  std::vector<std::vector<std::uint32_t>> neighbourhoods;
  std::vector<Collective> collectives = {Collective::all_reduce, Collective::all_gather, Collective::broadcast,
                                         Collective::reduce_scatter, Collective::reduce};
  std::uint64_t bytes_min = 256;
  std::uint64_t bytes_max = std::uint64_t{64} << 20;  // sizes go up by factors of four
};

// Beyond so many ranks schedules are not played on the measured links, but reckoned by near and far cost.
inline constexpr std::uint32_t ranks_played_max = 256;

struct SizeAdvice {
  Collective collective = Collective::all_reduce;
  std::uint64_t bytes = 0;
  ScheduleUse use;
  double expected_ns = 0.0;
  double unordered_ns = 0.0;  // the same use, by ranks in the order of their numbers
  std::string otherwise;      // what a session does that knows nothing of this,
  double otherwise_ns = 0.0;  // and how long that takes on these links
};

struct Advice {
  TopologyFile file;
  std::vector<SizeAdvice> sizes;   // by collective, ascending in bytes; none where all ranks share one host
  std::vector<std::string> notes;  // what was left out, or guessed
};

// Schedules are played by the simulator on the links that were measured, with a host's adapter shared by its ranks, so
// a slow host, pair or direction counts. Only what the model of near and far links holds for one of the best is played.
//
// The order of ranks has hosts of a neighbourhood together and the ranks of a host together; hosts that are slow with
// all others stand last, where trees have leaves. It is that of the numbers where no size gains by another.
//
// `invalid_argument`: no pair was measured, a rank's host has no name or one with blanks, options that make no sense.
// Some seconds for 64 ranks, half a minute for 256.
[[nodiscard]] Result<Advice> advise(const Measurement& measurement, const AdviceOptions& options);

}  // namespace gossamer::topology
