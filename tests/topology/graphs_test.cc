#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "every_graph.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

std::size_t most_peers(const Graph& graph) {
  std::size_t most = 0;
  for (const std::vector<Mix>& round : graph.rounds)
    for (const Mix& mix : round) most = std::max({most, mix.takes.size(), mix.gives.size()});
  return most;
}

// Goal: every graph is right for every size that a small cluster has. Method: the proof, for all kinds and several
// degrees and seeds, for each P from 1 to 64.
TEST(Graphs, AreProvedForEverySizeTo64) {
  for (std::uint32_t ranks = 1; ranks <= 64; ++ranks) {
    for (const GraphRequest& request : every_graph(ranks))
      ASSERT_EQ(why(made(request)), "nothing wrong") << in_words(request);
  }
}

// Goal: the rules hold beyond the sizes that are proved one by one. Method: the proof for sizes around powers of two,
// primes and round numbers; complete graphs, quadratic by nature, stop at 127.
TEST(Graphs, AreProvedForSampledSizesTo4096) {
  for (const std::uint32_t ranks : {65u, 96u, 100u, 127u, 1000u, 4096u}) {
    for (const GraphRequest& request : every_graph(ranks)) {
      if (request.kind == GraphKind::complete && ranks > 127) continue;
      ASSERT_EQ(why(made(request)), "nothing wrong") << in_words(request);
    }
  }
}

// Goal: sparse kinds reach the largest number of ranks, in memory that grows with ranks times rounds. Method: the edges
// of one period, and the proof of the default.
TEST(Graphs, SparseKindsExistFor65536Ranks) {
  const std::map<GraphKind, std::uint64_t> edges_a_rank = {
      {GraphKind::ring, 2},         {GraphKind::torus, 4},     {GraphKind::star, 2},        {GraphKind::hypercube, 16},
      {GraphKind::exponential, 16}, {GraphKind::one_peer, 16}, {GraphKind::erdos_renyi, 33}};
  for (const auto& [kind, most] : edges_a_rank) {
    const Graph graph = made({kind, rank_count_max, 0, 0});
    std::uint64_t edges = 0;
    for (const std::vector<Mix>& round : graph.rounds)
      for (const Mix& mix : round) edges += mix.gives.size();
    EXPECT_GE(edges, 2u * (rank_count_max - 1)) << graph_kind_name(kind);
    EXPECT_LE(edges, most * rank_count_max) << graph_kind_name(kind);
  }
  EXPECT_EQ(why(made({GraphKind::one_peer, rank_count_max, 0, 0})), "nothing wrong");
}

// Goal: Base-(k+1) has the periods that its authors publish, and never more than k peers. Method: those of k = 1, and
// the longest up to 64 for four degrees.
TEST(BaseGraph, HasThePublishedPeriodsAndDegrees) {
  const std::map<std::uint32_t, std::size_t> periods = {{5, 5},  {6, 4},  {7, 5},  {12, 5}, {15, 7},
                                                        {16, 4}, {24, 6}, {25, 9}, {31, 9}, {63, 11}};
  for (const auto& [ranks, period] : periods)
    EXPECT_EQ(made({GraphKind::base, ranks, 1, 0}).rounds.size(), period) << ranks;
  const std::map<std::uint32_t, std::size_t> longest = {{1, 11}, {2, 8}, {3, 6}, {4, 6}};
  for (const auto& [degree, expected] : longest) {
    std::size_t most = 0;
    for (std::uint32_t ranks = 2; ranks <= 64; ++ranks) {
      const Graph graph = made({GraphKind::base, ranks, degree, 0});
      most = std::max(most, graph.rounds.size());
      EXPECT_LE(most_peers(graph), degree) << ranks;
    }
    EXPECT_EQ(most, expected) << "degree " << degree;
  }
}

// Goal: the rounds of the smallest number that needs giving are those of the drawing in base.cc. Method: Base-2 of 5.
TEST(BaseGraph, OfFiveRanksIsTheDrawing) {
  const Graph graph = made({GraphKind::base, 5, 1, 0});
  ASSERT_EQ(graph.rounds.size(), 5u);
  const auto partner = [&](std::size_t round, std::size_t rank) {
    const std::vector<GraphEdge>& takes = graph.rounds[round][rank].takes;
    return takes.empty() ? -1 : static_cast<int>(takes[0].peer.value);
  };
  for (const std::size_t round : {0u, 3u})
    EXPECT_EQ((std::vector{partner(round, 0), partner(round, 2), partner(round, 4)}), (std::vector{1, 3, -1}));
  for (const std::size_t round : {1u, 4u})
    EXPECT_EQ((std::vector{partner(round, 0), partner(round, 1), partner(round, 4)}), (std::vector{2, 3, -1}));
  EXPECT_EQ(partner(2, 4), 3);
  EXPECT_EQ(graph.rounds[2][4].takes[0].weight, (Weight{4, 5}));
  EXPECT_NEAR(graph.rounds[2][3].kept(), 0.2, 1e-15);
}

