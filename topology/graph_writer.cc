#include "topology/graph_writer.h"

#include <algorithm>

namespace gossamer::topology {
namespace {

void sort_and_merge(std::vector<GraphEdge>& edges) {
  const auto by_peer = [](const GraphEdge& a, const GraphEdge& b) { return a.peer < b.peer; };
  if (!std::is_sorted(edges.begin(), edges.end(), by_peer)) std::sort(edges.begin(), edges.end(), by_peer);
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
}

}  // namespace

Status GraphWriter::check_room(std::uint64_t edges, std::uint64_t rounds) const {
  if (edges <= graph_edges_max && rounds * graph_.request.rank_count <= graph_mixes_max) return {};
  return Error{Code::out_of_resources,
               text(graph_kind_name(graph_.request.kind), " over ", graph_.request.rank_count, " ranks has ", edges,
                    " edges in ", rounds, rounds == 1 ? " round" : " rounds", ": at most ", graph_edges_max,
                    " edges and ", graph_mixes_max, " ranks times rounds are held; choose a sparser kind")};
}

void GraphWriter::begin_round() {
  const std::uint64_t mixes = (graph_.rounds.size() + 1) * graph_.request.rank_count;
  graph_.rounds.emplace_back(mixes <= graph_mixes_max ? graph_.request.rank_count : 0);
}

void GraphWriter::give(std::uint32_t from, std::uint32_t to, Weight share) {
  std::vector<Mix>& round = graph_.rounds.back();
  if (++edges_ > graph_edges_max || round.empty()) return;
  round[from].gives.push_back({Rank{to}, share});
  round[to].takes.push_back({Rank{from}, share});
}

void GraphWriter::exchange(std::uint32_t one, std::uint32_t other, Weight share) {
  give(one, other, share);
  give(other, one, share);
}

void GraphWriter::average(std::span<const std::uint32_t> ranks) {
  const Weight share{1, static_cast<std::uint32_t>(ranks.size())};
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    for (std::size_t k = i + 1; k < ranks.size(); ++k) exchange(ranks[i], ranks[k], share);
  }
}

void GraphWriter::weigh_by_degree() {
  std::vector<Mix>& round = graph_.rounds.back();
  for (Mix& mix : round) {
    sort_and_merge(mix.gives);
    sort_and_merge(mix.takes);
  }
  const auto degree = [&](std::size_t rank) { return static_cast<std::uint32_t>(round[rank].gives.size()); };
  for (std::size_t rank = 0; rank < round.size(); ++rank) {
    for (std::vector<GraphEdge>* edges : {&round[rank].gives, &round[rank].takes}) {
      for (GraphEdge& edge : *edges) edge.weight = {1, 1 + std::max(degree(rank), degree(edge.peer.value))};
    }
  }
}

Result<Graph> GraphWriter::finish() && {
  if (graph_.rounds.empty()) begin_round();
  GOSSAMER_TRY(check_room(edges_, graph_.rounds.size()));
  for (std::vector<Mix>& round : graph_.rounds) {
    for (Mix& mix : round) {
      sort_and_merge(mix.gives);
      sort_and_merge(mix.takes);
    }
  }
  return std::move(graph_);
}

}  // namespace gossamer::topology
