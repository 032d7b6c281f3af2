// The hypercube: a rank's neighbours are those whose number differs from its own in one binary digit.
//
//     2 --- 3         6 --- 7
//     |     |   and   |     |   with 0-4, 1-5, 2-6, 3-7 between them
//     0 --- 1         4 --- 5
#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_hypercube(const GraphRequest& request, GraphWriter& writer) {
  const std::uint32_t ranks = request.rank_count;
  writer.begin_round();
  for (std::uint32_t digit = 1; digit < ranks; digit *= 2) {
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      if ((rank & digit) == 0) writer.join(rank, rank | digit);
    }
  }
  writer.weigh_by_degree();
  return {};
}

}  // namespace gossamer::topology
