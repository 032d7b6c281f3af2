// The chain, pipelined: each rank talks to the one before and the one after it, counted from the root, and the buffer
// follows itself in chunks, eight or one for each rank. A chunk is passed on as soon as it is there, which pays for
// large buffers and few ranks; beyond eight ranks it is what the ring makes of a broadcast.
//
//    root -> 1 -> 2 -> 3       a broadcast: 8 + P - 2 rounds of an eighth of the buffer
//    root <- 1 <- 2 <- 3       a reduce; an all-reduce is both, one after the other
#include <algorithm>

#include "topology/pipeline.h"

namespace gossamer::topology {

Program make_chain(const ScheduleRequest& request, std::uint32_t rank) {
  const TreePlace place = chain_place(request, rank);
  return make_pipeline(request.collective, {&place, 1}, std::max(chunk_count, request.rank_count));
}

std::vector<std::uint32_t> cost_ranks_of_chain(const ScheduleRequest& request) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  // A broadcast's first, middle and last place; the one before the last merges first in a reduce.
  return {root, after(root, 1, ranks), after(root, ranks / 2, ranks), before(root, 2 % ranks, ranks),
          before(root, 1, ranks)};
}

}  // namespace gossamer::topology
