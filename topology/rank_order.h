// Schedules played by ranks in another order than that of their numbers: what a schedule has its rank i do is done by
// the i-th rank of the order. So neighbours of a ring, or the halves of a butterfly, are those that the order puts side
// by side: ranks of one host, hosts of one switch.
//
//   ranks on hosts  a b a b        order  0 2 1 3        a ring  0 -> 2 -> 1 -> 3 -> 0 goes from host to host twice
//                   0 1 2 3                              in turn 0 -> 1 -> 2 -> 3 -> 0 four times
//
// What a rank contributes and has in the end is its own whatever the order: in an all-gather and a reduce-scatter slice
// r stays that of rank r, so ranges of slices that are not neighbours in this order travel as several steps.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "topology/compose.h"
#include "topology/topology.h"

namespace gossamer::topology {

class RankOrder {
 public:
  // That of their numbers, for any number of ranks.
  RankOrder() = default;
  // `invalid_argument`: not each of 0, 1, ..., n - 1 once; more than rank_count_max.
  [[nodiscard]] static Result<RankOrder> make(std::vector<Rank> ranks);

  [[nodiscard]] bool is_natural() const { return ranks_.empty(); }  // that of the numbers
  [[nodiscard]] Rank at(std::uint32_t position) const { return is_natural() ? Rank{position} : ranks_[position]; }
  [[nodiscard]] std::uint32_t position_of(Rank rank) const {
    return is_natural() ? rank.value : positions_[rank.value];
  }

  // The order of a group's ranks among themselves, by place: `members` are its ranks, by place.
  [[nodiscard]] RankOrder among(std::span<const Rank> members) const;

  // Of a schedule's program for `position`: what rank at(position) does.
  [[nodiscard]] Program play(Program program, Collective collective) const;
  [[nodiscard]] Draft play(const Draft& draft, Collective collective) const;

  friend bool operator==(const RankOrder&, const RankOrder&) = default;

 private:
  std::vector<Rank> ranks_;  // by position; empty where it is that of the numbers
  std::vector<std::uint32_t> positions_;
};

}  // namespace gossamer::topology
