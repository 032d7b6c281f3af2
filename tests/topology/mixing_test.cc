#include "topology/mixing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "every_graph.h"

namespace gossamer::topology {
namespace {

Mixing measured(const GraphRequest& request) {
  const Result<Mixing> mixing = measure_mixing(made(request));
  EXPECT_TRUE(mixing.ok()) << in_words(request) << ": " << (mixing.ok() ? "" : mixing.error().message);
  return mixing.ok() ? *mixing : Mixing{};
}

// Goal: gaps are those that numpy computes from the same matrices. Method: each static kind in several sizes, to four
// digits.
TEST(Mixing, HasTheKnownGaps) {
  struct Known {
    GraphKind kind;
    std::uint32_t ranks;
    double gap;
  };
  const Known known[] = {
      {GraphKind::ring, 8, .1953},         {GraphKind::ring, 16, .0507},        {GraphKind::ring, 32, .0128},
      {GraphKind::ring, 64, .0032},        {GraphKind::torus, 16, .4},          {GraphKind::torus, 64, .1172},
      {GraphKind::hypercube, 8, .5},       {GraphKind::hypercube, 16, .4},      {GraphKind::hypercube, 64, .2857},
      {GraphKind::exponential, 6, .5},     {GraphKind::exponential, 8, .5},     {GraphKind::exponential, 16, .4},
      {GraphKind::exponential, 32, .3333}, {GraphKind::exponential, 64, .2857}, {GraphKind::star, 8, .125},
      {GraphKind::star, 16, .0625},        {GraphKind::complete, 16, 1}};
  for (const Known& each : known) {
    const Mixing mixing = measured({each.kind, each.ranks, 0, 0});
    EXPECT_NEAR(mixing.gap_of_round, each.gap, 5e-5) << graph_kind_name(each.kind) << " " << each.ranks;
    EXPECT_EQ(mixing.gap_of_period, mixing.gap_of_round);
    EXPECT_FALSE(mixing.is_estimated);
  }
}

// Goal: the other figures of a graph are right. Method: kinds whose figures can be counted by hand.
TEST(Mixing, CountsPeersRoundsAndParts) {
  const Mixing ring = measured({GraphKind::ring, 16, 0, 0});
  EXPECT_EQ(ring.degree, 2u);
  EXPECT_EQ(ring.period, 1u);
  EXPECT_EQ(ring.parts_a_step, 2);
  EXPECT_TRUE(ring.is_symmetric);
  EXPECT_FALSE(ring.is_exact);
  EXPECT_EQ(ring.steps_to_thousandth, 133u);  // ln .001 / ln .9493
  const Mixing one_peer = measured({GraphKind::one_peer, 16, 0, 0});
  EXPECT_EQ(one_peer.degree, 1u);
  EXPECT_EQ(one_peer.period, 4u);
  EXPECT_EQ(one_peer.parts_a_step, 1);
  EXPECT_FALSE(one_peer.is_symmetric);
  EXPECT_TRUE(one_peer.is_exact);
  EXPECT_EQ(one_peer.gap_of_period, 1);
  EXPECT_EQ(one_peer.steps_to_thousandth, 4u);
  EXPECT_EQ(measured({GraphKind::star, 16, 0, 0}).parts_a_step, 15);
  EXPECT_EQ(measured({GraphKind::complete, 2, 0, 0}).steps_to_thousandth, 1u);
  EXPECT_TRUE(measured({GraphKind::ring, 3, 0, 0}).is_exact);  // it is complete, though its kind does not claim so
}

// Goal: a period that is nearly the mean is not called exact. Method: the one-peer exponential graph of 12.
TEST(Mixing, TellsNearlyExactFromExact) {
  const Mixing twelve = measured({GraphKind::one_peer_exponential, 12, 0, 0});
  EXPECT_FALSE(twelve.is_exact);
  EXPECT_GT(twelve.gap_of_period, 0.5);
  EXPECT_LT(twelve.gap_of_period, 0.999);
  EXPECT_NEAR(1 - twelve.gap_of_period, std::pow(1 - twelve.gap_of_round, 4), 1e-12);
  for (std::uint32_t ranks = 1; ranks <= 40; ++ranks)
    EXPECT_TRUE(measured({GraphKind::one_peer, ranks, 0, 0}).is_exact) << ranks;
}

// Goal: above the sizes whose matrix is taken whole the gap is still right. Method: circles, whose singular values have
// a closed form: 1/3 + 2/3 cos(2 pi / n); and the torus of 64 by 64.
TEST(Mixing, EstimatesGapsOfLargeGraphs) {
  for (const std::uint32_t ranks : {1025u, 4096u}) {
    const Mixing mixing = measured({GraphKind::ring, ranks, 0, 0});
    const double gap = 2.0 / 3 * (1 - std::cos(2 * std::numbers::pi / ranks));
    EXPECT_TRUE(mixing.is_estimated);
    EXPECT_NEAR(mixing.gap_of_round / gap, 1, 0.01) << ranks;
    EXPECT_GE(mixing.gap_of_round, gap * (1 - 1e-6)) << ranks;
  }
  EXPECT_NEAR(measured({GraphKind::torus, 4096, 0, 0}).gap_of_round, 0.4 * (1 - std::cos(2 * std::numbers::pi / 64)),
              1e-5);
  EXPECT_NEAR(measured({GraphKind::exponential, 2048, 0, 0}).gap_of_round, 2.0 / 12, 1e-4);
}

// Goal: deaths cost what numpy says. Method: one dead, two beside each other, two that cut a ring; a star without its
// centre; an exact graph that is exact no more.
TEST(Deaths, CostTheKnownGaps) {
  const auto left = [](const GraphRequest& request, const std::vector<Rank>& dead) {
    const Result<Survival> survival = measure_without(made(request), dead);
    EXPECT_TRUE(survival.ok()) << in_words(request);
    return survival.ok() ? *survival : Survival{};
  };
  EXPECT_NEAR(left({GraphKind::ring, 16, 0, 0}, {Rank{5}}).gap_of_round, .0146, 5e-5);
  EXPECT_NEAR(left({GraphKind::torus, 16, 0, 0}, {Rank{5}}).gap_of_round, .331, 5e-4);
  const Survival cut = left({GraphKind::ring, 16, 0, 0}, {Rank{5}, Rank{9}});
  EXPECT_EQ(cut.gap_of_round, 0);
  EXPECT_FALSE(cut.steps_to_thousandth.has_value());
  EXPECT_GT(left({GraphKind::ring, 16, 0, 0}, {Rank{5}, Rank{6}}).gap_of_round, 0);
  EXPECT_EQ(left({GraphKind::star, 8, 0, 0}, {Rank{0}}).gap_of_round, 0);
  const Survival base = left({GraphKind::base, 16, 1, 0}, {Rank{5}});
  EXPECT_GT(base.gap_of_period, 0.5);
  EXPECT_LT(base.gap_of_period, 1);
  EXPECT_EQ(left({GraphKind::ring, 3, 0, 0}, {Rank{0}, Rank{1}}).gap_of_round, 1);  // one is left, and agrees
}

// Goal: with one-way shares, too, the survivors come together at the rate that is told. Method: push-sum in floating
// point over the exponential graph without one, against the eigenvalue.
TEST(Deaths, TellTheRateAtWhichPushSumConverges) {
  const Graph graph = made({GraphKind::exponential, 16, 0, 0});
  const std::vector<Rank> dead = {Rank{5}};
  const Graph rest = without(graph, dead);
  std::vector<double> values(16), weights(16, 1.0);
  for (std::size_t i = 0; i < 16; ++i) values[i] = static_cast<double>(i);
  values[5] = weights[5] = 0;
  const auto mixed = [&](const std::vector<double>& from) {
    std::vector<double> to(16);
    for (std::size_t rank = 0; rank < 16; ++rank) {
      to[rank] = rest.rounds[0][rank].kept() * from[rank];
      for (const GraphEdge& edge : rest.rounds[0][rank].takes) to[rank] += edge.weight.value() * from[edge.peer.value];
    }
    return to;
  };
  const auto spread = [&] {
    double least = 1e9, most = -1e9;
    for (std::size_t rank = 0; rank < 16; ++rank) {
      if (rank == 5) continue;
      least = std::min(least, values[rank] / weights[rank]);
      most = std::max(most, values[rank] / weights[rank]);
    }
    return most - least;
  };
  const auto go = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      values = mixed(values);
      weights = mixed(weights);
    }
  };
  go(10);
  const double before = spread();
  go(40);
  const double rate = std::pow(spread() / before, 1.0 / 40);
  EXPECT_NEAR(1 - rate, measure_without(graph, dead)->gap_of_round, 0.01);
  EXPECT_NEAR(values[3] / weights[3], (120.0 - 5) / 15, 1e-3);  // the mean of the survivors, by their weights
}

