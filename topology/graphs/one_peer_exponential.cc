// The one-peer exponential graph: half of a rank's values go to the one 1 ahead, in the next round 2 ahead, then 4, ...
// (Assran, Loizou, Ballas, Rabbat 2019; Ying and others 2021). P = 4, what each rank holds:
//
//     round 0   0 -> 1 -> 2 -> 3 -> 0     (0+3)/2   (1+0)/2   (2+1)/2   (3+2)/2
//     round 1   0 -> 2 -> 0, 1 -> 3 -> 1  (0+1+2+3)/4 everywhere
//
// A period is the exact mean for powers of two: rank i has then taken of i - s for every s that the binary digits can
// make. For other numbers the last hops overlap, and the period is not exact.
#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_one_peer_exponential(const GraphRequest& request, GraphWriter& writer) {
  const std::uint32_t ranks = request.rank_count;
  for (std::uint32_t hop = 1; hop < ranks; hop *= 2) {
    writer.begin_round();
    for (std::uint32_t rank = 0; rank < ranks; ++rank) writer.give(rank, (rank + hop) % ranks, {1, 2});
  }
  return {};
}

}  // namespace gossamer::topology
