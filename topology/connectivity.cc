#include <vector>

#include "topology/topology.h"

namespace gossamer::topology {
namespace {

// The first rank that is not dead and that nothing from `start` reaches along `edges`, or rank_count.
std::uint32_t first_unreached(const Graph& graph, std::uint32_t start, const std::vector<bool>& is_dead,
                              std::vector<GraphEdge> Mix::*edges) {
  std::vector<bool> is_reached = is_dead;
  is_reached[start] = true;
  std::vector<std::uint32_t> open = {start};
  while (!open.empty()) {
    const std::uint32_t rank = open.back();
    open.pop_back();
    for (const std::vector<Mix>& round : graph.rounds) {
      for (const GraphEdge& edge : round[rank].*edges) {
        if (is_reached[edge.peer.value]) continue;
        is_reached[edge.peer.value] = true;
        open.push_back(edge.peer.value);
      }
    }
  }
  std::uint32_t rank = 0;
  while (rank < is_reached.size() && is_reached[rank]) ++rank;
  return rank;
}

}  // namespace

Status check_connected(const Graph& graph, std::span<const Rank> dead) {
  const std::uint32_t ranks = graph.request.rank_count;
  std::vector<bool> is_dead(ranks, false);
  for (const Rank rank : dead) {
    if (rank.value < ranks) is_dead[rank.value] = true;
  }
  std::uint32_t start = 0;
  while (start < ranks && is_dead[start]) ++start;
  if (start == ranks) return {};
  const auto split = [](std::uint32_t from, std::uint32_t to) {
    return Error{Code::invalid_argument, text("nothing of rank ", from, " ever reaches rank ", to), Rank{to}};
  };
  const std::uint32_t deaf = first_unreached(graph, start, is_dead, &Mix::gives);
  if (deaf != ranks) return split(start, deaf);
  const std::uint32_t mute = first_unreached(graph, start, is_dead, &Mix::takes);
  if (mute != ranks) return split(mute, start);
  return {};
}

}  // namespace gossamer::topology
