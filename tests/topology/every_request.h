// What the tests of this folder share: every request of a size, and a schedule that must exist.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "topology/topology.h"
#include "topology/two_level.h"

namespace gossamer::topology {

inline constexpr Collective every_collective[] = {Collective::all_reduce, Collective::all_gather, Collective::broadcast,
                                                  Collective::reduce_scatter, Collective::reduce};

// All supported (kind, collective) over `ranks`, each with the first, the middle and the last rank as root.
inline std::vector<ScheduleRequest> every_request(std::uint32_t ranks) {
  std::vector<ScheduleRequest> requests;
  for (const ScheduleKind kind : all_schedules()) {
    for (const Collective collective : every_collective) {
      if (!supports(kind, collective)) continue;
      for (const std::uint32_t root : std::set<std::uint32_t>{0, ranks / 2, ranks - 1}) {
        requests.push_back({kind, collective, ranks, Rank{root}});
      }
    }
  }
  return requests;
}

inline std::string in_words(const ScheduleRequest& request) {
  return text(schedule_kind_name(request.kind), " ", collective_name(request.collective), " over ", request.rank_count,
              " ranks, root ", request.root.value);
}

inline Schedule made(const ScheduleRequest& request) {
  Result<Schedule> schedule = make_schedule(request);
  EXPECT_TRUE(schedule.ok()) << in_words(request) << ": " << (schedule.ok() ? "" : schedule.error().message);
  return schedule.ok() ? *std::move(schedule) : Schedule{};
}

inline Schedule made(const Groups& groups, const TwoLevelRequest& request) {
  const Result<Draft> draft = make_two_level(groups, request);
  EXPECT_TRUE(draft.ok()) << in_words(request) << ": " << (draft.ok() ? "" : draft.error().message);
  return draft.ok() ? write_out(*draft, request.collective, request.root) : Schedule{};
}

inline std::string reason(const Status& status) { return status.ok() ? "" : status.error().message; }

}  // namespace gossamer::topology
