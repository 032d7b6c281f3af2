#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "every_request.h"
#include "topology/two_level.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

std::vector<Rank> ranks_of(std::initializer_list<std::uint32_t> values) {
  std::vector<Rank> ranks;
  for (const std::uint32_t value : values) ranks.push_back(Rank{value});
  return ranks;
}

enum class Placement { contiguous, round_robin };

// Groups of these sizes, whose ranks follow each other, or are dealt out in turn.
Groups groups_of(const std::vector<std::uint32_t>& sizes, Placement placement) {
  std::vector<std::vector<Rank>> members(sizes.size());
  std::uint32_t next = 0;
  if (placement == Placement::contiguous) {
    for (std::size_t group = 0; group < sizes.size(); ++group) {
      for (std::uint32_t i = 0; i < sizes[group]; ++i) members[group].push_back(Rank{next++});
    }
  } else {
    for (std::uint32_t place = 0; place < *std::max_element(sizes.begin(), sizes.end()); ++place) {
      for (std::size_t group = 0; group < sizes.size(); ++group) {
        if (place < sizes[group]) members[group].push_back(Rank{next++});
      }
    }
  }
  return Groups::make(std::move(members)).value();
}

// Calls visit with every two-level request of the form over groups of these kinds of sizes: 1 to 9 in three groups for
// leaders, 2 to 12 groups of 1 to 12 for rails; both placements.
template <typename Visit>
void for_all_configurations(TwoLevelForm form, const Visit& visit) {
  for (const Placement placement : {Placement::contiguous, Placement::round_robin}) {
    if (form == TwoLevelForm::leaders) {
      for (std::uint32_t a = 1; a <= 9; ++a)
        for (std::uint32_t b = 1; b <= 9; ++b)
          for (std::uint32_t c = 1; c <= 9; ++c) visit(groups_of({a, b, c}, placement));
    } else {
      for (std::uint32_t count = 2; count <= 12; ++count)
        for (std::uint32_t size = 1; size <= 12; ++size)
          visit(groups_of(std::vector<std::uint32_t>(count, size), placement));
    }
  }
}

