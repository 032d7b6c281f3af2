// The double binary tree: two pipelined trees, each with half of the buffer in eight chunks. After P. Sanders, J. Speck
// and J. L. Träff, "Two-tree algorithms for full bandwidth broadcast, reduction and scan" (Parallel Computing 35,
// 2009).
//
//    root                        root
//      `------- 4                  `------- 3           The second is the first with every rank but the root one
//            /     \                     /     \        place on, around the circle: so who has children in one
//           2       6                   1       5       (an even place) is a leaf (an odd place) in the other.
//          / \     / \                 / \     / \      .
//         1   3   5   7               7   2   4   6
//
// A rank in the middle gets one chunk and passes it on twice in one tree, and only gets one in the other: bytes in
// and bytes out are balanced at one whole buffer each way, where a single tree sends two.
#include <array>
#include <bit>

#include "topology/pipeline.h"

namespace gossamer::topology {
namespace {

// Ranks counted from the root, other than the root: 1 to `last`. Their place in the second tree, and back.
std::uint32_t second_place(std::uint32_t v, std::uint32_t last) { return v == 0 ? 0 : v % last + 1; }
std::uint32_t at_second_place(std::uint32_t place, std::uint32_t last) {
  return place == 0 ? 0 : place == 1 ? last : place - 1;
}

}  // namespace

Program make_double_tree(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  const std::uint32_t last = ranks - 1;
  const std::uint32_t v = before(rank, root, ranks);
  std::array<TreePlace, 2> trees = {binary_tree_place(v, last), binary_tree_place(second_place(v, last), last)};
  const auto to_rank = [&](std::uint32_t tree, std::uint32_t place) {
    return after(tree == 0 ? place : at_second_place(place, last), root, ranks);
  };
  for (std::uint32_t tree = 0; tree < trees.size(); ++tree) {
    if (trees[tree].parent) trees[tree].parent = to_rank(tree, *trees[tree].parent);
    for (std::uint32_t& child : trees[tree].children) child = to_rank(tree, child);
  }
  return make_pipeline(request.collective, trees, chunk_count);
}

std::vector<std::uint32_t> cost_ranks_of_double_tree(const ScheduleRequest& request) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  std::vector<std::uint32_t> walked = {root};
  // The leftmost way down each tree has a rank with two children at every depth but the last.
  for (std::uint32_t place = std::bit_floor(ranks - 1); place > 0; place /= 2) {
    walked.push_back(after(place, root, ranks));
    walked.push_back(after(at_second_place(place, ranks - 1), root, ranks));
  }
  return walked;
}

}  // namespace gossamer::topology
