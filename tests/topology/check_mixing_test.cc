// The proof must find what is wrong: each case breaks a right graph in one way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "every_graph.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

Graph ring_of_4() { return made({GraphKind::ring, 4, 0, 0}); }
Graph base_of_5() { return made({GraphKind::base, 5, 1, 0}); }
// Gives one way: to 1 and 2 ahead.
Graph exponential_of_4() { return made({GraphKind::exponential, 4, 0, 0}); }

Mix& mix_of(Graph& graph, std::size_t rank, std::size_t round = 0) { return graph.rounds.at(round).at(rank); }

// Sets the share that `from` gives to `to`, on both sides.
void set_share(Graph& graph, std::uint32_t from, std::uint32_t to, Weight share, std::size_t round = 0) {
  for (GraphEdge& edge : mix_of(graph, from, round).gives)
    if (edge.peer.value == to) edge.weight = share;
  for (GraphEdge& edge : mix_of(graph, to, round).takes)
    if (edge.peer.value == from) edge.weight = share;
}

// Goal: lists that are no lists of other ranks are found. Method: each way of being wrong.
TEST(CheckMixing, FindsListsThatAreOutOfShape) {
  const auto broken = [](auto change) {
    Graph graph = ring_of_4();
    change(mix_of(graph, 1));
    return why(graph);
  };
  EXPECT_EQ(broken([](Mix& mix) { mix.takes[1].peer.value = 4; }), "rank 1 in round 0 takes from rank 4 of 4");
  EXPECT_EQ(broken([](Mix& mix) { mix.takes[1].peer.value = 1; }), "rank 1 in round 0 takes from itself");
  EXPECT_EQ(broken([](Mix& mix) { mix.gives[1] = mix.gives[0]; }), "rank 1 in round 0 gives to rank 0 twice");
  EXPECT_EQ(broken([](Mix& mix) { std::swap(mix.gives[0], mix.gives[1]); }),
            "rank 1 in round 0 names rank 0 behind rank 2: lists are ascending");
  for (const Weight share : {Weight{0, 3}, Weight{3, 3}, Weight{4, 3}, Weight{1, 0}, Weight{0, 0}}) {
    EXPECT_EQ(broken([&](Mix& mix) { mix.takes[0].weight = share; }),
              text("rank 1 in round 0 takes from rank 0 the share ", share.numerator, "/", share.denominator,
                   ": a share is above 0 and below 1"));
  }
}

// Goal: a graph that has not what it says is found. Method: each part of it that can be missing or too large.
TEST(CheckMixing, FindsWhatIsMissing) {
  Graph graph = base_of_5();
  graph.rounds[2].pop_back();
  EXPECT_EQ(why(graph), "the graph says 5 ranks but round 2 has 4");
  graph.rounds.clear();
  EXPECT_EQ(why(graph), "a graph has at least one round");
  graph.request.rank_count = 0;
  EXPECT_EQ(why(graph), "a graph has 1 to 65536 ranks, not 0");
  graph.request.kind = static_cast<GraphKind>(99);
  EXPECT_EQ(why(graph), "unknown graph kind 99");
  const Graph long_one{{GraphKind::matrix, 65'536, 0, 0}, false, std::vector(65, std::vector<Mix>(65'536))};
  EXPECT_EQ(check_mixing(long_one).error().code, Code::out_of_resources);
}

// Goal: an edge that one side alone knows, or knows otherwise, is found. Method: drop each side; change one.
TEST(CheckMixing, FindsOneSidedEdges) {
  Graph not_taken = exponential_of_4();
  mix_of(not_taken, 2).takes.erase(mix_of(not_taken, 2).takes.begin());
  EXPECT_EQ(why(not_taken), "rank 0 in round 0 gives to rank 2, which does not take from it");
  Graph last_not_taken = exponential_of_4();
  mix_of(last_not_taken, 2).takes.pop_back();
  EXPECT_EQ(why(last_not_taken), "rank 1 in round 0 gives to rank 2, which does not take from it");
  Graph not_given = exponential_of_4();
  mix_of(not_given, 0).gives.erase(mix_of(not_given, 0).gives.begin() + 1);
  EXPECT_EQ(why(not_given), "rank 2 in round 0 takes from rank 0, which does not give to it");
  Graph last_not_given = exponential_of_4();
  mix_of(last_not_given, 3).gives.pop_back();
  EXPECT_EQ(why(last_not_given), "rank 1 in round 0 takes from rank 3, which does not give to it");
  Graph other_share = exponential_of_4();
  mix_of(other_share, 3).gives[0].weight = {1, 4};
  EXPECT_EQ(why(other_share), "rank 3 in round 0 gives 1/4 to rank 0, which takes 1/3");
  Graph other_words =
      exponential_of_4();  // the same number: two sides write it alike, or one of them was made elsewhere
  mix_of(other_words, 3).gives[0].weight = {2, 6};
  EXPECT_EQ(why(other_words), "rank 3 in round 0 gives 2/6 to rank 0, which takes 1/3");
}