// Goal: schedules over two levels are right for every small shape. Method: the proof, for 1,722 shapes of groups (1 to
// 9 by 1 to 9 by 1 to 9 for leaders, 2 to 12 groups of 1 to 12 for rails; contiguous and dealt out) with kinds of both
// levels taken in turn.
TEST(TwoLevel, IsProvedForEveryShapeAndTheKindsInTurn) {
  constexpr std::array leaders = {ScheduleKind::binomial_tree, ScheduleKind::star, ScheduleKind::pipelined_tree,
                                  ScheduleKind::double_tree};
  constexpr std::array scatterers = {ScheduleKind::circulant, ScheduleKind::halving_doubling, ScheduleKind::ring,
                                     ScheduleKind::binomial_tree, ScheduleKind::star};
  std::size_t proved = 0;
  for (const TwoLevelForm form : {TwoLevelForm::leaders, TwoLevelForm::rails}) {
    for_all_configurations(form, [&](const Groups& groups) {
      const ScheduleKind inner =
          form == TwoLevelForm::leaders ? leaders[proved % leaders.size()] : scatterers[proved % scatterers.size()];
      const ScheduleKind outer = all_schedules()[proved % all_schedules().size()];
      const TwoLevelRequest request{form, Collective::all_reduce, inner, outer, Rank{0}};
      const Status status = check_schedule(made(groups, request));
      ASSERT_TRUE(status.ok()) << in_words(request) << " over " << groups.rank_count() << " ranks in " << groups.size()
                               << " groups: " << reason(status);
      ++proved;
    });
  }
  EXPECT_EQ(proved, 1'722u);
}

// Goal: every pair of kinds works together, for each collective and root. Method: all of them over some shapes; what
// one of the levels does not know is refused by make_program's words.
TEST(TwoLevel, IsProvedForEveryPairOfKinds) {
  for (const Groups& groups : {groups_of({1}, Placement::contiguous), groups_of({4}, Placement::contiguous),
                               groups_of({1, 1, 1}, Placement::contiguous), groups_of({3, 3}, Placement::round_robin),
                               groups_of({4, 1, 2, 5, 3}, Placement::round_robin)}) {
    std::size_t proved = 0;
    for (const ScheduleKind inner : all_schedules()) {
      for (const ScheduleKind outer : all_schedules()) {
        for (const Collective collective : {Collective::all_reduce, Collective::broadcast, Collective::reduce}) {
          for (const std::uint32_t root : {0u, groups.rank_count() / 2, groups.rank_count() - 1}) {
            for (const TwoLevelForm form : {TwoLevelForm::leaders, TwoLevelForm::rails}) {
              const TwoLevelRequest request{form, collective, inner, outer, Rank{root}};
              const Result<Draft> draft = make_two_level(groups, request);
              const bool is_known =
                  supports(outer, collective) &&
                  (form == TwoLevelForm::leaders
                       ? (collective == Collective::broadcast || supports(inner, Collective::reduce)) &&
                             (collective == Collective::reduce || supports(inner, Collective::broadcast))
                       : collective == Collective::all_reduce && groups.are_equally_large() &&
                             supports(inner, Collective::reduce_scatter) && supports(inner, Collective::all_gather));
              ASSERT_EQ(draft.ok(), is_known) << in_words(request) << (draft.ok() ? "" : draft.error().message);
              if (!is_known) continue;
              const Status status = check_schedule(write_out(*draft, collective, Rank{root}));
              ASSERT_TRUE(status.ok()) << in_words(request) << ": " << reason(status);
              ++proved;
            }
          }
        }
      }
    }
    EXPECT_GT(proved, 100u);
  }
}

// Goal: the proof sees what is wrong in a composition. Method: of each of the 1,722 shapes, drop the last round in
// which anybody does something, on every rank; and drop single steps of one.
TEST(TwoLevel, FindsEveryDroppedRound) {
  for (const TwoLevelForm form : {TwoLevelForm::leaders, TwoLevelForm::rails}) {
    const ScheduleKind inner = form == TwoLevelForm::leaders ? ScheduleKind::binomial_tree : ScheduleKind::circulant;
    for_all_configurations(form, [&](const Groups& groups) {
      Schedule schedule = made(groups, {form, Collective::all_reduce, inner, ScheduleKind::butterfly, Rank{0}});
      std::size_t rounds = 0;
      for (const Program& program : schedule.programs) rounds = std::max(rounds, program.rounds.size());
      if (rounds == 0) return;
      for (Program& program : schedule.programs) {
        if (program.rounds.size() == rounds) program.rounds.pop_back();
      }
      EXPECT_FALSE(check_schedule(schedule).ok()) << groups.rank_count();
    });
  }
}
TEST(TwoLevel, FindsEveryDroppedStep) {
  for (const TwoLevelForm form : {TwoLevelForm::leaders, TwoLevelForm::rails}) {
    const ScheduleKind inner = form == TwoLevelForm::leaders ? ScheduleKind::double_tree : ScheduleKind::circulant;
    const Schedule right = made(groups_of({3, 3, 3}, Placement::round_robin),
                                {form, Collective::all_reduce, inner, ScheduleKind::circulant, Rank{0}});
    for (std::size_t rank = 0; rank < right.programs.size(); ++rank) {
      for (std::size_t round = 0; round < right.programs[rank].rounds.size(); ++round) {
        for (std::size_t step = 0; step < right.programs[rank].rounds[round].steps.size(); ++step) {
          Schedule dropped = right;
          auto& steps = dropped.programs[rank].rounds[round].steps;
          steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(step));
          EXPECT_FALSE(check_schedule(dropped).ok()) << rank << ", " << round << ", " << step;
        }
      }
    }
  }
}