// Goal: the default has one peer a round at most and is exact for every number of ranks. Method: compare it with the
// kind that it stands for.
TEST(OnePeer, IsTheExponentialGraphForPowersOfTwoAndBase2Otherwise) {
  for (std::uint32_t ranks = 2; ranks <= 64; ++ranks) {
    const Graph graph = made({GraphKind::one_peer, ranks, 0, 0});
    const bool power = std::has_single_bit(ranks);
    const Graph other = made({power ? GraphKind::one_peer_exponential : GraphKind::base, ranks, 0, 0});
    EXPECT_EQ(graph.rounds, other.rounds) << ranks;
    EXPECT_EQ(most_peers(graph), 1u) << ranks;
    EXPECT_TRUE(claims_exact_mean(GraphKind::one_peer, ranks));
    EXPECT_EQ(claims_exact_mean(GraphKind::one_peer_exponential, ranks), power) << ranks;
  }
}

// Goal: the social graphs are the published ones. Method: their numbers of pairs and largest degrees.
TEST(SocialGraphs, HaveThePublishedPairs) {
  const auto pairs_and_degree = [](GraphKind kind, std::uint32_t ranks) {
    const Graph graph = made({kind, ranks, 0, 0});
    std::size_t edges = 0;
    for (const Mix& mix : graph.rounds[0]) edges += mix.gives.size();
    return std::pair(edges / 2, most_peers(graph));
  };
  EXPECT_EQ(pairs_and_degree(GraphKind::southern_women, 32), std::pair(std::size_t{89}, std::size_t{14}));
  EXPECT_EQ(pairs_and_degree(GraphKind::florentine_families, 15), std::pair(std::size_t{20}, std::size_t{6}));
  EXPECT_EQ(pairs_and_degree(GraphKind::karate_club, 34), std::pair(std::size_t{78}, std::size_t{17}));
}

// Goal: a random graph is a function of its request, with the degree that was asked for. Method: equal and other seeds;
// the mean degree; a degree that cannot connect, and one that hardly does.
TEST(ErdosRenyi, IsDrawnFromItsSeedAndConnected) {
  const GraphRequest request{GraphKind::erdos_renyi, 50, 6, 7};
  EXPECT_EQ(made(request), made(request));
  EXPECT_NE(made(request).rounds, made({GraphKind::erdos_renyi, 50, 6, 8}).rounds);
  std::size_t edges = 0;
  const Graph graph = made(request);
  for (const Mix& mix : graph.rounds[0]) edges += mix.gives.size();
  EXPECT_EQ(edges, 50u * 6);
  EXPECT_EQ(most_peers(made({GraphKind::erdos_renyi, 20, 19, 1})), 19u);
  EXPECT_EQ(most_peers(made({GraphKind::erdos_renyi, 20, 1000, 1})), 19u);
  EXPECT_EQ(make_graph({GraphKind::erdos_renyi, 50, 1, 0}).error().message,
            "erdos-renyi over 50 ranks of degree 1 has 25 pairs: at least 49 are needed to connect them");
  EXPECT_EQ(make_graph({GraphKind::erdos_renyi, 500, 2, 0}).error().message,
            "erdos-renyi over 500 ranks of degree 2: none of 100 draws is connected; choose a degree of 18");
}

// Goal: other machines draw the same graph. Method: the first neighbours of one, written down.
TEST(ErdosRenyi, DrawsTheSamePairsEverywhere) {
  std::vector<std::uint32_t> peers;
  const Graph graph = made({GraphKind::erdos_renyi, 12, 4, 1});
  for (const GraphEdge& edge : graph.rounds[0][0].gives) peers.push_back(edge.peer.value);
  EXPECT_THAT(peers, ::testing::ElementsAre(1, 2, 8, 11));
}