// Goal: rows that do not sum to 1 are found, however little is missing. Method: one share changed on both sides, by
// much and by 1e-18; all shares changed so that the sum is right again in other fractions.
TEST(CheckMixing, FindsRowsThatDoNotSumToOne) {
  Graph graph = exponential_of_4();
  set_share(graph, 0, 1, {1, 4});
  EXPECT_EQ(why(graph),
            "rank 0 in round 0 takes 0.666667 of others and gives 0.583333 away: its row sums to 13/12, not 1");
  graph = exponential_of_4();
  set_share(graph, 0, 1, {1'431'655'765, 4'294'967'294});  // 1/3 - 1/12,884,901,882
  EXPECT_THAT(why(graph),
              HasSubstr("rank 0 in round 0 takes 0.666667 of others and gives 0.666667 away: its row sums to "
                        "12884901881/12884901882, not 1"));
  graph = exponential_of_4();
  for (std::uint32_t rank = 0; rank < 4; ++rank) {
    set_share(graph, rank, (rank + 1) % 4, {1, 2});
    set_share(graph, rank, (rank + 2) % 4, {1, 6});
  }
  EXPECT_EQ(why(graph), "nothing wrong");
  set_share(graph, 0, 1, {3, 6});
  EXPECT_EQ(why(graph), "nothing wrong");
}

// Goal: a rank that would have nothing left of its own is found. Method: shares that sum to 1, and to more.
TEST(CheckMixing, FindsARankThatKeepsNothing) {
  Graph graph = exponential_of_4();
  for (std::uint32_t rank = 0; rank < 4; ++rank) {
    set_share(graph, rank, (rank + 1) % 4, {1, 2});
    set_share(graph, rank, (rank + 2) % 4, {1, 2});
  }
  EXPECT_EQ(why(graph), "rank 0 in round 0 keeps 0 of its own: it gives away more than it may");
  set_share(graph, 0, 1, {2, 3});
  EXPECT_THAT(why(graph), HasSubstr("rank 0 in round 0 keeps -0.166667 of its own"));
}

// Goal: ranks that never hear of others are found. Method: a round in two parts; two rounds in which the parts differ,
// so that all meet.
TEST(CheckMixing, FindsPartsThatNeverMeet) {
  const auto pairs = [](std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> rounds) {
    Graph graph{{GraphKind::matrix, 4, 0, 0}, false, {}};
    for (const auto& round : rounds) {
      std::vector<Mix>& mixes = graph.rounds.emplace_back(4);
      for (const auto& [one, other] : round) {
        mixes[one].takes = mixes[one].gives = {{Rank{other}, {1, 2}}};
        mixes[other].takes = mixes[other].gives = {{Rank{one}, {1, 2}}};
      }
    }
    return why(graph);
  };
  EXPECT_EQ(pairs({{{0, 1}, {2, 3}}}), "nothing of rank 0 ever reaches rank 2");
  EXPECT_EQ(pairs({{{1, 2}, {2, 3}}}), "rank 1 in round 0 gives to rank 2, which does not take from it");
  EXPECT_EQ(pairs({{{0, 1}, {2, 3}}, {{1, 2}}}), "nothing wrong");
}

// Goal: a kind that claims the exact mean is held to it. Method: a period without each of its rounds, with two rounds
// exchanged, with a share changed on both sides and in both directions; an inexact graph under an exact name.
TEST(CheckMixing, FindsAPeriodThatIsNotTheExactMean) {
  Graph last = base_of_5();
  last.rounds.pop_back();
  EXPECT_EQ(why(last),
            "after a period of 4 rounds rank 0 has 0 of rank 4, not 1/5 (off by 0.2): base claims the exact mean");
  for (const std::uint32_t ranks : {5u, 6u, 24u, 63u}) {
    const Graph right = made({GraphKind::base, ranks, 1, 0});
    for (std::size_t round = 0; round < right.rounds.size(); ++round) {
      Graph graph = right;
      graph.rounds.erase(graph.rounds.begin() + static_cast<std::ptrdiff_t>(round));
      EXPECT_NE(why(graph), "nothing wrong") << ranks << " ranks without round " << round;
    }
  }
  Graph swapped = base_of_5();
  std::swap(swapped.rounds[1], swapped.rounds[2]);
  EXPECT_THAT(why(swapped), HasSubstr("base claims the exact mean"));
  Graph share = base_of_5();
  set_share(share, 3, 4, {3, 5}, 2);
  set_share(share, 4, 3, {3, 5}, 2);
  EXPECT_THAT(why(share), HasSubstr("base claims the exact mean"));
  Graph renamed = ring_of_4();
  renamed.request.kind = GraphKind::complete;
  EXPECT_EQ(why(renamed),
            "after a period of 1 round rank 0 has 0 of rank 2, not 1/4 (off by 0.25): complete claims the exact mean");
  Graph one_peer = made({GraphKind::one_peer_exponential, 12, 0, 0});
  one_peer.request.kind = GraphKind::one_peer;
  EXPECT_THAT(why(one_peer), HasSubstr("of rank"));
}

