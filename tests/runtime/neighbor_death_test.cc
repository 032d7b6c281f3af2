// Neighbour exchange when ranks die: who is left goes on, and keeps what it would have given. Simulation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "runtime/runtime.h"
#include "tests/runtime/neighbor_cluster.h"
#include "tests/support/plain_mix.h"

namespace gossamer::runtime {
namespace {

using testing::all_ranks;
using testing::Exchange;
using testing::GossipState;
using ::testing::HasSubstr;
using testing::Missing;
using testing::plain_operation;
using testing::shared_graph;
using topology::GraphKind;

constexpr std::size_t width = 6;

// Over the ranks: weights, and weights times values.
std::array<double, width + 1> sums_of(const std::vector<GossipState>& states, const std::set<std::uint32_t>& ranks) {
  std::array<double, width + 1> sums{};
  for (const std::uint32_t rank : ranks) {
    sums[width] += states[rank].weight;
    for (std::size_t i = 0; i < width; ++i)
      sums[i] += states[rank].weight * gossamer::testing::at<double>(states[rank].z.data(), i);
  }
  return sums;
}

// The whole first.
std::vector<std::set<std::uint32_t>> subsets(const std::vector<std::uint32_t>& of) {
  std::vector<std::set<std::uint32_t>> all(std::size_t{1} << of.size());
  for (std::size_t bits = 0; bits < all.size(); ++bits)
    for (std::size_t i = 0; i < of.size(); ++i)
      if ((bits >> i & 1u) == 0) all[bits].insert(of[i]);
  return all;
}

// What a rank's operation left out: the most that gives its very bits. Of parts of the dead
// those that came before their deaths count; of shares for them, those not given before this rank knew.
std::optional<Missing> missing_of(const Exchange& exchange, std::uint64_t operation, std::uint32_t rank,
                                  const std::vector<GossipState>& before, const std::set<std::uint32_t>& dead) {
  const topology::Mix& mix = exchange.graph().rounds[operation % exchange.graph().rounds.size()][rank];
  std::vector<std::uint32_t> from;
  std::vector<std::uint32_t> to;
  for (const auto& edge : mix.takes)
    if (dead.contains(edge.peer.value)) from.push_back(edge.peer.value);
  for (const auto& edge : mix.gives)
    if (dead.contains(edge.peer.value)) to.push_back(edge.peer.value);
  for (const auto& parts : subsets(from))
    for (const auto& kept : subsets(to)) {
      const Missing missing{parts, kept};
      if (exchange.state(rank) == plain_operation(exchange.graph(), operation, rank, exchange.type(), before, missing))
        return missing;
    }
  return std::nullopt;
}

// Exchanges over the graph, and kills ranks one after the other at random moments; the test's own clock of operations.
void expect_survivors_go_on(GraphKind kind, std::uint32_t ranks, std::uint32_t deaths, std::uint64_t seed) {
  SCOPED_TRACE(text(topology::graph_kind_name(kind), " over ", ranks, ", seed ", seed));
  SimClusterOptions options;
  options.rank_count = ranks;
  options.network.seed = seed;
  const auto cluster = SimCluster::make(options).value();
  Exchange exchange(*cluster, 0, shared_graph({kind, ranks}), sketch::ElementType::f64, width, seed);
  const std::uint64_t period = exchange.graph().rounds.size();
  Random random(seed);
  std::set<std::uint32_t> alive = all_ranks(*cluster);
  std::set<std::uint32_t> dead;
  std::uint64_t quiet = 0;  // operations since the last death
  for (std::uint64_t operation = 0; dead.size() < deaths || quiet < 2 * period + 2; ++operation, ++quiet) {
    const std::vector<GossipState> before = exchange.states();
    const auto sums_before = sums_of(before, alive);
    for (const std::uint32_t rank : alive) ASSERT_TRUE(exchange.plan(rank).start().ok());
    if (dead.size() < deaths && random.below(3) == 0) {
      cluster->run_to(cluster->clock().now_ns() + random.below(400'000));
      auto victim = alive.begin();
      std::advance(victim, random.below(alive.size()));
      cluster->kill(Rank{*victim});
      dead.insert(*victim);
      alive.erase(victim);
      quiet = 0;
    }
    std::set<std::uint32_t> waited = alive;
    ASSERT_TRUE(cluster->run_until(
        [&] {
          std::erase_if(waited, [&](std::uint32_t rank) {
            const auto code = exchange.plan(rank).test();
            EXPECT_TRUE(code.ok()) << code.error().message;
            return !code.ok() || *code == Code::done;
          });
          return waited.empty();
        },
        10'000'000'000))
        << "operation " << operation << " does not end";
    auto expected = sums_before;
    // The dead one's own is gone with it.
    if (quiet == 0) expected = sums_of(before, alive);
    for (const std::uint32_t rank : alive) {
      const auto missing = missing_of(exchange, operation, rank, before, dead);
      ASSERT_TRUE(missing) << "rank " << rank << " has what no rule gives, operation " << operation;
      // Since everyone knows, nothing is given to the dead or comes from them.
      const topology::Mix& mix = exchange.graph().rounds[operation % period][rank];
      for (const auto& edge : mix.gives) {
        if (!dead.contains(edge.peer.value) || missing->kept.contains(edge.peer.value)) continue;
        EXPECT_EQ(quiet, 0u);
        const double share = edge.weight.value() * before[rank].weight;
        expected[width] -= share;
        for (std::size_t i = 0; i < width; ++i)
          expected[i] -= share * gossamer::testing::at<double>(before[rank].z.data(), i);
      }
      for (const auto& edge : mix.takes) {
        if (!dead.contains(edge.peer.value) || missing->parts.contains(edge.peer.value)) continue;
        EXPECT_EQ(quiet, 0u);
        const double share = edge.weight.value() * before[edge.peer.value].weight;
        expected[width] += share;
        for (std::size_t i = 0; i < width; ++i)
          expected[i] += share * gossamer::testing::at<double>(before[edge.peer.value].z.data(), i);
      }
    }
    const auto sums = sums_of(exchange.states(), alive);
    for (std::size_t i = 0; i <= width; ++i)
      ASSERT_NEAR(sums[i], expected[i], 1e-11) << "operation " << operation << ", sum " << i;
    // A rank that ended this operation before it heard of the death gives to the dead no more in the next.
    const std::uint64_t heard_ns = cluster->clock().now_ns() + 2 * options.detection_delay_ns;
    if (quiet == 0) cluster->run_to(heard_ns);
  }
}

// Goal: whenever ranks die, those who are left end every operation, each with bits that the rule gives, and sums of
// weights and of weighted values change by what the dead gave and took alone, and never after all have heard. Method:
// two to three deaths at random moments, in several graphs, from seeds.
class Deaths : public ::testing::TestWithParam<GraphKind> {};
INSTANTIATE_TEST_SUITE_P(Graphs, Deaths,
                         ::testing::Values(GraphKind::ring, GraphKind::torus, GraphKind::complete, GraphKind::star,
                                           GraphKind::exponential, GraphKind::one_peer, GraphKind::base),
                         [](const auto& graph) {
                           std::string name(topology::graph_kind_name(graph.param));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });
TEST_P(Deaths, LeaveSurvivorsWithWhatTheyHad) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    expect_survivors_go_on(GetParam(), 8, 2, seed);
    expect_survivors_go_on(GetParam(), 5, 3, seed);
  }
}

// Goal: the last one left goes on alone with the weight of all that it keeps. Method: two ranks, one dies.
TEST(NeighborDeath, TheLastRankGoesOnAlone) { expect_survivors_go_on(GraphKind::one_peer, 2, 1, 3); }

// Goal: who can miss nobody fails as ever, with the first death's name, while the exchange goes on; and the log says
// once what each death leaves. Method: a compressor and an exchange over a ring in one session; two deaths that part
// it.
TEST(NeighborDeath, FailsOtherPlansAndIsToldOnce) {
  SimClusterOptions options;
  options.rank_count = 4;
  const auto cluster = SimCluster::make(options).value();
  CompressorConfig config;
  config.algorithm = AlgorithmKind::dense;
  config.tensors = {{"w", 100, false}};
  std::vector<Compressor*> compressors;
  for (std::uint32_t rank = 0; rank < 4; ++rank)
    compressors.push_back(cluster->session(Rank{rank}).make_compressor(config).value());
  Exchange exchange(*cluster, 100, shared_graph({GraphKind::ring, 4}), sketch::ElementType::f64, width, 1);
  ASSERT_TRUE(exchange.run(*cluster, {0, 1, 2, 3}));

  const std::vector<float> gradient(100, 1.0f);
  const float* const pointer = gradient.data();
  for (const std::uint32_t rank : {0u, 1u, 2u}) {
    ASSERT_TRUE(compressors[rank]->compress(&pointer).ok());
    ASSERT_TRUE(compressors[rank]->reduce().ok());
  }
  std::vector<std::string> told;
  set_log_sink(LogLevel::warning, [&](LogLevel, std::string_view line) { told.emplace_back(line); });
  cluster->kill(Rank{3});
  EXPECT_TRUE(exchange.run(*cluster, {0, 1, 2}));
  for (const std::uint32_t rank : {0u, 1u, 2u}) {
    const auto code = compressors[rank]->test();
    ASSERT_FALSE(code.ok());
    EXPECT_EQ(code.error().code, Code::peer_lost);
    EXPECT_EQ(code.error().rank, Rank{3});
  }
  cluster->kill(Rank{1});
  EXPECT_TRUE(exchange.run(*cluster, {0, 2}));
  EXPECT_TRUE(exchange.run(*cluster, {0, 2}));
  set_log_sink(LogLevel::error, {});
  ASSERT_EQ(told.size(), 2u);
  EXPECT_THAT(told[0],
              HasSubstr("goes on without rank 3 over what is left of its graph: 3 ranks, and each still reaches"));
  EXPECT_THAT(told[1], HasSubstr("goes on without rank 1 over what is left of its graph: 2 ranks; nothing of rank 0 "
                                 "ever reaches rank 2, so they no longer come to one mean"));
}

// Goal: a rank that was stopped past its lease is out: the others go on without it, and its own exchange ends as lost
// when it goes on, though the others live. Method: one of four on a complete graph is stopped, and resumed.
TEST(NeighborDeath, ARankThatWasGivenUpIsOut) {
  SimClusterOptions options;
  options.rank_count = 4;
  options.lease_ns = 1'000'000'000;
  const auto cluster = SimCluster::make(options).value();
  Exchange exchange(*cluster, 0, shared_graph({GraphKind::complete, 4}), sketch::ElementType::f64, width, 1);
  for (std::uint32_t rank = 0; rank < 4; ++rank) ASSERT_TRUE(exchange.plan(rank).start().ok());
  cluster->stop(Rank{2});
  std::set<std::uint32_t> waited = {0, 1, 3};
  ASSERT_TRUE(cluster->run_until(
      [&] {
        std::erase_if(waited, [&](std::uint32_t rank) { return *exchange.plan(rank).test() == Code::done; });
        return waited.empty();
      },
      5'000'000'000));
  EXPECT_TRUE(exchange.run(*cluster, {0, 1, 3}));
  cluster->resume(Rank{2});
  std::optional<Error> error;
  ASSERT_TRUE(cluster->run_until(
      [&] {
        const auto code = exchange.plan(2).test();
        if (!code.ok()) error = code.error();
        return error.has_value();
      },
      1'000'000'000));
  EXPECT_EQ(error->code, Code::peer_lost);
  EXPECT_THAT(error->message, HasSubstr("gave this rank up"));
  EXPECT_TRUE(exchange.run(*cluster, {0, 1, 3}));
}

// Goal: the same seed gives the same events, deaths and all. Method: the hash of events, twice.
TEST(NeighborDeath, Replays) {
  const auto hash_of = [] {
    SimClusterOptions options;
    options.rank_count = 6;
    options.network.seed = 9;
    const auto cluster = SimCluster::make(options).value();
    Exchange exchange(*cluster, 0, shared_graph({GraphKind::exponential, 6}), sketch::ElementType::f64, width, 1);
    EXPECT_TRUE(exchange.run(*cluster, all_ranks(*cluster)));
    cluster->kill(Rank{4});
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(exchange.run(*cluster, {0, 1, 2, 3, 5}));
    return cluster->event_hash();
  };
  EXPECT_EQ(hash_of(), hash_of());
}

}  // namespace
}  // namespace gossamer::runtime