// Goal: a wrong request is refused with a sentence that says why. Method: one request of each mistake.
TEST(Graphs, RefuseWrongRequestsAndSayWhy) {
  const auto refusal = [](const GraphRequest& request) {
    const Result<Graph> graph = make_graph(request);
    EXPECT_FALSE(graph.ok()) << in_words(request);
    return graph.ok() ? std::string() : graph.error().message;
  };
  EXPECT_EQ(refusal({GraphKind::ring, 0, 0, 0}), "a graph has 1 to 65536 ranks, not 0");
  EXPECT_EQ(refusal({GraphKind::ring, rank_count_max + 1, 0, 0}), "a graph has 1 to 65536 ranks, not 65537");
  EXPECT_EQ(refusal({static_cast<GraphKind>(77), 4, 0, 0}), "unknown graph kind 77");
  EXPECT_EQ(refusal({GraphKind::hypercube, 12, 0, 0}), "hypercube has a power of two of ranks, as 8 or 16, not 12");
  EXPECT_EQ(refusal({GraphKind::karate_club, 12, 0, 0}), "karate-club has 34 ranks, not 12");
  EXPECT_EQ(refusal({GraphKind::ring, 4, 3, 0}), "ring has no degree to choose, such as 3");
  EXPECT_EQ(refusal({GraphKind::base, 4, 1, 9}), "base draws nothing from a seed, such as 9");
  EXPECT_EQ(refusal({GraphKind::base, 4, 65'536, 0}), "a degree is below 65536, not 65536");
  EXPECT_EQ(refusal({GraphKind::matrix, 4, 0, 0}),
            "matrix is of your own shares: it is made of matrices, or read from a file");
  EXPECT_EQ(make_graph({GraphKind::complete, 4097, 0, 0}).error().code, Code::out_of_resources);
  EXPECT_EQ(refusal({GraphKind::complete, 4097, 0, 0}),
            "complete over 4097 ranks has 16781312 edges in 1 round: at most 16777216 edges and 4194304 ranks times "
            "rounds are held; choose a sparser kind");
  EXPECT_EQ(make_graph({GraphKind::base, 65'536, 65'535, 0}).error().code, Code::out_of_resources);
}

// Goal: numbers are part of the interface: each is a graph's for ever. Method: those that have been given out.
TEST(Graphs, KeepTheirNumbersAndNames) {
  const std::vector<std::string> names = {"one-peer",
                                          "ring",
                                          "torus",
                                          "hypercube",
                                          "complete",
                                          "star",
                                          "exponential",
                                          "one-peer-exponential",
                                          "base",
                                          "southern-women",
                                          "florentine-families",
                                          "karate-club",
                                          "erdos-renyi",
                                          "matrix"};
  ASSERT_EQ(all_graphs().size(), names.size());
  std::string known;
  for (std::size_t number = 0; number < names.size(); ++number) {
    EXPECT_EQ(static_cast<std::size_t>(all_graphs()[number]), number);
    EXPECT_TRUE(is_graph(static_cast<std::int64_t>(number)));
    EXPECT_EQ(graph_kind_name(all_graphs()[number]), names[number]);
    EXPECT_EQ(*parse_graph_kind(names[number]), all_graphs()[number]);
    EXPECT_FALSE(graph_traits(all_graphs()[number]).meaning.empty());
    known += text(known.empty() ? "" : ", ", names[number]);
  }
  for (const std::int64_t number : {-1, 14, 255, 256}) EXPECT_FALSE(is_graph(number)) << number;
  EXPECT_EQ(parse_graph_kind("rings").error().message, text("unknown graph kind \"rings\": expected one of ", known));
}

// Goal: shares that were for the dead stay with their senders, and nobody else's change. Method: a ring of 6 without
// two.
TEST(Without, LeavesTheShareWithItsSender) {
  const Graph ring = made({GraphKind::ring, 6, 0, 0});
  const std::vector<Rank> dead = {Rank{1}, Rank{2}};
  const std::vector<Mix> rest = without(ring, dead).rounds[0];
  const Weight third{1, 3};
  EXPECT_EQ(rest[0].gives, (std::vector<GraphEdge>{{Rank{5}, third}}));
  EXPECT_EQ(rest[0].takes, rest[0].gives);
  EXPECT_NEAR(rest[0].kept(), 2.0 / 3, 1e-15);
  EXPECT_EQ(rest[4], ring.rounds[0][4]);
  EXPECT_EQ(rest[1], Mix());
  EXPECT_EQ(without(ring, {}), ring);

  // One-way shares: rank 1 took of rank 0, which now keeps that; rank 2 gets less than it gives.
  const Mix two = without(made({GraphKind::one_peer_exponential, 4, 0, 0}), std::vector<Rank>{Rank{1}}).rounds[0][2];
  EXPECT_TRUE(two.takes.empty());
  EXPECT_EQ(two.gives.size(), 1u);
}

// Goal: ranks that can never agree are found, both ways. Method: a ring that two deaths cut, and one that they do not;
// a star without its centre.
TEST(Without, MayLeaveRanksThatNeverAgree) {
  const Graph ring = made({GraphKind::ring, 16, 0, 0});
  const auto split = [](const Graph& graph, const std::vector<Rank>& dead) {
    const Status status = check_connected(without(graph, dead), dead);
    return status.ok() ? std::string("connected") : status.error().message;
  };
  EXPECT_EQ(split(ring, {Rank{5}, Rank{6}}), "connected");
  EXPECT_EQ(split(ring, {Rank{5}, Rank{9}}), "nothing of rank 0 ever reaches rank 6");
  EXPECT_EQ(split(made({GraphKind::star, 8, 0, 0}), {Rank{0}}), "nothing of rank 1 ever reaches rank 2");
  EXPECT_EQ(split(made({GraphKind::star, 8, 0, 0}), {Rank{3}}), "connected");
}

// Goal: matrices become the graph that they are, with fractions instead of rounded shares. Method: the doubles of
// graphs that are known, in two rounds; the same with six digits.
TEST(Matrices, BecomeTheGraphTheyAre) {
  for (const GraphRequest& request : every_graph(15)) {
    const Graph graph = made(request);
    std::vector<double> shares;
    for (const std::vector<Mix>& round : graph.rounds) {
      const std::size_t first = shares.size();
      shares.resize(first + 15 * 15, 0.0);
      for (std::size_t rank = 0; rank < 15; ++rank) {
        shares[first + rank * 15 + rank] = round[rank].kept();
        for (const GraphEdge& edge : round[rank].takes)
          shares[first + rank * 15 + edge.peer.value] = edge.weight.value();
      }
    }
    const std::uint32_t period = static_cast<std::uint32_t>(graph.rounds.size());
    const Result<Graph> read = graph_from_matrices(shares, 15, period);
    ASSERT_TRUE(read.ok()) << in_words(request) << ": " << read.error().message;
    EXPECT_FALSE(read->approximate);
    EXPECT_EQ(why(*read), "nothing wrong");
    for (std::size_t round = 0; round < period; ++round) {
      for (std::size_t rank = 0; rank < 15; ++rank) {
        const std::vector<GraphEdge>& expected = graph.rounds[round][rank].takes;
        ASSERT_EQ(read->rounds[round][rank].takes.size(), expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i)
          EXPECT_EQ(read->rounds[round][rank].takes[i].weight.value(), expected[i].weight.value());
      }
    }
    for (double& share : shares) share = std::round(share * 1e7) / 1e7;
    const Result<Graph> rounded = graph_from_matrices(shares, 15, period);
    ASSERT_TRUE(rounded.ok()) << in_words(request) << ": " << rounded.error().message;
    EXPECT_EQ(why(*rounded), "nothing wrong");
  }
  const std::vector<double> inexact = {0.6666667, 0.3333333, 0.3333334, 0.6666666};
  const Result<Graph> marked = graph_from_matrices(inexact, 2, 1);
  ASSERT_TRUE(marked.ok());
  EXPECT_TRUE(marked->approximate);
  Graph unmarked = *marked;
  unmarked.approximate = false;
  EXPECT_THAT(why(unmarked), HasSubstr("its row sums to "));
}

// Goal: a wrong matrix is refused with the place. Method: one of each mistake.
TEST(Matrices, RefuseWrongSharesAndSayWhere) {
  const auto refusal = [](const std::vector<double>& shares, std::uint32_t ranks = 2, std::uint32_t period = 1) {
    const Result<Graph> graph = graph_from_matrices(shares, ranks, period);
    EXPECT_FALSE(graph.ok());
    return graph.ok() ? std::string() : graph.error().message;
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(refusal({.5, .5, .5}), "1 matrix of 2 ranks: expected 4 shares each, not 3 in all");
  EXPECT_EQ(refusal({.5, .5, .5, .5}, 2, 2), "2 matrices of 2 ranks: expected 4 shares each, not 4 in all");
  EXPECT_EQ(refusal({}, 0), "a graph has 1 to 65536 ranks and at least one matrix, not 0 and 1");
  EXPECT_EQ(refusal({}, 2, 0), "a graph has 1 to 65536 ranks and at least one matrix, not 2 and 0");
  EXPECT_EQ(refusal({.5, nan, .5, .5}), "matrix 0: rank 0 takes nan of rank 1: a share is 0, or 1e-08 or more");
  EXPECT_EQ(refusal({1.5, -.5, -.5, 1.5}), "matrix 0: rank 0 takes -0.5 of rank 1: a share is 0, or 1e-08 or more");
  EXPECT_EQ(refusal({.5, .5, .4, .6}), "matrix 0: rank 0's column sums to 0.9, not 1");
  EXPECT_EQ(refusal({.5, .5, .5, .5, .5, .4, .5, .6}, 2, 2), "matrix 1: rank 0's row sums to 0.9, not 1");
  EXPECT_EQ(refusal({0, 1, 1, 0}), "matrix 0: rank 0 keeps nothing of its own");
  EXPECT_EQ(refusal({1, 0, 0, 1}), "nothing of rank 0 ever reaches rank 1");
}

}  // namespace
}  // namespace gossamer::topology