// Goal: the drawing is what happens. Method: leaders over groups of 3 and 2: a tree's reduce in each, one swap between
// the leaders, a tree's broadcast.
TEST(TwoLevel, LeadersReduceMeetAndBroadcast) {
  const Schedule schedule =
      made(groups_of({3, 2}, Placement::contiguous),
           {TwoLevelForm::leaders, Collective::all_reduce, ScheduleKind::star, ScheduleKind::butterfly, Rank{0}});
  EXPECT_EQ(format_schedule(schedule),
            "gossamer-schedule 1\n"
            "kind binomial-tree\n"
            "collective all-reduce\n"
            "ranks 5\n"
            "root 0\n"
            "slices 1\n"
            "rank 0\n"
            "merge 0+1 from 1; merge 0+1 from 2\n"
            "send 0+1 to 3; merge 0+1 from 3\n"
            "send 0+1 to 1; send 0+1 to 2\n"
            "rank 1\n"
            "send 0+1 to 0\n"
            "idle\n"
            "receive 0+1 from 0\n"
            "rank 2\n"
            "send 0+1 to 0\n"
            "idle\n"
            "receive 0+1 from 0\n"
            "rank 3\n"
            "merge 0+1 from 4\n"
            "send 0+1 to 0; merge 0+1 from 0\n"
            "send 0+1 to 4\n"
            "rank 4\n"
            "send 0+1 to 3\n"
            "idle\n"
            "receive 0+1 from 3\n"
            "end\n");
}

// Goal: no byte crosses a far link more often than it must. Method: rails send 2 (N-1)/N of the buffer out of each
// group, whatever the group's size.
TEST(TwoLevel, RailsSendEachSliceOverFarLinksOnce) {
  for (const std::uint32_t size : {1u, 2u, 5u, 8u}) {
    const Groups groups = groups_of(std::vector<std::uint32_t>(4, size), Placement::round_robin);
    const Schedule schedule = made(groups, {TwoLevelForm::rails, Collective::all_reduce, ScheduleKind::circulant,
                                            ScheduleKind::circulant, Rank{0}});
    std::vector<std::uint32_t> far(groups.size());
    for (std::uint32_t rank = 0; rank < groups.rank_count(); ++rank) {
      for (const Round& round : schedule.programs[rank].rounds) {
        for (const Step& step : round.steps) {
          if (step.kind == StepKind::send && groups.group_of(step.peer) != groups.group_of(Rank{rank}))
            far[groups.group_of(Rank{rank})] += step.slices.count;
        }
      }
    }
    for (const std::uint32_t slices : far) EXPECT_EQ(slices * 4, schedule.slice_count * 2 * 3);
  }
}

