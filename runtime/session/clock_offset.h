// How far rank 0's clock is ahead of this one's, over the control plane.
//
//   rank 0   ──C──────────D──►      C before this rank has it:   offset >= C - d
//              ╲        ╱           c before rank 0 has it:      offset <= D - c
//   rank r   ───╲─c────╱──d─►
//
// Each round of an all-gather gives both bounds, whatever way its messages take; what is left of all rounds is the
// offset, and how uncertain it is, without any guess.
#pragma once

#include <cstdint>

#include "base/base.h"
#include "runtime/control/control.h"

namespace gossamer::runtime {

struct ClockOffset {
  std::int64_t offset_ns = 0;  // rank 0's clock is this one's and so much
  std::uint64_t uncertainty_ns = 0;
};

// The bounds of a round, in nanoseconds; they only become closer.
class OffsetBounds {
 public:
  void rank_0_said(std::uint64_t sent_by_0_ns, std::uint64_t came_ns);   // C, d
  void rank_0_heard(std::uint64_t sent_ns, std::uint64_t came_to_0_ns);  // c, D
  // The middle; its uncertainty is half of what is between.
  [[nodiscard]] ClockOffset offset() const;

 private:
  std::int64_t least_ns_ = INT64_MIN;
  std::int64_t most_ns_ = INT64_MAX;
};

// Collective; a few round trips, within limit_ns in all.
[[nodiscard]] Result<ClockOffset> measure_clock_offset(Control& control, const Clock& clock, Rank rank,
                                                       std::uint64_t limit_ns);

}  // namespace gossamer::runtime
