// Neighbour exchange: bits, consensus, order, refusals. Simulation, and works that a test plays the engine of.
#include "runtime/collectives/neighbor_reduce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "tests/runtime/neighbor_cluster.h"
#include "tests/support/allocations.h"
#include "tests/support/plain_mix.h"

namespace gossamer::runtime {
namespace {

using gossamer::testing::mixed_types;
using testing::all_ranks;
using testing::Exchange;
using testing::GossipState;
using ::testing::HasSubstr;
using testing::plain_operation;
using testing::shared_graph;
using topology::GraphKind;

std::unique_ptr<SimCluster> cluster_of(std::uint32_t ranks, std::uint64_t seed = 1) {
  SimClusterOptions options;
  options.rank_count = ranks;
  options.network.seed = seed;
  return SimCluster::make(options).value();
}

// Shares of a ring that lean one way; not the same numbers as any kind's.
std::shared_ptr<const topology::Graph> leaning_ring(std::uint32_t ranks) {
  std::vector<double> shares(std::size_t{ranks} * ranks, 0.0);
  for (std::uint32_t i = 0; i < ranks; ++i) {
    shares[i * ranks + i] += 0.5;
    shares[i * ranks + (i + 1) % ranks] += 0.3;
    shares[i * ranks + (i + ranks - 1) % ranks] += 0.2;
  }
  return std::make_shared<const topology::Graph>(topology::graph_from_matrices(shares, ranks, 1).value());
}

void expect_bits_of_plain_loop(Exchange& exchange, SimCluster& cluster, std::uint64_t operations) {
  for (std::uint64_t operation = 0; operation < operations; ++operation) {
    const std::vector<GossipState> before = exchange.states();
    ASSERT_TRUE(exchange.run(cluster, all_ranks(cluster)));
    for (std::uint32_t rank = 0; rank < cluster.rank_count(); ++rank)
      ASSERT_TRUE(exchange.state(rank) == plain_operation(exchange.graph(), operation, rank, exchange.type(), before))
          << topology::graph_kind_name(exchange.graph().request.kind) << ", operation " << operation << ", rank "
          << rank;
  }
}

class NeighborReduce : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Ranks, NeighborReduce, ::testing::Range(1u, 17u));

// Goal: over every graph each rank gets the bits of the plain loop, and where a period is claimed to be exact all ranks
// have the mean after it. Method: three periods in f64, one in each other type, all graphs of this many ranks in one
// session.
TEST_P(NeighborReduce, GivesTheBitsOfThePlainLoopOverEveryGraph) {
  const std::uint32_t ranks = GetParam();
  const auto cluster = cluster_of(ranks, ranks);
  std::uint32_t number = 0;
  std::vector<std::shared_ptr<const topology::Graph>> graphs;
  for (const GraphKind kind : topology::all_graphs())
    if (topology::has_graph(kind, ranks)) graphs.push_back(shared_graph({kind, ranks}));
  if (ranks > 2) graphs.push_back(leaning_ring(ranks));
  for (const auto& graph : graphs) {
    for (const sketch::ElementType type : mixed_types) {
      const std::uint64_t period = graph->rounds.size();
      Exchange exchange(*cluster, number, graph, type, 37, 1000 + number);
      ++number;
      std::vector<double> mean(37, 0.0);
      const bool is_f64 = type == sketch::ElementType::f64;
      for (std::uint32_t rank = 0; rank < ranks && is_f64; ++rank)
        for (std::size_t i = 0; i < mean.size(); ++i)
          mean[i] += gossamer::testing::at<double>(exchange.values(rank).data(), i) / ranks;
      expect_bits_of_plain_loop(exchange, *cluster, (is_f64 ? 3 : 1) * period);
      for (std::uint32_t rank = 0; rank < ranks; ++rank) {
        EXPECT_EQ(exchange.state(rank).weight, 1.0);
        const bool is_mean = is_f64 && topology::claims_exact_mean(graph->request.kind, ranks);
        for (std::size_t i = 0; i < mean.size() && is_mean; ++i)
          EXPECT_NEAR(gossamer::testing::at<double>(exchange.values(rank).data(), i), mean[i], 1e-12);
      }
    }
  }
}

// Goal: the graphs of known people as well. Method: a period over 32 and 34 ranks.
TEST(NeighborReduce, GivesTheBitsOfThePlainLoopOverGraphsOfPeople) {
  for (const auto& [kind, ranks] :
       {std::pair{GraphKind::southern_women, 32u}, std::pair{GraphKind::karate_club, 34u}}) {
    const auto cluster = cluster_of(ranks);
    Exchange exchange(*cluster, 0, shared_graph({kind, ranks}), sketch::ElementType::f32, 10, 5);
    expect_bits_of_plain_loop(exchange, *cluster, 2);
  }
}

// Goal: exchanges of one session do not meet, whoever starts which first, and a rank that is fast goes ahead without
// harm. Method: four exchanges, each rank with an order and a pace of its own, 25 operations; the plain loop at the
// end.
TEST(NeighborReduce, ManyInFlightAtAnyPaceDoNotMeet) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    constexpr std::uint32_t ranks = 6;
    constexpr std::uint64_t operations = 25;
    const auto cluster = cluster_of(ranks, seed);
    std::vector<std::unique_ptr<Exchange>> exchanges;
    const std::array kinds = {GraphKind::one_peer, GraphKind::ring, GraphKind::exponential, GraphKind::base};
    for (std::uint32_t i = 0; i < kinds.size(); ++i)
      exchanges.push_back(std::make_unique<Exchange>(*cluster, i, shared_graph({kinds[i], ranks}),
                                                     sketch::ElementType::f32, 20 + i, seed + i));
    std::vector<std::vector<GossipState>> expected;
    for (const auto& exchange : exchanges) {
      std::vector<GossipState> states = exchange->states();
      for (std::uint64_t operation = 0; operation < operations; ++operation) {
        const std::vector<GossipState> before = states;
        for (std::uint32_t rank = 0; rank < ranks; ++rank)
          states[rank] = plain_operation(exchange->graph(), operation, rank, exchange->type(), before);
      }
      expected.push_back(states);
    }
    Random random(seed);
    std::vector<std::uint64_t> started(kinds.size() * ranks, 0);
    const auto step = [&] {
      bool all_ended = true;
      for (std::uint32_t turn = 0; turn < kinds.size() * ranks; ++turn) {
        const auto pick = static_cast<std::uint32_t>(random.below(kinds.size() * ranks));
        Plan& plan = exchanges[pick % kinds.size()]->plan(pick / static_cast<std::uint32_t>(kinds.size()));
        if (plan.is_in_flight() && *plan.test() != Code::done) continue;
        if (started[pick] == operations || random.below(3) != 0) continue;
        EXPECT_TRUE(plan.start().ok());
        ++started[pick];
      }
      for (std::uint32_t pick = 0; pick < started.size(); ++pick) {
        Plan& plan = exchanges[pick % kinds.size()]->plan(pick / static_cast<std::uint32_t>(kinds.size()));
        all_ended = all_ended && started[pick] == operations && (!plan.is_in_flight() || *plan.test() == Code::done);
      }
      return all_ended;
    };
    // Nothing may move while nobody has anything in flight: then time goes on by itself.
    for (int turn = 0; turn < 100'000 && !cluster->run_until(step, 1'000'000); ++turn) continue;
    for (std::uint32_t i = 0; i < kinds.size(); ++i)
      for (std::uint32_t rank = 0; rank < ranks; ++rank)
        EXPECT_TRUE(exchanges[i]->state(rank) == expected[i][rank]) << "seed " << seed << ", exchange " << i;
  }
}

