// The static exponential graph: a rank gives to those 1, 2, 4, ... ahead on a circle, to all of them in every round
// (Ying, Yuan, Chen, Hu, Pan, Yin 2021). P = 8, rank 0:
//
//     0 -> 1    0 ---> 2    0 -------> 4        and keeps a fourth
//
// One-way: whom a rank gives to is not whom it takes from, but all circles are alike, so rows sum to 1 as columns do.
#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_exponential(const GraphRequest& request, GraphWriter& writer) {
  const std::uint32_t ranks = request.rank_count;
  std::uint32_t hops = 0;
  for (std::uint32_t hop = 1; hop < ranks; hop *= 2) ++hops;
  writer.begin_round();
  for (std::uint32_t hop = 1; hop < ranks; hop *= 2) {
    for (std::uint32_t rank = 0; rank < ranks; ++rank) writer.give(rank, (rank + hop) % ranks, {1, hops + 1});
  }
  return {};
}

}  // namespace gossamer::topology