// Goal: a share that is off by so little that floating point would not see it is found. Method: a right half becomes
// (2^31 - 1) / 2^32, in both directions of a pair: 1e-10 off, and then in a graph that has to be multiplied with random
// vectors.
TEST(CheckMixing, FindsWhatIsOffByATenthOfABillionth) {
  const Weight nearly_half{2'147'483'647, 4'294'967'295};
  Graph small = base_of_5();
  set_share(small, 0, 1, nearly_half);
  set_share(small, 1, 0, nearly_half);
  EXPECT_EQ(
      why(small),
      "after a period of 5 rounds rank 0 has 0.2 of rank 1, not 1/5 (off by 1.2e-11): base claims the exact mean");
  Graph large = made({GraphKind::base, 8192, 1, 0});
  set_share(large, 4095, 4094, nearly_half);
  set_share(large, 4094, 4095, nearly_half);
  EXPECT_THAT(why(large), HasSubstr("base claims the exact mean"));
}

// Goal: rounded shares are allowed where the graph says so, to a millionth and no more. Method: shares with six and
// five digits.
TEST(CheckMixing, AllowsAMillionthToGraphsThatSayTheyAreRounded) {
  Graph graph = exponential_of_4();
  set_share(graph, 0, 1, {3'333'335, 10'000'000});
  EXPECT_THAT(why(graph), HasSubstr("its row sums to "));
  graph.approximate = true;
  EXPECT_EQ(why(graph), "nothing wrong");
  set_share(graph, 0, 1, {33'335, 100'000});
  EXPECT_THAT(why(graph), HasSubstr("its row sums to "));
}

// Goal: where numbers pass the arithmetic, the proof says that it cannot say. Method: shares with many denominators
// that do not cancel.
TEST(CheckMixing, SaysWhenDenominatorsAreTooMany) {
  Graph graph = made({GraphKind::complete, 8, 0, 0});
  const std::uint32_t denominators[] = {4'294'967'291, 4'294'967'279, 4'294'967'231};
  for (std::uint32_t i = 0; i < 3; ++i) {
    set_share(graph, 0, i + 1, {denominators[i] / 8, denominators[i]});
  }
  const Status status = check_mixing(graph);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::out_of_resources);
  EXPECT_THAT(status.error().message, HasSubstr("a common denominator of more than 62 bits"));
}

// Goal: no graph is right any more when one edge of it is not. Method: any graph to 40 ranks; one edge, drawn by
// chance, is forgotten by a side, told twice, given another share by one side, or by both in one direction.
RC_GTEST_PROP(CheckMixing, FindsAnyEdgeThatIsBroken, (std::uint64_t seed)) {
  Random random(seed);
  const std::vector<GraphRequest> requests = every_graph(2 + static_cast<std::uint32_t>(random.below(39)));
  Graph graph = made(requests[random.below(requests.size())]);
  std::size_t round = 0;
  std::uint32_t giver = 0;
  do {
    round = random.below(graph.rounds.size());
    giver = static_cast<std::uint32_t>(random.below(graph.request.rank_count));
  } while (mix_of(graph, giver, round).gives.empty());
  std::vector<GraphEdge>& gives = mix_of(graph, giver, round).gives;
  const auto given = gives.begin() + static_cast<std::ptrdiff_t>(random.below(gives.size()));
  const GraphEdge edge = *given;
  std::vector<GraphEdge>& takes = mix_of(graph, edge.peer.value, round).takes;
  const auto taken = std::find(takes.begin(), takes.end(), GraphEdge{Rank{giver}, edge.weight});
  const Weight other{1, edge.weight.denominator + 1};
  switch (random.below(6)) {
    case 0:
      gives.erase(given);
      break;
    case 1:
      takes.erase(taken);
      break;
    case 2:
      gives.insert(given, edge);
      break;
    case 3:
      given->weight = other;
      break;
    case 4:
      taken->weight = other;
      break;
    default:
      given->weight = taken->weight = other;
  }
  RC_ASSERT(why(graph) != "nothing wrong");
}

}  // namespace
}  // namespace gossamer::topology
