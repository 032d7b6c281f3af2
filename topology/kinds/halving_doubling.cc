// Halving and doubling: a group of ranks parts into two, each half takes one half of the slices and sends the other
// away, until everyone is alone with one slice; the way back is the all-gather. After R. Rabenseifner, "Optimization of
// collective reduction operations" (ICCS 2004), here for any P without a fold: where a group is odd, one rank of the
// larger half has no partner in the smaller one, and sends to the partner of the first.
//
//   P = 5, an all-reduce: neighbours first, so that most bytes go the shortest way
//
//   round 0   0---1   2---3   4->1    0 2 4 keep slices 0 1 2, 1 3 keep 3 4
//   round 1   0---2   1---3   4->2    0 4 keep 0 1, 2 keeps 2, 1 keeps 3, 3 keeps 4
//   round 2   0---4                   0 keeps 0, 4 keeps 1
//
// A reduce-scatter and an all-gather must end and begin with slice r on rank r, so they part a group into its first
// and second half instead. ceil(log2 P) rounds each way, P - 1 slices sent by each rank on the way there; a rank that
// two send to gets some more. Each slice is merged on its way to one rank, so all ranks have the same bits.
//
// Where all links are alike it costs what the circulant does for a power of two, else more, and is never chosen. Where
// ranks with neighbouring numbers are near each other it may be.
#include <bit>

#include "topology/program_writer.h"

namespace gossamer::topology {
namespace {

// The ranks first, first + stride, ..., of which a slice each from `slice` on is still together.
struct Group {
  std::uint32_t first = 0;
  std::uint32_t stride = 1;
  std::uint32_t size = 0;
  std::uint32_t slice = 0;

  [[nodiscard]] std::uint32_t rank(std::uint32_t place) const { return first + place * stride; }
};

struct Halves {
  Group larger;
  Group smaller;
};

Halves part(const Group& group, bool neighbours_first) {
  const std::uint32_t larger = group.size - group.size / 2;
  const std::uint32_t smaller = group.size / 2;
  const std::uint32_t stride = neighbours_first ? 2 * group.stride : group.stride;
  return {{group.first, stride, larger, group.slice},
          {group.rank(neighbours_first ? 1 : larger), stride, smaller, group.slice + larger}};
}

// One round as one rank sees it.
struct Exchange {
  std::uint32_t partner = 0;
  Group own;              // the half that the rank is in
  Group other;            // and the one that its partner is in
  bool is_odd = false;    // the rank has no partner of its own: it sends, and gets nothing
  std::uint32_t odd = 0;  // the rank that sends here beside the partner
  bool has_odd = false;
};

// Parts the rank's group and moves on to its half of it, `place` and all.
Exchange descend(Group& group, std::uint32_t& place, bool neighbours_first) {
  const Halves halves = part(group, neighbours_first);
  const bool in_smaller = neighbours_first ? place % 2 == 1 : place >= halves.larger.size;
  const std::uint32_t index = neighbours_first ? place / 2 : in_smaller ? place - halves.larger.size : place;
  const bool group_is_odd = halves.larger.size > halves.smaller.size;
  Exchange exchange;
  exchange.own = in_smaller ? halves.smaller : halves.larger;
  exchange.other = in_smaller ? halves.larger : halves.smaller;
  exchange.is_odd = !in_smaller && index == halves.smaller.size;
  exchange.partner = exchange.other.rank(exchange.is_odd ? 0 : index);
  exchange.has_odd = in_smaller && group_is_odd && index == 0;
  exchange.odd = halves.larger.rank(halves.smaller.size);
  group = exchange.own;
  place = index;
  return exchange;
}

}  // namespace

Program make_halving_doubling(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  const bool neighbours_first = request.collective == Collective::all_reduce;
  ProgramWriter writer(ranks);
  std::vector<Exchange> exchanges;  // one a round; fewer where the rank is alone before others are
  Group group{0, 1, ranks, 0};
  for (std::uint32_t place = rank; group.size > 1;) exchanges.push_back(descend(group, place, neighbours_first));

  const std::size_t rounds = static_cast<std::size_t>(std::bit_width(ranks - 1));
  const auto add = [&](StepKind kind, std::uint32_t peer, const Group& half) {
    writer.add(kind, peer, half.slice, half.size);
  };
  if (request.collective != Collective::all_gather) {
    for (std::size_t round = 0; round < rounds; ++round) {
      writer.begin_round();
      if (round >= exchanges.size()) continue;
      const Exchange& at = exchanges[round];
      add(StepKind::send, at.partner, at.other);
      if (!at.is_odd) add(StepKind::receive_merge, at.partner, at.own);
      if (at.has_odd) add(StepKind::receive_merge, at.odd, at.own);
    }
  }
  if (request.collective != Collective::reduce_scatter) {
    for (std::size_t round = rounds; round-- > 0;) {
      writer.begin_round();
      if (round >= exchanges.size()) continue;
      const Exchange& at = exchanges[round];
      if (!at.is_odd) add(StepKind::send, at.partner, at.own);
      if (at.has_odd) add(StepKind::send, at.odd, at.own);
      add(StepKind::receive, at.partner, at.other);
    }
  }
  return std::move(writer).finish();
}

std::vector<std::uint32_t> cost_ranks_of_halving_doubling(const ScheduleRequest& request) {
  const bool neighbours_first = request.collective == Collective::all_reduce;
  // All groups of a round have one of two sizes. Rank 0 is always in the larger one; who gets from two is in an odd
  // one.
  std::vector<std::uint32_t> walked = {0};
  std::vector<Group> sizes = {{0, 1, request.rank_count, 0}};
  while (sizes.front().size > 1) {
    std::vector<Group> next;
    for (const Group& group : sizes) {
      const Halves halves = part(group, neighbours_first);
      if (group.size % 2 == 1 && group.size > 1) walked.push_back(halves.smaller.first);
      for (const Group& half : {halves.larger, halves.smaller}) {
        bool is_known = half.size == 0;
        for (const Group& other : next) is_known |= other.size == half.size;
        if (!is_known) next.push_back(half);
      }
    }
    sizes = std::move(next);
  }
  return walked;
}

}  // namespace gossamer::topology
