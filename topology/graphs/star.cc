// The star: rank 0 mixes with everyone, the others with rank 0 only. All traffic of a parameter server, and slower than
// a ring from 12 ranks on: the baseline.
#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_star(const GraphRequest& request, GraphWriter& writer) {
  writer.begin_round();
  for (std::uint32_t rank = 1; rank < request.rank_count; ++rank) writer.join(0, rank);
  writer.weigh_by_degree();
  return {};
}

}  // namespace gossamer::topology
