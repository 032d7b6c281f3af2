// How a stage gets its schedule. A function of what ranks agree on, so that all come to the same one:
//
//   1. the kind that the caller asks for, where it knows the collective
//   2. the user's rule for the collective and the size: a kind, two levels, or a schedule from a file, proved here
//   3. the rule of GOSSAMER_TOPOLOGY for them
//   4. the cheapest by the cost model; where some ranks share a host and others do not, among those of two levels, too
//
// Ranks of several hosts play it in the order of GOSSAMER_TOPOLOGY; what that makes of it is proved here. A file's
// programs say themselves which rank does what.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/base.h"
#include "runtime/engine/schedule_policy.h"
#include "runtime/engine/work.h"
#include "topology/topology.h"

namespace gossamer::runtime {

struct ScheduleWish {
  topology::Collective collective = topology::Collective::all_reduce;
  Rank rank;
  std::uint32_t rank_count = 1;
  Rank root = {};                                   // of a broadcast and a reduce
  std::optional<topology::ScheduleKind> kind = {};  // none: by rule or by cost
  const SchedulePolicy* policy = nullptr;           // the session's; null: a default one
  // Of a group: rank, root and rank_count are the group's, and these are its ranks in the session, in the group's
  // order. The stage's peers are the session's ranks, its slices the group's. Empty: all ranks of the session.
  std::span<const Rank> members = {};
};

// Sets schedule and prediction of a stage that has its label, for a payload of this size (of an all-gather: of all
// parts together). Rank 0 logs it with the reason; `plan` names whose stage it is. `invalid_argument` with the proof's
// words, alike on all ranks, where a rule's file is not a schedule for this.
[[nodiscard]] Status schedule_stage(const ScheduleWish& wish, std::uint64_t payload_bytes, std::string_view plan,
                                    Stage& stage);

}  // namespace gossamer::runtime
