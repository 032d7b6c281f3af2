// The proof must find what is wrong: each case breaks a right schedule in one way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "every_request.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

Schedule ring_of_4() { return made({ScheduleKind::ring, Collective::all_reduce, 4, Rank{0}}); }
Schedule butterfly_of_4() { return made({ScheduleKind::butterfly, Collective::all_reduce, 4, Rank{0}}); }

Step& step_of(Schedule& schedule, std::size_t rank, std::size_t round, std::size_t step) {
  return schedule.programs.at(rank).rounds.at(round).steps.at(step);
}

std::string why(const Schedule& schedule) {
  const Status status = check_schedule(schedule);
  if (status.ok()) return "nothing wrong";
  EXPECT_EQ(status.error().code, Code::invalid_argument);
  return status.error().message;
}

// Schedules that are written by hand: a program is a list of rounds, a round a list of steps.
Program rounds(std::initializer_list<std::vector<Step>> steps) {
  Program program;
  for (const std::vector<Step>& round : steps) program.rounds.push_back({round});
  return program;
}
Schedule written(Collective collective, std::vector<Program> programs, std::uint32_t slices = 1) {
  const std::uint32_t ranks = static_cast<std::uint32_t>(programs.size());
  return {{ScheduleKind::binomial_tree, collective, ranks, Rank{0}}, slices, std::move(programs)};
}
Step send(std::uint32_t peer, SliceRange slices = {0, 1}) { return {StepKind::send, Rank{peer}, slices}; }
Step receive(std::uint32_t peer, SliceRange slices = {0, 1}) { return {StepKind::receive, Rank{peer}, slices}; }
Step merge(std::uint32_t peer, SliceRange slices = {0, 1}) { return {StepKind::receive_merge, Rank{peer}, slices}; }

// Goal: a lost step is found from both sides. Method: drop a receive, then a send.
TEST(CheckSchedule, FindsADroppedStep) {
  Schedule lacks_receive = ring_of_4();
  lacks_receive.programs[2].rounds[1].steps.pop_back();
  EXPECT_EQ(why(lacks_receive), "rank 1 in round 1 sends slice 3 to rank 2 which expects slice 2 in round 2");
  Schedule lacks_last = ring_of_4();
  lacks_last.programs[2].rounds[5].steps.pop_back();
  EXPECT_EQ(why(lacks_last), "rank 1 in round 5 sends to rank 2 which has no receive for it");
  Schedule lacks_send = butterfly_of_4();
  lacks_send.programs[3].rounds[1].steps.erase(lacks_send.programs[3].rounds[1].steps.begin());
  EXPECT_EQ(why(lacks_send), "rank 1 in round 1 receives from rank 3 which has no send for it");
}

// Goal: an overwritten contribution is found. Method: a merge becomes a receive where that is no
// conflict within the round, and where it is one.
TEST(CheckSchedule, FindsAReceiveWhereAMergeBelongs) {
  Schedule tree = made({ScheduleKind::binomial_tree, Collective::all_reduce, 4, Rank{0}});
  step_of(tree, 0, 1, 0).kind = StepKind::receive;
  EXPECT_EQ(why(tree), "slice 0 on rank 0 ends without the contribution of rank 0");
  Schedule butterfly = butterfly_of_4();
  step_of(butterfly, 0, 0, 1).kind = StepKind::receive;
  EXPECT_EQ(why(butterfly),
            "rank 0 in round 0 receives slice 0 while it sends it: the slice in use would be overwritten");
}

// Goal: a contribution that is counted twice is found. Method: a receive of the result becomes a merge,
// and an exchange is done twice.
TEST(CheckSchedule, FindsAContributionThatIsCountedTwice) {
  Schedule tree = made({ScheduleKind::binomial_tree, Collective::all_reduce, 4, Rank{0}});
  for (Round& round : tree.programs[3].rounds) {
    for (Step& step : round.steps) {
      if (step.kind == StepKind::receive) step.kind = StepKind::receive_merge;
    }
  }
  EXPECT_EQ(why(tree), "slice 0 on rank 3 ends with two contributions of rank 3");
  Schedule twice = butterfly_of_4();
  for (Program& program : twice.programs) program.rounds.push_back(program.rounds.back());
  EXPECT_THAT(why(twice), HasSubstr("slice 0 on rank 0 ends with two contributions of rank"));
}

