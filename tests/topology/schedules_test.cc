#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "every_request.h"
#include "tests/support/sweep.h"

namespace gossamer::topology {
namespace {

struct Traffic {
  std::uint32_t sent = 0;      // slices
  std::uint32_t received = 0;  // slices
};

Traffic traffic_of(const Program& program) {
  Traffic traffic;
  for (const Round& round : program.rounds) {
    for (const Step& step : round.steps) {
      (step.kind == StepKind::send ? traffic.sent : traffic.received) += step.slices.count;
    }
  }
  return traffic;
}

std::uint32_t ceil_log2(std::uint32_t n) { return static_cast<std::uint32_t>(std::bit_width(n - 1)); }

// Goal: every schedule is right for every size that a small cluster has. Method: the proof, for all
// kinds, collectives and three roots, for each P from 1 to 64.
TEST(Schedules, AreProvedForEverySizeTo64) {
  for (std::uint32_t ranks = 1; ranks <= 64; ++ranks) {
    for (const ScheduleRequest& request : every_request(ranks)) {
      const Status status = check_schedule(made(request));
      ASSERT_TRUE(status.ok()) << in_words(request) << ": " << reason(status);
    }
  }
}

// Goal: the rules hold beyond the sizes that are proved one by one. Method: the proof for sizes around
// powers of two, primes and round numbers; up to 4,096 ranks where the buffer is whole or cut into a few chunks, to
// 1,025 where it has a slice for each rank (P^2 slice states), and to 257 where each rank has P rounds as well. A sweep over all
// sizes.
TEST(Schedules, AreProvedForSampledSizesTo4096) {
  for (const std::uint64_t size :
       gossamer::testing::sweep({65, 4096}, {65, 100, 127, 128, 129, 257, 500, 1023, 1025, 2048, 4095, 4096})) {
    SCOPED_TRACE(gossamer::testing::replay_of(size));
    const auto ranks = static_cast<std::uint32_t>(size);
    for (ScheduleRequest request : every_request(ranks)) {
      const bool few = *slice_count(request) <= 16;
      const bool has_many_rounds = request.kind == ScheduleKind::ring || request.kind == ScheduleKind::chain;
      if (!few && ranks > (has_many_rounds ? 257u : 1025u)) continue;
      if (request.root.value == 0) continue;  // roots at 0 are the easy ones
      const Status status = check_schedule(made(request));
      ASSERT_TRUE(status.ok()) << in_words(request) << ": " << reason(status);
    }
  }
}

// Goal: a rank makes its own program without the others', for large P too, and the two sides of a
// message agree. Method: for sampled P and ranks, each step has its mirror image in the same round of
// the peer's program.
TEST(Schedules, SidesOfAMessageAreInTheSameRoundUpTo4096Ranks) {
  for (const std::uint32_t ranks : {2u, 3u, 7u, 64u, 1000u, 4096u}) {
    for (const ScheduleRequest& request : every_request(ranks)) {
      Random random(ranks);
      for (int sample = 0; sample < 3; ++sample) {
        const Rank rank{static_cast<std::uint32_t>(random.below(ranks))};
        const Program program = *make_program(request, rank);
        std::vector<std::size_t> busy;  // rounds in which this rank does something: of a star's few, one in thousands
        for (std::size_t i = 0; i < program.rounds.size(); ++i)
          if (!program.rounds[i].steps.empty()) busy.push_back(i);
        ASSERT_FALSE(busy.empty()) << in_words(request);
        for (int pick = 0; pick < 3; ++pick) {
          const std::size_t index = busy[random.below(busy.size())];
          const std::vector<Step>& steps = program.rounds[index].steps;
          const Step& step = steps[random.below(steps.size())];
          const Program other = *make_program(request, step.peer);
          ASSERT_LT(index, other.rounds.size()) << in_words(request);
          bool found = false;
          for (const Step& mirrored : other.rounds[index].steps) {
            found |= mirrored.peer == rank && mirrored.slices == step.slices &&
                     (mirrored.kind == StepKind::send) != (step.kind == StepKind::send);
          }
          EXPECT_TRUE(found) << in_words(request) << ", rank " << rank.value << ", round " << index;
        }
      }
    }
  }
}

// Goal: the published cost of the circulant schedule holds: ceil(log2 P) rounds and P - 1 slices each
// way for one half, whatever P. Method: count them in every rank's program.
TEST(Circulant, HasCeilLog2RoundsAndMovesExactlyPMinus1Slices) {
  for (std::uint32_t ranks = 1; ranks <= 300; ++ranks) {
    for (const Collective collective : {Collective::reduce_scatter, Collective::all_gather, Collective::all_reduce}) {
      const std::uint32_t halves = collective == Collective::all_reduce ? 2 : 1;
      const ScheduleRequest request{ScheduleKind::circulant, collective, ranks, Rank{0}};
      for (std::uint32_t rank = 0; rank < ranks; rank += 1 + ranks / 17) {
        const Program program = *make_program(request, Rank{rank});
        ASSERT_EQ(program.rounds.size(), halves * ceil_log2(ranks)) << in_words(request);
        ASSERT_EQ(traffic_of(program).sent, halves * (ranks - 1)) << in_words(request);
        ASSERT_EQ(traffic_of(program).received, halves * (ranks - 1)) << in_words(request);
      }
    }
  }
}

// Goal: a ring all-reduce takes 2(P-1) rounds of one slice between neighbours. Method: count.
TEST(Ring, HasTwicePMinus1RoundsOfOneSliceBetweenNeighbours) {
  for (std::uint32_t ranks = 2; ranks <= 100; ++ranks) {
    const Program program = *make_program({ScheduleKind::ring, Collective::all_reduce, ranks, Rank{0}}, Rank{1});
    ASSERT_EQ(program.rounds.size(), 2 * (ranks - 1));
    for (const Round& round : program.rounds) {
      ASSERT_EQ(round.steps.size(), 2u);
      EXPECT_EQ(round.steps[0].peer.value, 2 % ranks);
      EXPECT_EQ(round.steps[1].peer.value, 0u);
      EXPECT_EQ(round.steps[0].slices.count, 1u);
    }
  }
}

// Goal: halving and doubling takes ceil(log2 P) rounds each way for any P; on the way to the slices each rank sends P -
// 1 of them, and neighbours exchange the most. Method: count, on every rank; the peer of the first round of an
// all-reduce.
TEST(HalvingDoubling, TakesCeilLog2RoundsEachWayAndSendsMostToNeighbours) {
  for (std::uint32_t ranks = 2; ranks <= 130; ++ranks) {
    std::size_t rounds = 0;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      const Program scatter =
          *make_program({ScheduleKind::halving_doubling, Collective::reduce_scatter, ranks, Rank{0}}, Rank{rank});
      ASSERT_EQ(traffic_of(scatter).sent, ranks - 1) << ranks;
      const Program program =
          *make_program({ScheduleKind::halving_doubling, Collective::all_reduce, ranks, Rank{0}}, Rank{rank});
      rounds = std::max(rounds, program.rounds.size());
      const bool is_odd = ranks % 2 == 1 && rank + 1 == ranks;
      ASSERT_EQ(program.rounds[0].steps[0].peer.value, is_odd ? 1 : rank ^ 1);
      if (std::has_single_bit(ranks)) {
        ASSERT_EQ(traffic_of(program).sent, 2 * (ranks - 1)) << ranks;
        ASSERT_EQ(traffic_of(program).received, 2 * (ranks - 1)) << ranks;
      }
    }
    ASSERT_EQ(rounds, 2 * ceil_log2(ranks)) << ranks;
  }
}

// Goal: no rank but the root works twice in a double tree: who has children in one of the trees is a leaf in the other.
// Method: count who sends slices of either half in a broadcast.
TEST(DoubleTree, WhoHasChildrenInOneTreeIsALeafInTheOther) {
  for (std::uint32_t ranks = 2; ranks <= 130; ++ranks) {
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      const Program program =
          *make_program({ScheduleKind::double_tree, Collective::broadcast, ranks, Rank{1 % ranks}}, Rank{rank});
      bool sends_first = false;
      bool sends_second = false;
      for (const Round& round : program.rounds) {
        ASSERT_LE(round.steps.size(), 4u) << ranks;
        for (const Step& step : round.steps) {
          if (step.kind == StepKind::send) (step.slices.first < 8 ? sends_first : sends_second) = true;
        }
      }
      EXPECT_EQ(sends_first && sends_second, rank == 1) << rank << " of " << ranks;
      ASSERT_LE(program.rounds.size(), static_cast<std::size_t>(std::bit_width(ranks - 1)) + 7);
    }
  }
}

