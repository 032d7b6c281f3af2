// The binomial tree: to the root in ceil(log2 P) rounds, and from the root in as many.
//
// Ranks are counted from the root: v = rank - root (mod P). Reducing 7 ranks:
//
//   round 0   1->0   3->2   5->4     6      distance 1
//   round 1   2----->0      6----->4        distance 2
//   round 2   4------------>0               distance 4
//
//            0                  v's parent is v without its lowest set bit.
//         /  |  \               Its subtree is v, v+1, ..., v + lowest bit - 1, cut at P:
//        4   2   1              neighbours, so that a subtree's slices are one range.
//       / \  |
//      6   5 3
//
// From the root the same edges are used in the other direction, longest first. A reduce ends at the root.
#include <algorithm>
#include <bit>

#include "topology/program_writer.h"

namespace gossamer::topology {
namespace {

// The edge that `v` uses at distance 2^level, if any.
struct Edge {
  bool exists = false;
  bool to_parent = false;   // v is the child of this edge
  std::uint32_t other = 0;  // the peer, counted from the root
  std::uint32_t child = 0;  // the child's end, counted from the root
};

Edge edge_at(std::uint32_t v, std::uint32_t level, std::uint32_t rank_count) {
  const std::uint32_t distance = 1u << level;
  const std::uint32_t low_bits = v % (2 * distance);
  if (low_bits == distance) return {true, true, v - distance, v};
  if (low_bits == 0 && v + distance < rank_count) return {true, false, v + distance, v + distance};
  return {};
}

}  // namespace

Program make_binomial_tree(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  const std::uint32_t v = before(rank, root, ranks);
  const std::uint32_t levels = static_cast<std::uint32_t>(std::bit_width(ranks - 1));
  const bool sliced = request.collective == Collective::all_gather || request.collective == Collective::reduce_scatter;
  const std::uint32_t slices = sliced ? ranks : 1;
  ProgramWriter writer(slices);

  // An edge carries the whole buffer, or the slices of the child's subtree only.
  const auto add = [&](StepKind kind, const Edge& edge, std::uint32_t level, bool subtree_only) {
    const std::uint32_t peer = after(edge.other, root, ranks);
    if (subtree_only) {
      writer.add(kind, peer, after(edge.child, root, ranks), std::min(1u << level, ranks - edge.child));
    } else {
      writer.add(kind, peer, 0, slices);
    }
  };

  if (request.collective != Collective::broadcast) {
    const bool gather = request.collective == Collective::all_gather;
    for (std::uint32_t level = 0; level < levels; ++level) {
      writer.begin_round();
      const Edge edge = edge_at(v, level, ranks);
      if (!edge.exists) continue;
      const StepKind arrive = gather ? StepKind::receive : StepKind::receive_merge;
      add(edge.to_parent ? StepKind::send : arrive, edge, level, gather);
    }
  }
  if (request.collective == Collective::reduce) return std::move(writer).finish();
  for (std::uint32_t level = levels; level-- > 0;) {
    writer.begin_round();
    const Edge edge = edge_at(v, level, ranks);
    if (!edge.exists) continue;
    add(edge.to_parent ? StepKind::receive : StepKind::send, edge, level,
        request.collective == Collective::reduce_scatter);
  }
  return std::move(writer).finish();
}

std::vector<std::uint32_t> cost_ranks_of_binomial_tree(const ScheduleRequest& request) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t root = request.root.value;
  const std::uint32_t power = std::bit_floor(ranks);
  // The root is in every round, with the largest subtree of it.
  return {root, after(root, power / 2, ranks), after(root, power < ranks ? power : 1, ranks)};
}

}  // namespace gossamer::topology