// Goal: a schedule that would wait for ever is found. Method: everyone sends to the next in one round
// and receives in the following one: with rendezvous no send ends.
TEST(CheckSchedule, FindsAWaitCycle) {
  std::vector<Program> programs;
  for (std::uint32_t rank = 0; rank < 3; ++rank) {
    programs.push_back(rounds({{send((rank + 1) % 3)}, {merge((rank + 2) % 3)}}));
  }
  EXPECT_EQ(why(written(Collective::all_reduce, programs)),
            "wait cycle: rank 0 in round 0 waits for rank 1 in round 0 waits for rank 2 in round 0 waits for rank 0");

  // The cycle that a rank waits for, without that rank: 0 waits for 1, and 1 and 2 for each other.
  const Schedule behind = written(
      Collective::broadcast,
      {rounds({{send(1)}}), rounds({{send(2)}, {receive(2)}, {receive(0)}}), rounds({{send(1)}, {receive(1)}})});
  EXPECT_EQ(why(behind), "wait cycle: rank 1 in round 0 waits for rank 2 in round 0 waits for rank 1");

  // The sentence stays short for a long cycle.
  std::vector<Program> many;
  for (std::uint32_t rank = 0; rank < 40; ++rank) {
    many.push_back(rounds({{send((rank + 1) % 40)}, {merge((rank + 39) % 40)}}));
  }
  EXPECT_THAT(why(written(Collective::all_reduce, many)), HasSubstr("waits for 32 more, the last of which waits"));
}

// Goal: two sides that name different slices are found, and slices that do not exist. Method: shift one.
TEST(CheckSchedule, FindsWrongSlices) {
  Schedule shifted = ring_of_4();
  step_of(shifted, 1, 0, 0).slices = {1, 1};
  EXPECT_EQ(why(shifted), "rank 1 in round 0 sends slice 1 to rank 2 which expects slice 0 in round 0");
  Schedule outside = ring_of_4();
  step_of(outside, 1, 0, 0).slices = {3, 2};
  EXPECT_EQ(why(outside), "rank 1 in round 0 names slices 3 to 4 of 4");
  Schedule huge = ring_of_4();
  step_of(huge, 1, 0, 0).slices = {0xffff'ffffu, 0xffff'ffffu};
  EXPECT_EQ(why(huge), "rank 1 in round 0 names slices 4294967295 to 8589934589 of 4");
  Schedule none = ring_of_4();
  step_of(none, 1, 0, 0).slices = {0, 0};
  EXPECT_EQ(why(none), "rank 1 in round 0 has a step about no slices");

  // Both sides agree on the wrong slice: the result shows it.
  Schedule agreed = ring_of_4();
  step_of(agreed, 0, 3, 0).slices = {2, 1};
  step_of(agreed, 1, 3, 1).slices = {2, 1};
  EXPECT_NE(why(agreed), "nothing wrong");
}

// Goal: slices that arrive twice in one round are found. Method: overlapping receives, a partial overlap
// with a send, and the neighbouring ranges that are right.
TEST(CheckSchedule, FindsOverwrittenSlicesInUse) {
  const auto with_rank_0 = [](std::vector<Step> steps) {
    std::vector<Program> programs(3);
    for (const Step& step : steps) {
      const StepKind mirrored = step.kind == StepKind::send ? StepKind::receive : StepKind::send;
      Program& other = programs[step.peer.value];
      if (other.rounds.empty()) other.rounds.emplace_back();
      other.rounds[0].steps.push_back({mirrored, Rank{0}, step.slices});
    }
    programs[0].rounds.push_back({std::move(steps)});
    return why(written(Collective::all_reduce, std::move(programs), 8));
  };
  EXPECT_EQ(with_rank_0({receive(1, {0, 3}), receive(2, {2, 2})}),
            "rank 0 in round 0 receives slice 2 twice: which one stays is chance");
  EXPECT_EQ(with_rank_0({send(2, {3, 3}), receive(1, {5, 3}), receive(1, {0, 2})}),
            "rank 0 in round 0 receives slice 5 while it sends it: the slice in use would be overwritten");
  EXPECT_EQ(with_rank_0({send(2, {6, 2}), receive(1, {0, 8})}),
            "rank 0 in round 0 receives slice 6 while it sends it: the slice in use would be overwritten");
  EXPECT_THAT(with_rank_0({send(2, {2, 3}), receive(1, {0, 2}), receive(1, {5, 3})}), HasSubstr("contribution"));
}