// Goal: pipelines are filled once: depth + chunks - 1 rounds, for a reduce as for a broadcast. Method: count over all
// ranks, for the tree and the chain.
TEST(Pipelines, TakeTheirDepthAndTheirChunks) {
  for (std::uint32_t ranks = 2; ranks <= 40; ++ranks) {
    const auto rounds_of = [&](ScheduleKind kind, Collective collective) {
      std::size_t rounds = 0;
      for (const Program& program : made({kind, collective, ranks, Rank{ranks / 3}}).programs)
        rounds = std::max(rounds, program.rounds.size());
      return rounds;
    };
    for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
      EXPECT_EQ(rounds_of(ScheduleKind::pipelined_tree, collective), ceil_log2(ranks) + 7) << ranks;
      EXPECT_EQ(rounds_of(ScheduleKind::chain, collective), ranks - 2 + std::max(8u, ranks)) << ranks;
    }
    EXPECT_EQ(rounds_of(ScheduleKind::pipelined_tree, Collective::all_reduce), 2 * (ceil_log2(ranks) + 7)) << ranks;
  }
}

// Goal: beyond eight ranks the chain broadcasts as the ring does. Method: compare the programs.
TEST(Chain, IsTheRingsBroadcastFromEightRanksOn) {
  for (const std::uint32_t ranks : {8u, 9u, 30u})
    EXPECT_EQ(made({ScheduleKind::chain, Collective::broadcast, ranks, Rank{3}}).programs,
              made({ScheduleKind::ring, Collective::broadcast, ranks, Rank{3}}).programs);
}

