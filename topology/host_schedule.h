// Schedules of ranks that share a host: memory that the others read in place, instead of messages.
//
// Each rank has a buffer of its own, that nobody else sees, and an area, that all others read and it alone writes. The
// buffer is worked on in passes, one after the other through all operations of a plan: a pass takes the next piece of
// every slice. An area has room for `depth` passes: pass n is in its part n mod depth.
//
//   rank 0   buffer ──expose──► area ─────────.
//                                              fold, in the order of ranks ──► area of rank 1 ──read──► every buffer
//   rank 1   buffer ───────────────────────────'
//
// A pass has the same few phases on all ranks. Time is counted in ticks, by each rank for itself: phase k of the pass
// that began in tick t is done in tick t + k, and the next pass of an operation begins in tick t + 1, so that ranks
// do a phase each of several passes between two synchronisations. The first pass of an operation begins when the former
// operation has ended.
//
//   tick      0    1    2    3    4          passes of an operation in three phases, in a row, their phases in a column
//   pass 0    E    F    R
//   pass 1         E    F    R
//   pass 2              E    F    R
//
// At the end of each tick a rank publishes how many it has finished: one number that only grows. A rank waits for such
// a number and for nothing else, and sees all that was written before it was published. So two kinds of edges are
// between ranks, and both are an `await`: that what is to be read has been written, and that what is to be overwritten
// has been read (a release edge).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "topology/topology.h"

namespace gossamer::topology {

enum class HostStepKind : std::uint8_t {
  await = 1,         // until `peer` has finished the tick that is `back` before this one
  expose = 2,        // own area = own buffer
  fold = 3,          // own buffer = the contributions of all ranks, in their order: own buffer, areas of the others
  fold_exposed = 4,  // own buffer and own area = the same
  read = 5,          // own buffer = area of `peer`, which may be the rank itself
};

struct HostStep {
  HostStepKind kind = HostStepKind::await;
  Rank peer = {};          // await, read
  std::uint32_t back = 0;  // await: 1 or more
  SliceRange slices = {};  // all others
  friend bool operator==(const HostStep&, const HostStep&) = default;
};

// Done one after the other, as listed; in one tick, the phase of the youngest pass first.
struct HostPhase {
  std::vector<HostStep> steps;
  friend bool operator==(const HostPhase&, const HostPhase&) = default;
};

struct HostProgram {
  std::vector<HostPhase> phases;  // as many on all ranks
  friend bool operator==(const HostProgram&, const HostProgram&) = default;
};

// Who merges where all ranks' contributions do: each rank everything that it needs, with one synchronisation; or each
// rank its slice for all others, with two. Bits are the same: contributions are always merged in the order of ranks.
enum class HostForm : std::uint8_t { whole = 1, sliced = 2 };

struct HostRequest {
  Collective collective = Collective::all_reduce;
  HostForm form = HostForm::sliced;
  std::uint32_t rank_count = 1;
  Rank root = {};  // of a broadcast and a reduce
};

struct HostSchedule {
  HostRequest request;
  std::uint32_t slice_count = 1;
  std::uint32_t depth = 1;
  std::vector<HostProgram> programs;  // by rank
};

// Parts of an area: with the synchronisations that a pass has anyway, the third is free when it is needed again.
inline constexpr std::uint32_t host_depth = 3;

// How many slices the buffer is cut into: 1 or the number of ranks.
[[nodiscard]] std::uint32_t host_slice_count(const HostRequest& request);

// One rank's program. Fails with invalid_argument for what does not exist, as make_program does.
[[nodiscard]] Result<HostProgram> make_host_program(const HostRequest& request, Rank rank);
[[nodiscard]] Result<HostSchedule> make_host_schedule(const HostRequest& request);

// Why the schedule is wrong, or success. Only what the awaits say is taken for known, each by itself, and nothing of
// who is faster: whatever the speeds, in every pass of every sequence of operations
//   - nobody waits in a circle: an await names a tick before its own;
//   - what is read has been written, for this pass, and the reader knows it;
//   - no part of an area is overwritten that a reader may still need, of this pass or an earlier one;
//   - each contribution is merged exactly once where it belongs, in the same order on all ranks.
[[nodiscard]] Status check_host_schedule(const HostSchedule& schedule);

}  // namespace gossamer::topology
