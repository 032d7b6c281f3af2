// The default: a rank talks to few in a round, and after a period all have the exact mean, whatever their number.
#include <bit>

#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_one_peer(const GraphRequest& request, GraphWriter& writer) {
  GraphRequest chosen = request;
  if (std::has_single_bit(request.rank_count)) return write_one_peer_exponential(chosen, writer);
  chosen.degree = 1;
  return write_base(chosen, writer);
}

}  // namespace gossamer::topology