// Goal: the butterfly needs log2 P rounds for a power of two, and two more for a fold. Method: count.
TEST(Butterfly, HasLog2RoundsAndTwoMoreForAFold) {
  for (std::uint32_t ranks = 2; ranks <= 130; ++ranks) {
    const Program program = *make_program({ScheduleKind::butterfly, Collective::all_reduce, ranks, Rank{0}}, Rank{0});
    const std::uint32_t log2 = static_cast<std::uint32_t>(std::bit_width(ranks)) - 1;
    EXPECT_EQ(program.rounds.size(), log2 + (std::has_single_bit(ranks) ? 0 : 2)) << ranks;
  }
}

// Goal: no rank of a tree is in more rounds than ceil(log2 P) each way. Method: count, every root.
TEST(BinomialTree, TakesCeilLog2RoundsEachWay) {
  for (std::uint32_t ranks = 1; ranks <= 40; ++ranks) {
    for (std::uint32_t root = 0; root < ranks; ++root) {
      const Schedule schedule = made({ScheduleKind::binomial_tree, Collective::all_reduce, ranks, Rank{root}});
      EXPECT_EQ(schedule.programs[root].rounds.size(), 2 * ceil_log2(ranks));
      for (const Program& program : schedule.programs) EXPECT_LE(program.rounds.size(), 2 * ceil_log2(ranks));
    }
  }
}

// Goal: a single rank has nothing to do. Method: all programs for P = 1 are empty.
TEST(Schedules, OfOneRankAreEmpty) {
  for (const ScheduleRequest& request : every_request(1)) {
    EXPECT_TRUE(make_program(request, Rank{0})->rounds.empty()) << in_words(request);
    EXPECT_EQ(*slice_count(request), 1u);
  }
}

// Goal: each collective has a schedule for little latency and one for much data. Method: ask.
TEST(Schedules, EveryCollectiveHasAQuickAndAFrugalKind) {
  for (const Collective collective : every_collective) {
    EXPECT_TRUE(supports(ScheduleKind::circulant, collective) || supports(ScheduleKind::chain, collective));
    EXPECT_TRUE(supports(ScheduleKind::butterfly, collective) || supports(ScheduleKind::binomial_tree, collective));
  }
}

// Goal: a wrong request is refused with a sentence that says why. Method: one request of each mistake.
TEST(Schedules, RefuseWrongRequestsAndSayWhy) {
  const ScheduleRequest good{ScheduleKind::ring, Collective::all_reduce, 4, Rank{0}};
  const auto why = [](const ScheduleRequest& request, std::uint32_t rank) {
    const Result<Program> program = make_program(request, Rank{rank});
    EXPECT_FALSE(program.ok());
    if (program.ok()) return std::string();
    EXPECT_EQ(program.error().code, Code::invalid_argument);
    EXPECT_EQ(make_schedule(request).ok(), rank >= request.rank_count && request.rank_count > 0);
    return program.error().message;
  };
  EXPECT_EQ(why(good, 4), "rank 4 is not one of 4 ranks");
  EXPECT_EQ(why({ScheduleKind::ring, Collective::all_reduce, 4, Rank{9}}, 0), "root 9 is not one of 4 ranks");
  EXPECT_EQ(why({ScheduleKind::ring, Collective::all_reduce, 0, Rank{0}}, 0), "a schedule has 1 to 65536 ranks, not 0");
  EXPECT_EQ(why({ScheduleKind::star, Collective::broadcast, rank_count_max + 1, Rank{0}}, 0),
            "a schedule has 1 to 65536 ranks, not 65537");
  EXPECT_EQ(
      why({ScheduleKind::butterfly, Collective::broadcast, 4, Rank{0}}, 0),
      "there is no butterfly schedule for the collective broadcast; it has binomial-tree, ring, star, double-tree, "
      "pipelined-tree, chain");
  EXPECT_EQ(why({static_cast<ScheduleKind>(77), Collective::broadcast, 4, Rank{0}}, 0),
            "there is no unknown schedule for the collective broadcast; it has binomial-tree, ring, star, double-tree, "
            "pipelined-tree, chain");
  EXPECT_EQ(why({ScheduleKind::ring, static_cast<Collective>(0), 4, Rank{0}}, 0),
            "there is no ring schedule for the collective unknown");
}