// Goal: sums that are complete but not equal to the bit are found. Method: on one rank of a star-like
// exchange the merges come in another order.
TEST(CheckSchedule, FindsAnotherMergeOrderOnOneRank) {
  const auto everyone_to_everyone = [](std::vector<Step> merges_of_2) {
    return written(Collective::all_reduce,
                   {rounds({{send(1), send(2), merge(1), merge(2)}}), rounds({{send(0), send(2), merge(0), merge(2)}}),
                    rounds({{send(0), send(1), merges_of_2[0], merges_of_2[1]}})});
  };
  // Ranks 0 and 1 have (0+1)+2; rank 2 has (2+0)+1.
  EXPECT_EQ(why(everyone_to_everyone({merge(0), merge(1)})),
            "slice 0 is merged in another order on rank 2 than on rank 0: their floating-point sums would differ");

  // A sum that rank 2 adds to, and hands back, is right.
  const Schedule right = written(Collective::all_reduce, {rounds({{send(1), merge(1)}, {}, {receive(1)}}),
                                                          rounds({{send(0), merge(0)}, {merge(2)}, {send(0), send(2)}}),
                                                          rounds({{}, {send(1)}, {receive(1)}})});
  EXPECT_EQ(why(right), "nothing wrong");
}

// Goal: x + y and y + x are one tree. Method: both sides of a swap merge the other's into their own.
TEST(CheckSchedule, KnowsThatASumOfTwoIsTheSameBothWaysRound) {
  EXPECT_EQ(why(written(Collective::all_reduce, {rounds({{send(1), merge(1)}}), rounds({{merge(0), send(0)}})})),
            "nothing wrong");
}

// Goal: a slice is not passed on before it is there. Method: a broadcast that starts at a leaf, and a
// merge where nothing is yet.
TEST(CheckSchedule, FindsASliceThatIsUsedBeforeItIsThere) {
  EXPECT_EQ(why(written(Collective::broadcast, {rounds({{receive(1)}}), rounds({{send(0)}})})),
            "rank 1 in round 0 sends slice 0 before it has it");
  EXPECT_EQ(why(written(Collective::broadcast, {rounds({{send(1)}}), rounds({{merge(0)}})})),
            "rank 1 in round 0 merges into slice 0 before it has it");
}

// Goal: a gather ends with each rank's contribution, once. Method: a right gather of two; one that keeps a
// slice back; one that merges where nothing is to be merged.
TEST(CheckSchedule, FindsWhatDoesNotBelongIntoAGather) {
  const auto gather = [](Program of_0, Program of_1) {
    return why(written(Collective::all_gather, {std::move(of_0), std::move(of_1)}, 2));
  };
  EXPECT_EQ(
      gather(rounds({{receive(1, {1, 1})}, {send(1, {0, 1})}}), rounds({{send(0, {1, 1})}, {receive(0, {0, 1})}})),
      "nothing wrong");
  EXPECT_EQ(gather(rounds({{send(1, {0, 1})}}), rounds({{receive(0, {0, 1})}})),
            "slice 1 on rank 0 ends without the contribution of rank 1");
  EXPECT_EQ(gather(rounds({{receive(1, {1, 1})}, {send(1, {0, 1}), send(1, {1, 1})}}),
                   rounds({{send(0, {1, 1})}, {receive(0, {0, 1}), merge(0, {1, 1})}})),
            "slice 1 on rank 1 ends with two contributions of rank 1");
}

// Goal: a schedule is proved for the collective that its request names. Method: one collective's programs
// under another's name, and programs that do nothing.
TEST(CheckSchedule, FindsTheProgramsOfAnotherCollective) {
  Schedule schedule = made({ScheduleKind::star, Collective::all_gather, 3, Rank{0}});
  schedule.request.collective = Collective::reduce_scatter;
  EXPECT_EQ(why(schedule), "slice 0 on rank 0 ends without the contribution of rank 1");
  schedule = made({ScheduleKind::star, Collective::reduce_scatter, 3, Rank{0}});
  schedule.request.collective = Collective::broadcast;
  EXPECT_EQ(why(schedule), "rank 1 in round 0 sends slice 0 before it has it");
  schedule = written(Collective::broadcast, {rounds({}), rounds({})});
  EXPECT_EQ(why(schedule), "slice 0 on rank 1 ends without the contribution of rank 0");
}

