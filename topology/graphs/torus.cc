// The torus: a grid whose first and last lines meet, both ways; as square as the number of ranks allows, so a prime
// number of them is a ring. P = 12 is 3 by 4:
//
//      0 -  1 -  2 -  3 - (0)
//      |    |    |    |
//      4 -  5 -  6 -  7 - (4)
//      |    |    |    |
//      8 -  9 - 10 - 11 - (8)
//      |    |    |    |
//     (0)  (1)  (2)  (3)
#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_torus(const GraphRequest& request, GraphWriter& writer) {
  const std::uint32_t ranks = request.rank_count;
  std::uint32_t lines = 1;
  for (std::uint32_t divisor = 2; divisor * divisor <= ranks; ++divisor) {
    if (ranks % divisor == 0) lines = divisor;
  }
  const std::uint32_t columns = ranks / lines;
  writer.begin_round();
  for (std::uint32_t line = 0; line < lines; ++line) {
    for (std::uint32_t column = 0; column < columns; ++column) {
      const std::uint32_t rank = line * columns + column;
      const std::uint32_t right = line * columns + (column + 1) % columns;
      const std::uint32_t below = (line + 1) % lines * columns + column;
      if (right != rank) writer.join(rank, right);
      if (below != rank) writer.join(rank, below);
    }
  }
  writer.weigh_by_degree();
  return {};
}

}  // namespace gossamer::topology