// Goal: what an engine runs is what was proved. Method: program and slices of every request up to 9 ranks, and the
// words of each way that ranks meet.
TEST(Schedules, ARanksScheduleIsItsProgram) {
  for (std::uint32_t ranks = 1; ranks <= 9; ++ranks)
    for (const ScheduleRequest& request : every_request(ranks))
      for (std::uint32_t rank = 0; rank < ranks; ++rank) {
        const RankSchedule schedule = make_rank_schedule(request, Rank{rank}).value();
        EXPECT_EQ(schedule.name, schedule_kind_name(request.kind));
        EXPECT_EQ(schedule.program, *make_program(request, Rank{rank}));
        EXPECT_EQ(schedule.slice_count, *slice_count(request));
        EXPECT_EQ(schedule.own_slice, request.collective == Collective::all_gather ? rank : 0);
      }
  const auto words = [](ScheduleKind kind, Collective collective) {
    const RankSchedule schedule = make_rank_schedule({kind, collective, 4, Rank{0}}, Rank{1}).value();
    return schedule.merging + ", " + schedule.moving;
  };
  EXPECT_EQ(words(ScheduleKind::ring, Collective::all_reduce), "reduce-scatter, all-gather");
  EXPECT_EQ(words(ScheduleKind::butterfly, Collective::all_reduce), "all-reduce, all-reduce");
  EXPECT_EQ(words(ScheduleKind::binomial_tree, Collective::all_reduce), "reduce, broadcast");
  EXPECT_EQ(words(ScheduleKind::circulant, Collective::all_gather), "all-gather, all-gather");
  EXPECT_EQ(make_rank_schedule({ScheduleKind::ring, Collective::all_reduce, 4, Rank{0}}, Rank{4}).error().message,
            "rank 4 is not one of 4 ranks");
}

// Goal: numbers are part of the interface: each is a schedule's for ever. Method: those that have been given out.
TEST(Schedules, KeepTheirNumbers) {
  EXPECT_EQ(static_cast<int>(ScheduleKind::binomial_tree), 1);
  EXPECT_EQ(static_cast<int>(ScheduleKind::butterfly), 2);
  EXPECT_EQ(static_cast<int>(ScheduleKind::circulant), 3);
  EXPECT_EQ(static_cast<int>(ScheduleKind::ring), 4);
  EXPECT_EQ(static_cast<int>(ScheduleKind::star), 5);
  EXPECT_EQ(static_cast<int>(ScheduleKind::halving_doubling), 6);
  EXPECT_EQ(static_cast<int>(ScheduleKind::double_tree), 7);
  EXPECT_EQ(static_cast<int>(ScheduleKind::pipelined_tree), 8);
  EXPECT_EQ(static_cast<int>(ScheduleKind::chain), 9);
  for (const ScheduleKind kind : all_schedules()) EXPECT_TRUE(is_schedule(static_cast<int>(kind)));
  for (const std::int64_t number : {-1, 0, 255, 256 + 1}) EXPECT_FALSE(is_schedule(number)) << number;
}

// Goal: names are read as they are written, and a wrong one is answered with the right ones.
// Method: there and back for every value.
TEST(Schedules, NamesAreReadAsTheyAreWritten) {
  for (const ScheduleKind kind : all_schedules()) EXPECT_EQ(*parse_schedule_kind(schedule_kind_name(kind)), kind);
  for (const Collective collective : every_collective) {
    EXPECT_EQ(*parse_collective(collective_name(collective)), collective);
  }
  std::string names;
  for (const ScheduleKind kind : all_schedules()) names += text(names.empty() ? "" : ", ", schedule_kind_name(kind));
  EXPECT_EQ(parse_schedule_kind("tree").error().message,
            text("unknown schedule kind \"tree\": expected one of ", names));
  EXPECT_EQ(
      parse_collective("scatter").error().message,
      "unknown collective \"scatter\": expected one of all-reduce, all-gather, broadcast, reduce-scatter, reduce");
}

}  // namespace
}  // namespace gossamer::topology