// Goal: memory is a vector for each neighbour of a round, and the own one; not one for each rank or round. Method: what
// the stage asks for, by hand.
TEST(NeighborReduce, HoldsOneVectorForEachNeighbourOfARound) {
  for (const auto& [kind, slots] : {std::pair{GraphKind::ring, 3u}, std::pair{GraphKind::one_peer, 2u},
                                    std::pair{GraphKind::exponential, 7u}, std::pair{GraphKind::complete, 64u}}) {
    std::vector<float> values(1000);
    const auto work = NeighborReduceWork::make({.graph = shared_graph({kind, 64}),
                                                .count = values.size(),
                                                .output = std::as_writable_bytes(std::span(values)).data(),
                                                .place = Rank{5},
                                                .rank_count = 64})
                          .value();
    EXPECT_EQ(work->stages()[0].buffer_bytes(), slots * part_stride(part_header_bytes + 4000));
  }
}

// Goal: with an output of its own the input stays as it was, also where its rank is its group's third. Method: one rank
// alone, which gives and takes nothing; members that are not in order, whom steps then name.
TEST(NeighborReduce, LeavesAnInputOfItsOwnAndNamesMembers) {
  const std::vector<float> input = {1, 2, 3};
  std::vector<float> output(3);
  const auto work = NeighborReduceWork::make({.graph = shared_graph({GraphKind::ring, 1}),
                                              .count = 3,
                                              .input = std::as_bytes(std::span(input)).data(),
                                              .output = std::as_writable_bytes(std::span(output)).data()})
                        .value();
  ASSERT_TRUE(work->prepare(0, {}).ok());
  ASSERT_TRUE(work->prepare(1, std::vector<std::uint64_t>{44}).ok());
  EXPECT_EQ(output, input);

  const auto member = NeighborReduceWork::make({.graph = shared_graph({GraphKind::ring, 3}),
                                                .count = 3,
                                                .output = std::as_writable_bytes(std::span(output)).data(),
                                                .place = Rank{2},
                                                .rank_count = 3,
                                                .members = {Rank{9}, Rank{4}, Rank{6}}})
                          .value();
  const auto& steps = member->stages()[0].schedule.program.rounds[0].steps;
  ASSERT_EQ(steps.size(), 4u);
  EXPECT_EQ(steps[0].peer, Rank{9});
  EXPECT_EQ(steps[1].peer, Rank{4});
}