// Goal: a schedule of the wrong shape is refused. Method: one of each mistake.
TEST(CheckSchedule, FindsWrongShapes) {
  Schedule lacks_program = ring_of_4();
  lacks_program.programs.pop_back();
  EXPECT_EQ(why(lacks_program), "the schedule says 4 ranks but has 3 programs");
  Schedule no_slices = ring_of_4();
  no_slices.slice_count = 0;
  EXPECT_EQ(why(no_slices), "the schedule has 0 slices: all-reduce over 4 ranks needs 1 or more");
  Schedule gather = made({ScheduleKind::ring, Collective::all_gather, 4, Rank{0}});
  gather.slice_count = 5;
  EXPECT_EQ(why(gather), "the schedule has 5 slices: all-gather over 4 ranks needs 4");
  Schedule alone = ring_of_4();
  step_of(alone, 2, 0, 0).peer = Rank{2};
  EXPECT_EQ(why(alone), "rank 2 in round 0 names itself as its peer");
  Schedule stranger = ring_of_4();
  step_of(stranger, 2, 0, 0).peer = Rank{4};
  EXPECT_EQ(why(stranger), "rank 2 in round 0 names peer 4 of 4");
  Schedule unknown = ring_of_4();
  step_of(unknown, 2, 0, 0).kind = static_cast<StepKind>(9);
  EXPECT_EQ(why(unknown), "rank 2 in round 0 has a step of unknown kind 9");
  Schedule collective = ring_of_4();
  collective.request.collective = static_cast<Collective>(9);
  EXPECT_EQ(why(collective), "unknown collective 9");
  EXPECT_EQ(why(Schedule{{ScheduleKind::ring, Collective::all_reduce, 0, Rank{0}}, 1, {}}),
            "a schedule has 1 to 65536 ranks and a root among them, not 0 and root 0");
}

// Goal: a hostile schedule cannot make the proof take all memory, or all time. Method: more slice states
// than allowed; and 40 doublings of a sum, whose tree would have 2^40 leaves.
TEST(CheckSchedule, BoundsItsOwnCost) {
  Schedule wide{{ScheduleKind::ring, Collective::all_reduce, 65'536, Rank{0}}, 65'536, {}};
  wide.programs.resize(65'536);
  const Status status = check_schedule(wide);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::out_of_resources);

  Schedule doubling = written(Collective::all_reduce, {{}, {}});
  for (int i = 0; i < 40; ++i) {
    doubling.programs[0].rounds.push_back({{send(1), merge(1)}});
    doubling.programs[1].rounds.push_back({{send(0), merge(0)}});
  }
  EXPECT_THAT(why(doubling), HasSubstr("slice 0 on rank 0 ends with two contributions of rank"));
}

// Goal: no single lost or changed step of any small schedule goes unnoticed. Method: for every kind and
// collective over 5 ranks drop each step in turn, and turn each receive into a merge and each merge into
// a receive.
TEST(CheckSchedule, FindsEverySingleMutation) {
  for (const ScheduleRequest& request : every_request(5)) {
    const Schedule right = made(request);
    for (std::size_t rank = 0; rank < right.programs.size(); ++rank) {
      for (std::size_t round = 0; round < right.programs[rank].rounds.size(); ++round) {
        for (std::size_t step = 0; step < right.programs[rank].rounds[round].steps.size(); ++step) {
          Schedule dropped = right;
          auto& steps = dropped.programs[rank].rounds[round].steps;
          steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(step));
          EXPECT_FALSE(check_schedule(dropped).ok())
              << in_words(request) << " without step " << step << " of rank " << rank << " in round " << round;
          Schedule changed = right;
          Step& other = step_of(changed, rank, round, step);
          if (other.kind == StepKind::send) continue;
          other.kind = other.kind == StepKind::receive ? StepKind::receive_merge : StepKind::receive;
          EXPECT_FALSE(check_schedule(changed).ok()) << in_words(request) << " with step " << step << " of rank "
                                                     << rank << " in round " << round << " changed";
        }
      }
    }
  }
}

}  // namespace
}  // namespace gossamer::topology