// Goal: a rank's program is made without the others', for large worlds too, and rounds are counted alike. Method: each
// step of sampled ranks has its mirror image in the same round of the peer's program, over 4,096 ranks.
TEST(TwoLevel, SidesOfAMessageAreInTheSameRoundOver4096Ranks) {
  Random random(7);
  std::vector<std::uint32_t> ragged;
  for (std::uint32_t left = 4'096; left > 0; left -= ragged.back())
    ragged.push_back(std::min(left, 1 + static_cast<std::uint32_t>(random.below(100))));
  const std::array shapes = {std::pair(groups_of(ragged, Placement::round_robin),
                                       TwoLevelRequest{TwoLevelForm::leaders, Collective::all_reduce,
                                                       ScheduleKind::double_tree, ScheduleKind::circulant, Rank{0}}),
                             std::pair(groups_of(std::vector<std::uint32_t>(64, 64), Placement::contiguous),
                                       TwoLevelRequest{TwoLevelForm::rails, Collective::all_reduce,
                                                       ScheduleKind::halving_doubling, ScheduleKind::ring, Rank{0}})};
  for (const auto& [groups, request] : shapes) {
    const Draft draft = make_two_level(groups, request).value();
    std::size_t looked_at = 0;
    for (int sample = 0; sample < 30; ++sample) {
      const Rank rank = groups.members(static_cast<std::uint32_t>(random.below(groups.size())))[0];
      const Program program = draft.program(rank.value);
      ASSERT_LE(program.rounds.size(), draft.round_count);
      const std::size_t index = random.below(std::max<std::size_t>(program.rounds.size(), 1));
      if (program.rounds.empty()) continue;
      for (const Step& step : program.rounds[index].steps) {
        const Program other = draft.program(step.peer.value);
        ASSERT_LT(index, other.rounds.size());
        const auto& steps = other.rounds[index].steps;
        EXPECT_TRUE(std::any_of(steps.begin(), steps.end(), [&](const Step& mirrored) {
          return mirrored.peer == rank && mirrored.slices == step.slices &&
                 (mirrored.kind == StepKind::send) != (step.kind == StepKind::send);
        })) << in_words(request);
        ++looked_at;
      }
    }
    EXPECT_GT(looked_at, 10u) << in_words(request);
  }
}

// Goal: what cannot be composed is refused, and why. Method: one of each.
TEST(TwoLevel, RefusesWrongRequestsAndSaysWhy) {
  const Groups groups = groups_of({2, 3}, Placement::contiguous);
  const auto why = [&](const TwoLevelRequest& request) {
    const Result<Draft> draft = make_two_level(groups, request);
    EXPECT_FALSE(draft.ok());
    return draft.ok() ? std::string() : draft.error().message;
  };
  TwoLevelRequest request{TwoLevelForm::rails, Collective::all_reduce, ScheduleKind::circulant, ScheduleKind::ring, {}};
  EXPECT_EQ(why(request), "rails need groups of one size");
  request.collective = Collective::broadcast;
  EXPECT_EQ(why(request), "rails are for an all-reduce, not for the collective broadcast");
  request.form = TwoLevelForm::leaders;
  request.collective = Collective::all_gather;
  EXPECT_EQ(why(request), "leaders are for an all-reduce, a broadcast or a reduce, not for the collective all-gather");
  request.collective = Collective::all_reduce;
  EXPECT_THAT(why(request), HasSubstr("there is no circulant schedule for the collective reduce"));
  request.root = Rank{5};
  EXPECT_EQ(why(request), "root 5 is not one of 5 ranks");
  request = {static_cast<TwoLevelForm>(9), Collective::all_reduce, ScheduleKind::star, ScheduleKind::ring, {}};
  EXPECT_EQ(why(request), "unknown form of two levels 9");
  // Chains cut by the number of ranks: 9, 10, 11, 13 and 14 have no common cut within bounds.
  const Groups odd = groups_of({9, 10, 11, 13, 14}, Placement::contiguous);
  const auto chains = make_two_level(
      odd, {TwoLevelForm::leaders, Collective::all_reduce, ScheduleKind::chain, ScheduleKind::butterfly, {}});
  ASSERT_FALSE(chains.ok());
  EXPECT_EQ(chains.error().message,
            "the parts of a schedule are cut so differently that a common cut has more than 65536 slices");
}

// Goal: a draft is the schedule that it was made of, and knows its rounds. Method: every request to 33 ranks.
TEST(Drafts, AreTheSchedulesThatTheyAreMadeOf) {
  for (std::uint32_t ranks = 1; ranks <= 33; ++ranks) {
    for (const ScheduleRequest& request : every_request(ranks)) {
      const Draft made_of = make_draft(request).value();
      const Schedule schedule = made(request);
      const Schedule written = write_out(made_of, request.collective, request.root);
      ASSERT_EQ(written.programs, schedule.programs) << in_words(request);
      ASSERT_EQ(written.slice_count, schedule.slice_count);
      std::size_t rounds = 0;
      for (const Program& program : schedule.programs) rounds = std::max(rounds, program.rounds.size());
      ASSERT_EQ(made_of.round_count, rounds) << in_words(request);
    }
  }
}

// Goal: some ranks of a world do a collective by themselves. Method: a ring of three over ranks 5, 2 and 7 of eight:
// its programs with the ranks renamed, and nothing for the others.
TEST(Drafts, AreMappedIntoALargerWorld) {
  const ScheduleRequest request{ScheduleKind::ring, Collective::all_reduce, 3, Rank{0}};
  const std::vector<Rank> ranks = ranks_of({5, 2, 7});
  const Draft placed = mapped(*make_draft(request), ranks, 8);
  EXPECT_EQ(placed.rank_count, 8u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    Program expected = *make_program(request, Rank{i});
    for (Round& round : expected.rounds) {
      for (Step& step : round.steps) step.peer = ranks[step.peer.value];
    }
    EXPECT_EQ(placed.program(ranks[i].value), expected);
  }
  for (const std::uint32_t idle : {0u, 1u, 3u, 4u, 6u}) EXPECT_TRUE(placed.program(idle).rounds.empty());
}

// Goal: drafts that follow each other are one schedule, whatever their cuts. Method: a reduce to rank 1 by a tree, cut
// in one, and a broadcast from there by a chain, cut in eight, are an all-reduce; in the other order they are none.
TEST(Drafts, InTurnReconcileTheirSlices) {
  const Draft up = *make_draft({ScheduleKind::binomial_tree, Collective::reduce, 5, Rank{1}});
  const Draft down = *make_draft({ScheduleKind::chain, Collective::broadcast, 5, Rank{1}});
  const Draft both = in_turn(std::array{up, down}).value();
  EXPECT_EQ(both.slice_count, 8u);
  EXPECT_EQ(both.round_count, up.round_count + down.round_count);
  const Status right = check_schedule(write_out(both, Collective::all_reduce));
  EXPECT_TRUE(right.ok()) << reason(right);
  EXPECT_FALSE(check_schedule(write_out(in_turn(std::array{down, up}).value(), Collective::all_reduce)).ok());

  // Thirds and halves: six slices.
  const Draft thirds = *make_draft({ScheduleKind::ring, Collective::all_reduce, 3, Rank{0}});
  const Draft halves = inside(*make_draft({ScheduleKind::star, Collective::all_reduce, 3, Rank{0}}), 1, 2);
  const Draft mixed = in_turn(std::array{thirds, halves}).value();
  EXPECT_EQ(mixed.slice_count, 6u);
  const Program program = mixed.program(0);
  EXPECT_EQ(program.rounds.front().steps.front().slices.count, 2u);
  EXPECT_EQ(program.rounds.back().steps.front().slices, (SliceRange{3, 3}));
}

// Goal: groups are a partition, and names make them. Method: one of each mistake; hosts of five ranks.
TEST(GroupsOfRanks, ArePartitionsOfTheRanks) {
  const auto why = [](std::vector<std::vector<Rank>> members) {
    const Result<Groups> groups = Groups::make(std::move(members));
    EXPECT_FALSE(groups.ok());
    return groups.ok() ? std::string() : groups.error().message;
  };
  EXPECT_EQ(why({}), "groups have 1 to 65536 ranks together, not 0");
  EXPECT_EQ(why({ranks_of({0}), {}}), "a group has no ranks");
  EXPECT_EQ(why({ranks_of({0, 1}), ranks_of({1})}), "rank 1 is in the groups twice");
  EXPECT_EQ(why({ranks_of({0, 1}), ranks_of({3})}), "groups of 3 ranks name rank 3");

  const std::array<std::string, 5> hosts = {"b", "a", "b", "c", "a"};
  const Groups groups = Groups::by_name(hosts);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups.members(0), ranks_of({0, 2}));
  EXPECT_EQ(groups.members(1), ranks_of({1, 4}));
  EXPECT_EQ(groups.members(2), ranks_of({3}));
  EXPECT_EQ(groups.group_of(Rank{4}), 1u);
  EXPECT_EQ(groups.place_of(Rank{4}), 1u);
  EXPECT_EQ(groups.largest(), 2u);
  EXPECT_FALSE(groups.are_equally_large());
  const Groups turned = groups_of({3, 3}, Placement::contiguous).transposed();
  ASSERT_EQ(turned.size(), 3u);
  EXPECT_EQ(turned.members(1), ranks_of({1, 4}));
}

}  // namespace
}  // namespace gossamer::topology
