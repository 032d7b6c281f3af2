// The circulant schedule: reduce-scatter and all-gather in ceil(log2 P) rounds each for any P, with
// exactly P - 1 slices sent and received each way. After J. L. Träff, "Optimal, Non-pipelined
// Reduce-scatter and Allreduce Algorithms" (doi.org/10.34726/10760).
//
// The distances are P halved and rounded up until 1; for P = 6: 6 -> 3 -> 2 -> 1. Rank r counts the
// slices from its own: place i is slice r + i (mod P). Reduce-scatter as rank r sees it:
//
//   place      0   1   2   3   4   5
//   6 -> 3    [+   +   +] [3   4   5]   sends 3..5 to r+3, adds what r-3 sends to 0..2
//   3 -> 2    [+]     [2]               sends 2 to r+2, adds what r-2 sends to 0
//   2 -> 1    [+] [1]                   sends 1 to r+1, adds what r-1 sends to 0
//
// Place i of r-d is slice (r-d)+i, which is place i-d of r: what is sent lies where it is added. The
// all-gather is the same read backwards, with receivers and senders exchanged:
//
//   1 -> 2    [0] [<]                   sends 0 to r-1, gets place 1 from r+1
//   2 -> 3    [0]     [<]               sends 0 to r-2, gets place 2 from r+2
//   3 -> 6    [0   1   2] [<   <   <]   sends 0..2 to r-3, gets places 3..5 from r+3
//
// Merging is done in another order than that of the ranks, so the merge must be commutative.
#include <vector>

#include "topology/program_writer.h"

namespace gossamer::topology {

Program make_circulant(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  ProgramWriter writer(ranks);

  std::vector<std::uint32_t> distances = {ranks};
  while (distances.back() > 1) distances.push_back((distances.back() + 1) / 2);

  if (request.collective != Collective::all_gather) {
    for (std::size_t i = 0; i + 1 < distances.size(); ++i) {
      const std::uint32_t distance = distances[i + 1];
      const std::uint32_t count = distances[i] - distance;
      writer.begin_round();
      writer.add(StepKind::send, after(rank, distance, ranks), rank + distance, count);
      writer.add(StepKind::receive_merge, before(rank, distance, ranks), rank, count);
    }
  }
  if (request.collective != Collective::reduce_scatter) {
    for (std::size_t i = distances.size() - 1; i-- > 0;) {
      const std::uint32_t distance = distances[i + 1];
      const std::uint32_t count = distances[i] - distance;
      writer.begin_round();
      writer.add(StepKind::send, before(rank, distance, ranks), rank, count);
      writer.add(StepKind::receive, after(rank, distance, ranks), rank + distance, count);
    }
  }
  return std::move(writer).finish();
}

std::vector<std::uint32_t> cost_ranks_of_circulant(const ScheduleRequest& request) {
  const std::uint32_t ranks = request.rank_count;
  // All are alike.
  return {0, ranks / 2};
}

}  // namespace gossamer::topology
