#include "tests/runtime/neighbor_cluster.h"

#include "tests/support/plain_mix.h"

namespace gossamer::runtime::testing {

std::shared_ptr<const topology::Graph> shared_graph(const topology::GraphRequest& request) {
  return std::make_shared<const topology::Graph>(topology::make_graph(request).value());
}

GossipState plain_operation(const topology::Graph& graph, std::uint64_t operation, std::uint32_t rank,
                            sketch::ElementType type, const std::vector<GossipState>& before, const Missing& missing) {
  const topology::Mix& mix = graph.rounds[operation % graph.rounds.size()][rank];
  const GossipState& own = before[rank];
  bool is_exact = !graph.approximate && own.weight == 1;
  double kept = 1;
  for (const topology::GraphEdge& edge : mix.gives) {
    if (missing.kept.contains(edge.peer.value))
      is_exact = false;
    else
      kept -= edge.weight.value();
  }
  double weight = kept * own.weight;
  std::vector<sketch::MixPart> parts;
  for (const topology::GraphEdge& edge : mix.takes) {
    const GossipState& other = before[edge.peer.value];
    is_exact = is_exact && other.weight == 1 && !missing.parts.contains(edge.peer.value);
    if (missing.parts.contains(edge.peer.value)) continue;
    const double share = edge.weight.value() * other.weight;
    weight += share;
    parts.push_back({other.z.data(), share});
  }
  if (is_exact) weight = 1;
  for (sketch::MixPart& part : parts) part.share /= weight;
  GossipState after{std::vector<std::byte>(own.z.size()), weight};
  gossamer::testing::plain_mix(type, own.z.data(), parts, after.z.data(), own.z.size() / sketch::element_bytes(type));
  return after;
}

Exchange::Exchange(SimCluster& cluster, std::uint32_t number, std::shared_ptr<const topology::Graph> graph,
                   sketch::ElementType type, std::uint64_t count, std::uint64_t seed)
    : graph_(std::move(graph)), type_(type) {
  for (std::uint32_t rank = 0; rank < cluster.rank_count(); ++rank) {
    values_.push_back(
        std::make_unique<std::vector<std::byte>>(gossamer::testing::rough_elements(type, mix64(seed, rank), count)));
    const NeighborReduceConfig config{.graph = graph_,
                                      .type = type,
                                      .count = count,
                                      .output = values_.back()->data(),
                                      .place = Rank{rank},
                                      .rank_count = cluster.rank_count()};
    const Status checked = check_neighbor_reduce(config);
    GOSSAMER_CHECK(checked.ok(), checked.error().message);
    auto work = NeighborReduceWork::make(config).value();
    works_.push_back(work.get());
    plans_.push_back(
        Plan::make({number, {}}, "mix", std::move(work), cluster.session(Rank{rank}).driver(), cluster.clock())
            .value());
  }
}

std::vector<GossipState> Exchange::states() const {
  std::vector<GossipState> states;
  for (std::uint32_t rank = 0; rank < works_.size(); ++rank) states.push_back(state(rank));
  return states;
}

bool Exchange::run(SimCluster& cluster, const std::set<std::uint32_t>& ranks) {
  for (const std::uint32_t rank : ranks)
    if (!plans_[rank]->start().ok()) return false;
  std::set<std::uint32_t> waited = ranks;
  const auto is_done = [&] {
    std::erase_if(waited, [&](std::uint32_t rank) {
      const auto code = plans_[rank]->test();
      return code.ok() && *code == Code::done;
    });
    return waited.empty();
  };
  return cluster.run_until(is_done, 10'000'000'000);
}

std::set<std::uint32_t> all_ranks(const SimCluster& cluster) {
  std::set<std::uint32_t> ranks;
  for (std::uint32_t rank = 0; rank < cluster.rank_count(); ++rank) ranks.insert(rank);
  return ranks;
}

}  // namespace gossamer::runtime::testing
