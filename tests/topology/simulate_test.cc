#include "topology/simulate/simulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "every_request.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

// Whole picoseconds, and no two sums of them alike.
constexpr HostModel host{
    .latency_ns = 1'100, .overhead_ns = 210, .gap_ns = 0, .per_byte_ns = 0.5, .merge_ns_per_byte = 0.25};
constexpr std::uint64_t L = 1'100'000, o = 210'000;
constexpr std::uint64_t G(std::uint64_t bytes) { return bytes * 500; }
constexpr std::uint64_t gamma_of(std::uint64_t bytes) { return bytes * 250; }

std::unique_ptr<Fabric> fabric_of(std::string_view words, std::uint32_t ranks, double latency_ns = 0) {
  Result<std::unique_ptr<Fabric>> made = make_fabric(words, {ranks, host.per_byte_ns, latency_ns});
  EXPECT_TRUE(made.ok()) << words << ": " << (made.ok() ? "" : made.error().message);
  return made.ok() ? *std::move(made) : nullptr;
}

Outcome played(const ScheduleRequest& request, std::uint64_t bytes, const Fabric& fabric,
               const HostModel& model = host) {
  Result<Outcome> outcome = simulate(request, bytes, {fabric, model});
  EXPECT_TRUE(outcome.ok()) << in_words(request) << ": " << (outcome.ok() ? "" : outcome.error().message);
  return outcome.ok() ? *std::move(outcome) : Outcome{};
}

std::uint64_t time_on_flat(ScheduleKind kind, Collective collective, std::uint32_t ranks, std::uint64_t bytes,
                           const HostModel& model = host) {
  return played({kind, collective, ranks, Rank{0}}, bytes, *fabric_of("flat", ranks), model).time;
}

// One round in which each rank sends all to `to(rank)`, if that is another rank.
template <typename To>
Schedule one_round(std::uint32_t ranks, const To& to) {
  Schedule schedule{{ScheduleKind::star, Collective::broadcast, ranks, Rank{0}}, 1, {}};
  schedule.programs.resize(ranks, Program{{Round{}}});
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    if (to(rank) == rank) continue;
    schedule.programs[rank].rounds[0].steps.push_back({StepKind::send, Rank{to(rank)}, {0, 1}});
    schedule.programs[to(rank)].rounds[0].steps.push_back({StepKind::receive, Rank{rank}, {0, 1}});
  }
  return schedule;
}

Outcome played_value(const Schedule& schedule, std::uint64_t bytes, const Fabric& fabric,
                     const HostModel& model = host) {
  Result<Outcome> outcome = simulate(schedule, bytes, {fabric, model});
  EXPECT_TRUE(outcome.ok()) << (outcome.ok() ? "" : outcome.error().message);
  return outcome.ok() ? *std::move(outcome) : Outcome{};
}

// Goal: one message costs o + L + bytes * G + o, to the picosecond. Method: a broadcast to one rank, sizes from 0 on.
TEST(Simulate, OneMessageTakesWhatLogGPSays) {
  for (const std::uint64_t bytes : {0ull, 1ull, 64ull, 1'000'003ull}) {
    EXPECT_EQ(time_on_flat(ScheduleKind::binomial_tree, Collective::broadcast, 2, bytes), o + L + G(bytes) + o);
  }
}

// Goal: the closed forms of the known schedules hold exactly. Method: payloads whose lines the ranks divide: a ring is
// 2(P-1) messages of a P-th, half of them merged; a butterfly log2 P of the whole, all merged; a circulant 2 log2 P
// messages with the bytes of the ring.
TEST(Simulate, RingButterflyAndCirculantTakeTheirClosedForms) {
  for (std::uint32_t ranks = 2; ranks <= 128; ranks *= 2) {
    const std::uint64_t slice = 3 * slice_alignment;
    const std::uint64_t bytes = slice * ranks;
    const std::uint64_t log2 = std::bit_width(ranks) - 1u;
    const std::uint64_t others = ranks - 1;
    EXPECT_EQ(time_on_flat(ScheduleKind::ring, Collective::all_reduce, ranks, bytes),
              2 * others * (o + L + G(slice) + o) + others * gamma_of(slice));
    EXPECT_EQ(time_on_flat(ScheduleKind::butterfly, Collective::all_reduce, ranks, bytes),
              log2 * (o + L + G(bytes) + o + gamma_of(bytes)));
    EXPECT_EQ(time_on_flat(ScheduleKind::circulant, Collective::all_reduce, ranks, bytes),
              2 * log2 * (o + L + o) + 2 * G(others * slice) + gamma_of(others * slice));
  }
}

