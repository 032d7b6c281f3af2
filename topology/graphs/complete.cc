// The complete graph: everyone takes as much of each, so one round is the exact mean, for P - 1 messages a rank.
#include <numeric>

#include "topology/graph_writer.h"

namespace gossamer::topology {

Status write_complete(const GraphRequest& request, GraphWriter& writer) {
  GOSSAMER_TRY(writer.check_room(std::uint64_t{request.rank_count} * (request.rank_count - 1)));
  std::vector<std::uint32_t> everyone(request.rank_count);
  std::iota(everyone.begin(), everyone.end(), 0u);
  writer.begin_round();
  writer.average(everyone);
  return {};
}

}  // namespace gossamer::topology