// Goal: deaths are told for each rank, and only where they can be. Method: a star; a wrong rank; too many; nobody left.
TEST(Deaths, AreMeasuredOneByOne) {
  const Result<std::vector<Survival>> star = measure_deaths(made({GraphKind::star, 6, 0, 0}));
  ASSERT_TRUE(star.ok());
  ASSERT_EQ(star->size(), 6u);
  EXPECT_EQ(star->at(0).gap_of_round, 0);
  for (std::size_t rank = 1; rank < 6; ++rank) EXPECT_GT(star->at(rank).gap_of_round, 0.1);
  const auto refusal = [](const GraphRequest& request, const std::vector<Rank>& dead) {
    return measure_without(made(request), dead).error().message;
  };
  EXPECT_EQ(refusal({GraphKind::ring, 4, 0, 0}, {Rank{4}}), "rank 4 is not one of 4 ranks");
  EXPECT_EQ(refusal({GraphKind::ring, 2, 0, 0}, {Rank{0}, Rank{1}}), "nobody is left to agree");
  EXPECT_EQ(refusal({GraphKind::ring, 129, 0, 0}, {Rank{0}}), "deaths are measured for up to 128 ranks, not 129");
  EXPECT_EQ(measure_deaths(made({GraphKind::ring, 1, 0, 0})).error().message,
            "the death of the only rank leaves nobody");
}

// Goal: nothing is measured of a graph that is wrong. Method: one share changed on one side.
TEST(Mixing, RefusesAGraphThatIsWrong) {
  Graph graph = made({GraphKind::ring, 4, 0, 0});
  graph.rounds[0][0].gives[0].weight = {1, 4};
  EXPECT_EQ(measure_mixing(graph).error().message, why(graph));
  EXPECT_EQ(measure_deaths(graph).error().message, why(graph));
}

}  // namespace
}  // namespace gossamer::topology