// Goal: a rank's adapter sends and takes one message after the other, at least g apart, and its CPU takes o for each.
// Method: a star, whose root is all three. While bytes rule: P - 1 messages arrive G apart. While g rules, or o:
// likewise.
TEST(Simulate, AStarWaitsForTheRootsAdapterOrCpu) {
  constexpr std::uint32_t ranks = 9;
  const std::uint64_t others = ranks - 1;
  const auto time = [&](std::uint64_t bytes, const HostModel& model) {
    return time_on_flat(ScheduleKind::star, Collective::all_reduce, ranks, bytes, model);
  };
  constexpr std::uint64_t large = 64'000;
  EXPECT_EQ(time(large, host), 2 * (o + L + others * G(large) + o) + others * gamma_of(large));
  HostModel gapped = host;
  gapped.gap_ns = 5'000;
  constexpr std::uint64_t g = 5'000'000;
  EXPECT_EQ(time(64, gapped), 2 * (o + L + (others - 1) * g + G(64) + o) + others * gamma_of(64));
  // The last send is posted after P - 1 overheads; the arrivals, all at once but for G, take an overhead each.
  EXPECT_EQ(time(64, host), (o + L + G(64) + others * o) + others * gamma_of(64) + (others * o + L + G(64) + o));
}

// Two hosts on each of two switches, and a trunk.
std::string two_switches(std::string_view trunk) {
  return text(
      "gossamer-fabric 1\nswitch s\nswitch t\nhost a\nhost b\nhost c\nhost d\nlink a s 1000000 0\nlink b s 1000000 0\n",
      "link c t 1000000 0\nlink d t 1000000 0\nlink s t ", trunk, " 0\nend\n");
}

// Goal: two messages that share a link get half of it each; a link with room for both delays nobody. Method: a to c and
// b to d over a trunk with the bandwidth of one adapter (16 Gbit/s), of two, and with one message alone.
TEST(Simulate, ASharedLinkHalvesTheBandwidth) {
  constexpr std::uint64_t bytes = 1 << 20;
  const auto time = [&](std::string_view trunk, bool both) {
    const auto fabric = parse_fabric(two_switches(trunk));
    EXPECT_TRUE(fabric.ok());
    const Schedule schedule = one_round(4, [&](std::uint32_t r) { return r < (both ? 2u : 1u) ? r + 2 : r; });
    return played_value(schedule, bytes, **fabric).time;
  };
  EXPECT_EQ(time("16", false), o + L + G(bytes) + o);
  EXPECT_EQ(time("16", true), o + L + 2 * G(bytes) + o);
  EXPECT_EQ(time("32", true), o + L + G(bytes) + o);
}

