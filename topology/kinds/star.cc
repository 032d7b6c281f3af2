// The star: everyone sends to the root (a reduce ends here), the root sends to everyone. Two rounds, and (P - 1)
// buffers through one rank: the baseline that the other kinds are measured against, never chosen by itself.
//
//   round 0    1   2   3         round 1    1   2   3
//               \  |  /                      ^  ^  ^
//                v v v                        \ | /
//                root                         root
//
// The root lists its peers by rank, so it adds its own contribution first and the others in the order
// of their ranks. It needs room for P - 1 arriving buffers at once.
#include "topology/program_writer.h"

namespace gossamer::topology {

Program make_star(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  const bool gather = request.collective == Collective::all_gather;
  const bool scatter = request.collective == Collective::reduce_scatter;
  const std::uint32_t slices = gather || scatter ? ranks : 1;
  ProgramWriter writer(slices);

  // One step for each edge of the star that `rank` is on; `leaf` is its outer end.
  const auto add = [&](StepKind kind, std::uint32_t peer, std::uint32_t leaf, bool leaf_slice_only) {
    writer.add(kind, peer, leaf_slice_only ? leaf : 0, leaf_slice_only ? 1 : slices);
  };
  const auto add_round = [&](StepKind at_root, StepKind at_leaf, bool leaf_slice_only) {
    writer.begin_round();
    if (rank != root) return add(at_leaf, root, rank, leaf_slice_only);
    for (std::uint32_t leaf = 0; leaf < ranks; ++leaf) {
      if (leaf != root) add(at_root, leaf, leaf, leaf_slice_only);
    }
  };

  if (request.collective != Collective::broadcast) {
    add_round(gather ? StepKind::receive : StepKind::receive_merge, StepKind::send, gather);
  }
  if (request.collective != Collective::reduce) add_round(StepKind::send, StepKind::receive, scatter);
  return std::move(writer).finish();
}

std::vector<std::uint32_t> cost_ranks_of_star(const ScheduleRequest& request) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  return {root, after(root, 1, ranks)};
}

}  // namespace gossamer::topology
