// The binary tree, pipelined: the buffer follows itself in eight chunks through the tree of pipeline.h, counted from
// the root. A rank has three neighbours at most. The double tree moves the same chunks in half the time, so this one is
// never chosen by itself.
//
//    root                      chunk by chunk towards the root (a reduce), away from it (a broadcast),
//      `------- 4              or towards it and then away from it (an all-reduce)
//            /     \           .
//           2       6
//          / \     / \         .
//         1   3   5   7
#include <bit>

#include "topology/pipeline.h"

namespace gossamer::topology {

Program make_pipelined_tree(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  TreePlace place = binary_tree_place(before(rank, root, ranks), ranks - 1);
  if (place.parent) place.parent = after(*place.parent, root, ranks);
  for (std::uint32_t& child : place.children) child = after(child, root, ranks);
  return make_pipeline(request.collective, {&place, 1}, chunk_count);
}

std::vector<std::uint32_t> cost_ranks_of_pipelined_tree(const ScheduleRequest& request) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  std::vector<std::uint32_t> walked = {root};
  // The leftmost way down has a rank with two children at every depth but the last.
  for (std::uint32_t label = std::bit_floor(ranks - 1); label > 0; label /= 2)
    walked.push_back(after(label, root, ranks));
  return walked;
}

}  // namespace gossamer::topology
