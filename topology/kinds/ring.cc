// The ring: everyone talks to its two neighbours only, one slice a round.
//
//     0 -> 1 -> 2 -> 3
//     ^______________|
//
// Which slice rank r sends in each round, P = 4 (a slice follows one diagonal):
//
//             reduce-scatter      all-gather
//   round     0    1    2         3    4    5
//   rank 0    3    2    1         0    3    2
//   rank 1    0    3    2         1    0    3
//   rank 2    1    0    3         2    1    0
//   rank 3    2    1    0         3    2    1
//
// Slice s starts at rank s+1, gathers a contribution at each rank, is whole at rank s after P-1 rounds
// and goes around once more. Every slice is merged in one chain, at one rank at a time, so all ranks
// have the same bits.
//
// A broadcast opens the ring at the root into a chain and sends slice after slice down it: place d
// (counted from the root) passes slice t - d on in round t, and the last slice reaches the last place
// in round 2P - 3.
//
//   round        0    1    2    3    4    5
//   root -> 1    0    1    2    3
//      1 -> 2         0    1    2    3
//      2 -> 3              0    1    2    3
#include "topology/pipeline.h"

namespace gossamer::topology {

Program make_ring(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  if (request.collective == Collective::broadcast) {
    const TreePlace place = chain_place(request, rank);
    return make_pipeline(request.collective, {&place, 1}, ranks);
  }

  ProgramWriter writer(ranks);
  const std::uint32_t next = after(rank, 1, ranks);
  const std::uint32_t previous = before(rank, 1, ranks);
  // P-1 rounds in which `rank` sends slice `first` - t and gets what its predecessor sends: one less.
  const auto write_turn = [&](StepKind arrive, std::uint32_t first) {
    for (std::uint32_t t = 0; t + 1 < ranks; ++t) {
      const std::uint32_t slice = before(first, t, ranks);
      writer.begin_round();
      writer.add(StepKind::send, next, slice, 1);
      writer.add(arrive, previous, before(slice, 1, ranks), 1);
    }
  };
  if (request.collective != Collective::all_gather) write_turn(StepKind::receive_merge, previous);
  if (request.collective != Collective::reduce_scatter) write_turn(StepKind::receive, rank);
  return std::move(writer).finish();
}

std::vector<std::uint32_t> cost_ranks_of_ring(const ScheduleRequest& request) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  // All are alike; a broadcast has a first, middle and last place.
  return {root, after(root, 1, ranks), after(root, ranks / 2, ranks), before(root, 1, ranks)};
}

}  // namespace gossamer::topology
