// Schedules made of schedules: over some ranks of a larger world, side by side in groups, one after the other.
//
// Pure functions of values, as schedules are. A composition is a draft: any rank's program can be asked for without the
// others'. Whether a composition is a collective is for `check_schedule` to say, of the draft written out.
//
//    mapped(d, {5, 2}, 8)        d's ranks 0 and 1 are ranks 5 and 2 of 8; the other six do nothing
//    within(groups, {d0, d1})    d0 over the ranks of group 0, and d1 over those of group 1 at the same time
//    inside(d, 1, 3)             d on the second third of the buffer
//    in_turn({d0, d1})           d0, then d1
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "topology/topology.h"

namespace gossamer::topology {

// Ranks 0, 1, ..., n - 1 parted into groups: those that share a host, say. Within a group ranks have places, in the
// order in which they were named.
class Groups {
 public:
  // `invalid_argument`, with the rank: a group is empty, a rank is in none or in two, or beyond their number; there are
  // no groups, or more than rank_count_max ranks.
  [[nodiscard]] static Result<Groups> make(std::vector<std::vector<Rank>> members);
  // Ranks with equal names are together; groups and places are in the order of ranks. At least one name.
  [[nodiscard]] static Groups by_name(std::span<const std::string> names);

  [[nodiscard]] std::uint32_t rank_count() const { return static_cast<std::uint32_t>(spots_.size()); }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(members_.size()); }
  [[nodiscard]] const std::vector<Rank>& members(std::uint32_t group) const { return members_[group]; }
  [[nodiscard]] std::uint32_t group_of(Rank rank) const { return spots_[rank.value].group; }
  [[nodiscard]] std::uint32_t place_of(Rank rank) const { return spots_[rank.value].place; }
  [[nodiscard]] std::uint32_t largest() const;  // the size of the largest group
  [[nodiscard]] bool are_equally_large() const;
  // The ranks with place i in each group, as group i: for groups that are equally large.
  [[nodiscard]] Groups transposed() const;

 private:
  struct Spot {
    std::uint32_t group = 0;
    std::uint32_t place = 0;
  };
  std::vector<std::vector<Rank>> members_;
  std::vector<Spot> spots_;  // by rank
};

// A schedule of which each rank's program is made when it is asked for. Cheap to copy.
struct Draft {
  std::uint32_t rank_count = 1;
  std::uint32_t slice_count = 1;
  std::uint32_t round_count = 0;  // of the longest program
  std::function<Program(std::uint32_t rank)> program = [](std::uint32_t) { return Program{}; };
};

// The schedule of one kind. Fails as make_program does.
[[nodiscard]] Result<Draft> make_draft(const ScheduleRequest& request);

// The draft's rank i is ranks[i] of `rank_count`; all different.
[[nodiscard]] Draft mapped(const Draft& draft, std::span<const Rank> ranks, std::uint32_t rank_count);

// drafts[k] over the ranks of group k, its rank i in place i. Slices are cut so that each draft's are whole numbers of
// them: `invalid_argument` where that takes more than rank_count_max.
[[nodiscard]] Result<Draft> within(const Groups& groups, std::span<const Draft> drafts);

// The draft's whole buffer is slice `slice` of `slice_count`.
[[nodiscard]] Draft inside(const Draft& draft, std::uint32_t slice, std::uint32_t slice_count);

// One after the other, over the same ranks. Slices as in `within`.
[[nodiscard]] Result<Draft> in_turn(std::span<const Draft> drafts);

// All programs. A composition has no kind: the request's says nothing.
[[nodiscard]] Schedule write_out(const Draft& draft, Collective collective, Rank root = {});

}  // namespace gossamer::topology
