// The ring: both neighbours on a circle, a third each. News needs P/2 rounds to the other side.
//
//     0 --- 1 --- 2 --- 3
//      \_______________/
#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_ring(const GraphRequest& request, GraphWriter& writer) {
  const std::uint32_t ranks = request.rank_count;
  writer.begin_round();
  for (std::uint32_t rank = 0; ranks > 1 && rank < ranks; ++rank) writer.join(rank, (rank + 1) % ranks);
  writer.weigh_by_degree();
  return {};
}

}  // namespace gossamer::topology