// Goal: the neighbours of a ring on a torus share no link. Method: a ring all-reduce on a torus of one dimension takes
// the time of a flat fabric and a hop a round, and nothing waits; both directions of an exchange over half the ring are
// used, so it takes half of what one direction would.
TEST(Simulate, ARingOnATorusMeetsNobody) {
  constexpr std::uint32_t ranks = 16;
  constexpr std::uint64_t bytes = ranks * 64 * 5;
  const auto torus = fabric_of("torus:16", ranks, 70);
  const Outcome outcome = played({ScheduleKind::ring, Collective::all_reduce, ranks, Rank{0}}, bytes, *torus);
  EXPECT_EQ(outcome.time,
            time_on_flat(ScheduleKind::ring, Collective::all_reduce, ranks, bytes) + 2 * (ranks - 1) * 70'000);
  for (const Load& link : outcome.links) EXPECT_EQ(link.longest_wait, 0u);

  const Schedule across = one_round(ranks, [](std::uint32_t r) { return (r + ranks / 2) % ranks; });
  const std::uint64_t large = 1 << 20;
  // 8 hops for each of 16 messages on 32 links: 4 on each.
  EXPECT_EQ(played_value(across, large, *fabric_of("torus:16", ranks)).time, o + L + 4 * G(large) + o);
}

// Goal: a fat tree with f times fewer links up makes what crosses it f times slower, and no other. Method: an exchange
// with a host under another leaf, and under the same one.
TEST(Simulate, AnOversubscribedFatTreeIsSlowerByThatFactor) {
  constexpr std::uint32_t ranks = 128;
  constexpr std::uint64_t bytes = 1 << 16;
  for (const std::uint32_t times : {1u, 2u, 4u, 8u}) {
    const auto tree = fabric_of(text("fat-tree:radix=16,levels=2,oversubscription=", times), ranks);
    for (const std::uint32_t distance : {8u, 16u, 64u}) {
      const Schedule cross = one_round(ranks, [&](std::uint32_t r) { return r ^ distance; });
      EXPECT_EQ(played_value(cross, bytes, *tree).time, o + L + times * G(bytes) + o) << times << ", " << distance;
    }
    const Schedule near = one_round(ranks, [&](std::uint32_t r) { return r ^ 4; });
    EXPECT_EQ(played_value(near, bytes, *tree).time, o + L + G(bytes) + o) << times;
  }
}

// Goal: a butterfly meets nobody on a fat tree without oversubscription, and takes longer the fewer links go up.
// Method: three levels; the closed form with two hops for each level that a step climbs.
TEST(Simulate, AButterflyMeetsNobodyOnAFullFatTree) {
  constexpr std::uint32_t ranks = 128;  // radix 8: leaves of 4, pods of 16
  constexpr std::uint64_t bytes = 1 << 16;
  const ScheduleRequest request{ScheduleKind::butterfly, Collective::all_reduce, ranks, Rank{0}};
  const auto time = [&](std::uint32_t times) {
    return played(request, bytes, *fabric_of(text("fat-tree:radix=8,oversubscription=", times), ranks, 50)).time;
  };
  const std::uint64_t hops = 2 * 0 + 2 * 2 + 3 * 4;
  EXPECT_EQ(time(1), time_on_flat(ScheduleKind::butterfly, Collective::all_reduce, ranks, bytes) + hops * 50'000);
  EXPECT_LT(time(1), time(2));
  EXPECT_LT(time(2), time(4));
}

std::vector<std::string> every_fabric() {
  return {"flat",
          "fat-tree:radix=8,oversubscription=2",
          "fat-tree:radix=6",
          "dragonfly:hosts=1,routers=2,globals=6",
          "dragonfly",
          "torus",
          "torus:3x3x3"};
}

// Goal: every schedule of every collective ends on every fabric, with every byte that it sends received, and its time
// explained without a gap. Method: sizes that no slice divides; programs are counted here.
TEST(Simulate, EveryScheduleEndsOnEveryFabricAndLosesNothing) {
  for (const std::string& words : every_fabric()) {
    for (const std::uint32_t ranks : {1u, 2u, 3u, 5u, 8u, 13u, 24u}) {
      const auto fabric = fabric_of(words, ranks, 100);
      ASSERT_NE(fabric, nullptr);
      for (const ScheduleRequest& request : every_request(ranks)) {
        const std::uint64_t payload = 100'003;
        const Outcome outcome = played(request, payload, *fabric);
        const Schedule schedule = made(request);
        std::uint64_t messages = 0;
        std::uint64_t bytes = 0;
        for (std::uint32_t rank = 0; rank < ranks; ++rank) {
          const auto rounds = outcome.rounds_of(Rank{rank});
          ASSERT_EQ(rounds.size(), schedule.programs[rank].rounds.size()) << words << in_words(request);
          std::uint64_t sent = 0;
          for (const Round& round : schedule.programs[rank].rounds) {
            for (const Step& step : round.steps) {
              if (step.kind != StepKind::send) continue;
              ++messages;
              sent += slice_begin(payload, step.slices.first + step.slices.count, schedule.slice_count) -
                      slice_begin(payload, step.slices.first, schedule.slice_count);
            }
          }
          EXPECT_EQ(outcome.out[rank].bytes, sent) << words << in_words(request);
          bytes += sent;
          Picoseconds last = 0;
          for (const PlayedRound& round : rounds) {
            ASSERT_GE(round.end, last);
            last = round.end;
          }
          ASSERT_LE(last, outcome.time);
        }
        EXPECT_EQ(outcome.messages, messages);
        EXPECT_EQ(outcome.bytes, bytes);
        EXPECT_EQ(outcome.classes[0].all.bytes, bytes);
        EXPECT_EQ(outcome.classes[1].all.bytes, bytes);
        Picoseconds at = 0;
        for (const PathStep& step : outcome.critical_path) {
          ASSERT_EQ(step.begin, at) << words << in_words(request);
          ASSERT_LE(step.waiting + step.merging, step.end - step.begin);
          at = step.end;
        }
        EXPECT_EQ(at, outcome.time) << words << in_words(request);
        for (const ClassLoad& each : outcome.classes) {
          Picoseconds busy = 0;
          for (const Picoseconds slice : each.busy_by_time) busy += slice;
          EXPECT_EQ(busy, each.all.busy) << words << ", " << each.name;
          EXPECT_LE(each.busiest, outcome.time) << words << ", " << each.name;
        }
      }
    }
  }
}

// Goal: where the cost model says the same thing, the two are equal; ranks that need not go in lock step are faster.
// Method: every request on a flat fabric with the host of the model; equal where every rank has one message each way in
// every round.
TEST(Simulate, OnAFlatFabricItIsTheCostModelOrBetter) {
  for (const NamedCostModel& known : known_cost_models()) {
    for (const std::uint32_t ranks : {2u, 3u, 4u, 7u, 16u, 61u, 64u}) {
      const auto fabric = fabric_of("flat", ranks);
      for (const ScheduleRequest& request : every_request(ranks)) {
        const std::uint64_t payload = ranks * slice_alignment * 11;
        const double predicted = predict_cost(request, payload, known.model)->nanoseconds;
        const double simulated =
            static_cast<double>(played(request, payload, *fabric, host_model(known.model)).time) / 1e3;
        // A butterfly that folds has ranks that go ahead and are in the way of the fold: it may take longer.
        if (request.kind != ScheduleKind::butterfly || std::has_single_bit(ranks)) {
          EXPECT_LE(simulated, predicted * (1 + 1e-9) + 1) << known.name << ", " << in_words(request);
        }
        const bool all_alike = request.collective != Collective::broadcast &&
                               (request.kind == ScheduleKind::ring || request.kind == ScheduleKind::circulant ||
                                (request.kind == ScheduleKind::butterfly && std::has_single_bit(ranks)));
        if (all_alike) {
          EXPECT_NEAR(simulated, predicted, predicted * 1e-9 + 0.1) << known.name << ", " << in_words(request);
        }
      }
    }
  }
}

// Goal: equal arguments give equal outcomes, everywhere. Method: a contended run twice, record by record, and a number
// that every machine must find.
TEST(Simulate, IsTheSameEveryTimeAndEverywhere) {
  const auto fabric = fabric_of("dragonfly:hosts=2,routers=3,globals=1", 24, 100);
  const ScheduleRequest request{ScheduleKind::butterfly, Collective::all_gather, 24, Rank{0}};
  const Outcome first = played(request, 1'000'003, *fabric);
  const Outcome second = played(request, 1'000'003, *fabric);
  EXPECT_EQ(first.time, 3'131'728'500u);
  ASSERT_EQ(first.played.size(), second.played.size());
  for (std::size_t i = 0; i < first.played.size(); ++i) {
    EXPECT_EQ(first.played[i].end, second.played[i].end);
    EXPECT_EQ(first.played[i].waited, second.played[i].waited);
    EXPECT_EQ(first.played[i].sender, second.played[i].sender);
  }
  for (std::size_t i = 0; i < first.links.size(); ++i) EXPECT_EQ(first.links[i].busy, second.links[i].busy);
}

// Goal: the path names who decided. Method: rank 3 of a star has more before it at the root's adapter than the others;
// on a chain of switches the far rank decides.
TEST(Simulate, TheCriticalPathNamesRankRoundAndMessage) {
  constexpr std::uint64_t bytes = 64'000;
  const Outcome star = played({ScheduleKind::star, Collective::all_reduce, 4, Rank{0}}, bytes, *fabric_of("flat", 4));
  ASSERT_EQ(star.critical_path.size(), 2u);
  const PathStep& in = star.critical_path[0];
  const PathStep& back = star.critical_path[1];
  EXPECT_EQ(in.rank, Rank{0});
  EXPECT_EQ(in.sender, Rank{3});
  EXPECT_EQ(in.waiting, 2 * G(bytes));
  EXPECT_EQ(in.merging, gamma_of(3 * bytes));
  EXPECT_EQ(back.rank, Rank{3});
  EXPECT_EQ(back.sender, Rank{0});
  EXPECT_EQ(back.round, 1u);
  EXPECT_EQ(back.waiting, 0u);
}

// Goal: ranks may be on any hosts. Method: neighbours of a ring that share a leaf, and that do not.
TEST(Simulate, WhereRanksArePlacedDecidesWhatTheyShare) {
  const auto fabric = fabric_of("fat-tree:radix=4,levels=2,oversubscription=2", 8);
  const Schedule pairs = one_round(8, [](std::uint32_t r) { return r ^ 1; });
  constexpr std::uint64_t bytes = 1 << 16;
  EXPECT_EQ(simulate(pairs, bytes, {*fabric, host, {0, 1, 2, 3, 4, 5, 6, 7}})->time, o + L + G(bytes) + o);
  EXPECT_EQ(simulate(pairs, bytes, {*fabric, host, {0, 2, 1, 3, 4, 6, 5, 7}})->time, o + L + 2 * G(bytes) + o);
}

// Goal: what cannot be played is refused with the reason. Method: one of each kind.
TEST(Simulate, RefusesWhatMakesNoSense) {
  const auto four = fabric_of("flat", 4);
  const auto why = [&](const ScheduleRequest& request, std::uint64_t bytes, const Network& network) {
    const Result<Outcome> outcome = simulate(request, bytes, network);
    EXPECT_FALSE(outcome.ok());
    return outcome.ok() ? "" : outcome.error().message;
  };
  const ScheduleRequest ring{ScheduleKind::ring, Collective::all_reduce, 4, Rank{0}};
  EXPECT_THAT(why({ScheduleKind::ring, Collective::all_reduce, 0, Rank{0}}, 1, {*four, host}),
              HasSubstr("1 to 65536 ranks, not 0"));
  EXPECT_THAT(why({ScheduleKind::ring, Collective::all_reduce, 5, Rank{0}}, 1, {*four, host}),
              HasSubstr("4 hosts, too few for 5 ranks"));
  EXPECT_THAT(why({ScheduleKind::butterfly, Collective::broadcast, 4, Rank{0}}, 1, {*four, host}),
              HasSubstr("there is no butterfly schedule"));
  EXPECT_THAT(why(ring, std::uint64_t{1} << 60, {*four, host}), HasSubstr("at most 256.0 GiB"));
  EXPECT_THAT(why(ring, 1, {*four, {.latency_ns = -1}}), HasSubstr("from 0 to 1e+09, not -1"));
  EXPECT_THAT(why(ring, 1, {*four, {.gap_ns = std::nan("")}}), HasSubstr("not nan"));
  EXPECT_THAT(why(ring, 1, {*four, host, {0, 1, 2, 2}}), HasSubstr("a host of its own for each of the 4 ranks"));
  EXPECT_THAT(why(ring, 1, {*four, host, {0, 1, 2, 4}}), HasSubstr("a host of its own"));
  EXPECT_THAT(why(ring, std::uint64_t{1} << 38, {*four, {.per_byte_ns = 1e9}}), HasSubstr("passes 53 days"));
}

// Goal: a schedule that is wrong comes to an end too. Method: a message that nobody sends, one that nobody takes, a
// peer that does not exist.
TEST(Simulate, ASchedulesMissingHalfIsFound) {
  const auto flat = fabric_of("flat", 3);
  Schedule schedule = one_round(3, [](std::uint32_t r) { return r == 0 ? 1u : r; });
  const auto why = [&] {
    const Result<Outcome> outcome = simulate(schedule, 10, {*flat, host});
    return outcome.ok() ? "" : outcome.error().message;
  };
  EXPECT_EQ(why(), "");
  const std::vector<Step> sends = std::exchange(schedule.programs[0].rounds[0].steps, {});
  EXPECT_EQ(why(), "rank 1 waits in round 0 for ever for a message from rank 0");
  schedule.programs[0].rounds[0].steps = sends;
  schedule.programs[1].rounds[0].steps.clear();
  EXPECT_EQ(why(), "rank 1 has finished and never took a message from rank 0");
  schedule.programs[1].rounds[0].steps = {{StepKind::send, Rank{3}, {0, 1}}};
  EXPECT_THAT(why(), HasSubstr("a step that no rank can do"));
  schedule.programs.pop_back();
  EXPECT_THAT(why(), HasSubstr("cannot be played"));
}

}  // namespace
}  // namespace gossamer::topology
