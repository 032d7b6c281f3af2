// How a stage gets its schedule: the kind that is asked for where it can do the collective, else the cheapest by the
// cost model. A function of what ranks agree on, so that all come to the same one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/base.h"
#include "runtime/engine/work.h"
#include "topology/topology.h"

namespace gossamer::runtime {

struct ScheduleWish {
  topology::Collective collective = topology::Collective::all_reduce;
  Rank rank;
  std::uint32_t rank_count = 1;
  Rank root = {};                                   // of a broadcast
  std::optional<topology::ScheduleKind> kind = {};  // none: chosen by cost
  topology::CostModel cost;
};

// Sets schedule and prediction of a stage that has its label, for a payload of this size. Rank 0 logs it with the
// reason; `plan` names whose stage it is.
[[nodiscard]] Status schedule_stage(const ScheduleWish& wish, std::uint64_t payload_bytes, std::string_view plan,
                                    Stage& stage);

}  // namespace gossamer::runtime
