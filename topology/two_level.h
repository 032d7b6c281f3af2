// Schedules over two levels: links within a group of ranks (a host) are near, links between groups are far.
//
//   leaders, groups of any sizes              rails, groups of one size
//
//     0 1 2   3 4   5 6 7 8                     0 1 2   3 4 5   6 7 8
//     |/_/    |/    |/_/_/     reduce           |-|-|   |-|-|   |-|-|     reduce-scatter
//     0-------3-----5          all-reduce       0-------3-------6         all-reduce of the first third,
//     |\ \    |\    |\ \ \     broadcast          1-------4-------7       of the second and
//     0 1 2   3 4   5 6 7 8                         2-------5-------8     of the last, at the same time
//                                               |-|-|   |-|-|   |-|-|     all-gather
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "topology/compose.h"
#include "topology/topology.h"

namespace gossamer::topology {

enum class TwoLevelForm : std::uint8_t { leaders = 1, rails = 2 };

struct TwoLevelRequest {
  TwoLevelForm form = TwoLevelForm::leaders;
  Collective collective = Collective::all_reduce;  // leaders also broadcast and reduce
  ScheduleKind inner = ScheduleKind::binomial_tree;
  ScheduleKind outer = ScheduleKind::circulant;
  Rank root = {};  // of a broadcast and a reduce: it leads its group
  friend bool operator==(const TwoLevelRequest&, const TwoLevelRequest&) = default;
};

// "leaders of binomial-tree and circulant": the inner kind first.
[[nodiscard]] std::string in_words(const TwoLevelRequest& request);

// A group is led by the root, or by its first rank. `invalid_argument`, and why: a kind does not know what its level
// has to do (leaders: the inner kind reduces and broadcasts; rails: it reduce-scatters and all-gathers; the outer kind
// knows the collective), rails over groups of different sizes, or a root that is no rank.
[[nodiscard]] Result<Draft> make_two_level(const Groups& groups, const TwoLevelRequest& request);

// ---------------------------------------------------------------------------------------------
// What it costs.

// A far message is between ranks of different groups.
struct TwoLevelCost {
  CostModel near;
  CostModel far;
  std::uint32_t far_links = 1;  // of a group to all others, which its ranks share: a host's network adapters
};

// As predict_cost of a request, for any schedule, proved or not; what it costs where near and far links work in turn,
// and a group's far bytes share its far links. Linear in the steps. `invalid_argument`: the model has senseless
// numbers, or the groups have another number of ranks.
[[nodiscard]] Result<Cost> predict_schedule_cost(const Schedule& schedule, std::uint64_t payload_bytes,
                                                 const CostModel& model);
[[nodiscard]] Result<Cost> predict_schedule_cost(const Schedule& schedule, std::uint64_t payload_bytes,
                                                 const Groups& groups, const TwoLevelCost& model);

struct GroupChoice {
  std::optional<TwoLevelRequest> two_level;         // none: a schedule that knows nothing of groups is cheapest,
  ScheduleKind kind = ScheduleKind::binomial_tree;  // and this is its kind
  double nanoseconds = 0;                           // what it is predicted to take
  std::string reason;                               // as of Choice
};

// The cheapest schedule for this payload over these groups. A pure function of its arguments. Beyond 64 ranks a few
// groups stand for all, and some ranks for a large group: 4,096 ranks take at most some 0.2 s, however they are parted,
// 64 some milliseconds.
[[nodiscard]] Result<GroupChoice> choose_schedule(Collective collective, const Groups& groups,
                                                  std::uint64_t payload_bytes, const TwoLevelCost& model,
                                                  Rank root = {});

}  // namespace gossamer::topology