// Goal: a rank whose vector has no numbers hears of it, gives nothing and takes the weight that came; neighbours keep
// theirs and go on, so weights still sum to the number of ranks; then the mended vector mixes again. Method: one of
// four ranks on a ring, once; then it is mended.
TEST(NeighborReduce, ARankWithoutNumbersGivesNothingAndOthersGoOn) {
  for (const sketch::ElementType type : mixed_types) {
    const auto cluster = cluster_of(4);
    Exchange exchange(*cluster, 0, shared_graph({GraphKind::ring, 4}), type, 9, 3);
    const std::vector<std::byte> good = exchange.values(2);
    const std::size_t size = sketch::element_bytes(type);
    std::fill_n(exchange.values(2).begin() + static_cast<std::ptrdiff_t>(5 * size), size, std::byte{0xff});
    const std::vector<std::byte> bad = exchange.values(2);
    const std::vector<GossipState> before = exchange.states();
    for (std::uint32_t rank = 0; rank < 4; ++rank) ASSERT_TRUE(exchange.plan(rank).start().ok());
    std::optional<Error> error;
    ASSERT_TRUE(cluster->run_until(
        [&] {
          bool all_ended = true;
          for (std::uint32_t rank = 0; rank < 4; ++rank) {
            const auto code = exchange.plan(rank).test();
            if (!code.ok() && rank == 2) error = code.error();
            EXPECT_TRUE(code.ok() || rank == 2) << code.error().message;
            all_ended = all_ended && (!code.ok() || *code == Code::done);
          }
          return all_ended;
        },
        1'000'000'000));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Code::not_finite);
    EXPECT_EQ(error->rank, Rank{2});
    EXPECT_EQ(error->index, 5u);
    EXPECT_THAT(error->message, HasSubstr("first at 5"));
    EXPECT_EQ(exchange.values(2), bad);
    for (const std::uint32_t rank : {1u, 3u})
      EXPECT_TRUE(exchange.state(rank) == plain_operation(exchange.graph(), 0, rank, type, before, {{2}, {}}));
    double weights = 0;
    for (std::uint32_t rank = 0; rank < 4; ++rank) weights += exchange.state(rank).weight;
    EXPECT_NEAR(weights, 4.0, 1e-14);
    EXPECT_GT(exchange.state(2).weight, 1.5);

    exchange.values(2) = good;
    const std::vector<GossipState> mended = exchange.states();
    ASSERT_TRUE(exchange.run(*cluster, all_ranks(*cluster)));
    for (std::uint32_t rank = 0; rank < 4; ++rank)
      EXPECT_TRUE(exchange.state(rank) == plain_operation(exchange.graph(), 1, rank, type, mended));
  }
}

// Goal: an operation allocates nothing. Method: a work between two neighbours whose parts the test writes, twenty
// times.
TEST(NeighborReduce, AllocatesNothingInAnOperation) {
  std::vector<float> values(100, 1.0f);
  const auto work = NeighborReduceWork::make({.graph = shared_graph({GraphKind::ring, 3}),
                                              .count = values.size(),
                                              .output = std::as_writable_bytes(std::span(values)).data(),
                                              .place = Rank{1},
                                              .rank_count = 3})
                        .value();
  const Stage& stage = work->stages()[0];
  const std::array<std::uint64_t, 3> lengths = {432, 432, 432};
  const std::uint64_t before = gossamer::testing::allocation_count();
  bool all = true;
  for (std::uint64_t operation = 1; operation <= 20; ++operation) {
    all &= work->prepare(0, {}).ok();
    for (const std::size_t slot : {1u, 2u})
      encode_part_header({PartKind::values, operation, 1.0, 400}, stage.buffer + slot * part_stride(stage.bytes_max));
    all &= work->prepare(1, lengths).ok();
  }
  EXPECT_EQ(gossamer::testing::allocation_count(), before);
  EXPECT_TRUE(all);
}

// ---- what is refused -----------------------------------------------------------------------------

NeighborReduceConfig good_config(std::vector<float>& values) {
  return {.graph = shared_graph({GraphKind::ring, 4}),
          .count = values.size(),
          .output = std::as_writable_bytes(std::span(values)).data(),
          .rank_count = 4};
}

std::string refusal(const NeighborReduceConfig& config) {
  const Status status = check_neighbor_reduce(config);
  if (status.ok()) return "accepted";
  EXPECT_EQ(status.error().code, Code::invalid_argument);
  return status.error().message;
}

// Goal: what cannot be exchanged is refused in words that say what was expected. Method: each mistake by hand.
TEST(NeighborReduceRefuses, WhatCannotBeExchanged) {
  std::vector<float> values(10);
  const NeighborReduceConfig good = good_config(values);
  EXPECT_EQ(refusal(good), "accepted");
  NeighborReduceConfig bad = good;
  bad.graph = nullptr;
  EXPECT_EQ(refusal(bad), "neighbor-reduce: no graph is given, expected who mixes with whom");
  bad = good;
  bad.rank_count = 5;
  EXPECT_EQ(refusal(bad), "neighbor-reduce: the graph is of 4 ranks, and 5 take part");
  bad = good;
  bad.type = sketch::ElementType::i32;
  EXPECT_EQ(refusal(bad), "neighbor-reduce: elements of i32 have no shares: expected f32, f64, bf16 or f16");
  bad = good;
  bad.output = nullptr;
  EXPECT_EQ(refusal(bad), "neighbor-reduce: output is NULL, expected 10 elements");
  bad.count = 0;
  EXPECT_EQ(refusal(bad), "accepted");
  bad = good;
  bad.count = 4;
  bad.input = good.output + 4;
  EXPECT_EQ(refusal(bad),
            "neighbor-reduce: input and output overlap: expected the same address, for in place, or apart");
  bad.input = good.output + 16;
  EXPECT_EQ(refusal(bad), "accepted");
  bad = good;
  topology::Graph broken = *good.graph;
  broken.rounds[0][1].takes.clear();
  bad.graph = std::make_shared<const topology::Graph>(broken);
  EXPECT_THAT(refusal(bad), HasSubstr("neighbor-reduce: the graph does not mix: rank 0 in round 0 gives to rank 1"));
}

// Goal: graphs that differ in anything have different hashes, and equal ones the same. Method: kinds, degrees, seeds.
TEST(NeighborReduceRefuses, TellsGraphsApartByTheirHash) {
  std::set<std::uint64_t> hashes;
  for (const topology::GraphRequest& request : {topology::GraphRequest{GraphKind::ring, 8},
                                                {GraphKind::torus, 8},
                                                {GraphKind::base, 8, 1},
                                                {GraphKind::base, 8, 2},
                                                {GraphKind::erdos_renyi, 8, 3, 1},
                                                {GraphKind::erdos_renyi, 8, 3, 2}}) {
    EXPECT_EQ(hash_graph(*shared_graph(request)), hash_graph(*shared_graph(request)));
    hashes.insert(hash_graph(*shared_graph(request)));
  }
  EXPECT_EQ(hashes.size(), 6u);
}

// ---- parts from outside --------------------------------------------------------------------------

constexpr PartExpected expected_part{.from = Rank{3}, .operation = 7, .value_bytes = 8, .weight_max = 4};

std::vector<std::byte> message_of(const NeighborPart& header, std::size_t bytes_behind) {
  std::vector<std::byte> message(part_header_bytes + bytes_behind);
  encode_part_header(header, message.data());
  return message;
}

std::string answer_to(const std::vector<std::byte>& message) {
  const auto part = decode_part(message, expected_part);
  if (part.ok()) return "accepted";
  EXPECT_EQ(part.error().code, Code::malformed);
  EXPECT_EQ(part.error().rank, Rank{3});
  return part.error().message;
}

// Goal: a part is taken as it was sent, and whatever is not what is expected is malformed, with the rank and both
// values. Method: each field wrong, alone.
TEST(NeighborParts, AreWhatIsExpectedOrMalformed) {
  const NeighborPart good{PartKind::values, 7, 0.75, 8};
  const auto back = decode_part(message_of(good, 8), expected_part);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->kind, PartKind::values);
  EXPECT_EQ(back->weight, 0.75);
  EXPECT_EQ(answer_to(message_of({PartKind::none, 7, 0, 0}, 0)), "accepted");

  EXPECT_EQ(answer_to({}), "the part of rank 3 has 0 B, expected a header of 32 B");
  EXPECT_EQ(answer_to(std::vector<std::byte>(31)), "the part of rank 3 has 31 B, expected a header of 32 B");
  EXPECT_EQ(answer_to(std::vector<std::byte>(40)), "the part of rank 3 is of version 0, expected 1");
  EXPECT_EQ(answer_to(message_of({PartKind::values, 8, 0.75, 8}, 8)),
            "the part of rank 3 is of operation 8, expected 7");
  EXPECT_EQ(answer_to(message_of({PartKind{2}, 7, 0.75, 8}, 8)), "the part of rank 3 is of unknown kind 2");
  EXPECT_EQ(answer_to(message_of(good, 7)), "the part of rank 3 says 8 B of values and has 7 B, expected 8 B");
  EXPECT_EQ(answer_to(message_of({PartKind::values, 7, 0.75, 9}, 8)),
            "the part of rank 3 says 9 B of values and has 8 B, expected 8 B");
  EXPECT_EQ(answer_to(message_of({PartKind::none, 7, 0, 0}, 8)),
            "the part of rank 3 says 0 B of values and has 8 B, expected 0 B");
  for (const double weight : {0.0, -1.0, 4.5, std::numeric_limits<double>::infinity()})
    EXPECT_EQ(answer_to(message_of({PartKind::values, 7, weight, 8}, 8)),
              text("the part of rank 3 has the weight ", weight, ", expected one above 0, at most 4"));
  EXPECT_THAT(answer_to(message_of({PartKind::values, 7, std::nan(""), 8}, 8)), HasSubstr("nan"));
  EXPECT_EQ(answer_to(message_of({PartKind::none, 7, 1, 0}, 0)), "the part of rank 3 has the weight 1, expected 0");
}

// Goal: a part that is wrong, or that stayed away though its rank lives, ends the operation here with that rank's name
// and changes nothing; its weight is not taken. Method: a work between two neighbours whose parts the test writes.
TEST(NeighborParts, ThatAreWrongEndTheOperation) {
  for (const bool is_absent : {false, true}) {
    std::vector<float> values = {1, 2};
    const auto work = NeighborReduceWork::make({.graph = shared_graph({GraphKind::ring, 3}),
                                                .count = 2,
                                                .output = std::as_writable_bytes(std::span(values)).data(),
                                                .place = Rank{1},
                                                .rank_count = 3})
                          .value();
    const Stage& stage = work->stages()[0];
    ASSERT_EQ(work->prepare(0, {})->own_bytes, 40u);
    const auto slot = [&](std::size_t i) { return stage.buffer + i * part_stride(stage.bytes_max); };
    encode_part_header({PartKind::values, 1, 1.0, 8}, slot(1));
    encode_part_header({PartKind::values, 2, 1.0, 8}, slot(2));
    const auto ended = work->prepare(1, std::vector<std::uint64_t>{40, 40, is_absent ? 0u : 40u});
    ASSERT_FALSE(ended.ok());
    EXPECT_EQ(ended.error().message, is_absent ? "the part of rank 2 has 0 B, expected a header of 32 B"
                                               : "the part of rank 2 is of operation 2, expected 1");
    EXPECT_EQ(values, (std::vector<float>{1, 2}));
    EXPECT_NEAR(work->weight(), 2.0 / 3, 1e-15);
  }
}

}  // namespace
}  // namespace gossamer::runtime
