#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "every_request.h"
#include "topology/two_level.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

constexpr CostModel near_link{1'500.0, 0.15, 0.05};
constexpr CostModel far_link{25'000.0, 1.0, 0.05};

// `count` groups of `size` ranks that follow each other.
Groups hosts(std::uint32_t count, std::uint32_t size) {
  std::vector<std::vector<Rank>> members(count);
  for (std::uint32_t rank = 0; rank < count * size; ++rank) members[rank / size].push_back(Rank{rank});
  return Groups::make(std::move(members)).value();
}

double predicted(const Schedule& schedule, std::uint64_t payload, const Groups& groups, const TwoLevelCost& costs) {
  return predict_schedule_cost(schedule, payload, groups, costs)->nanoseconds;
}

// Goal: a schedule that is given as a value costs what its request costs. Method: every request to 64 ranks, as one
// near group, and as groups of one whose links are all far.
TEST(GroupCost, OfOneKindOfLinkIsTheCostOfTheRequest) {
  for (const std::uint32_t ranks : {1u, 2u, 3u, 8u, 13u, 64u}) {
    for (const ScheduleRequest& request : every_request(ranks)) {
      const Schedule schedule = made(request);
      const Cost expected = *predict_cost(request, 1'000'003, near_link);
      for (const Cost& cost : {*predict_schedule_cost(schedule, 1'000'003, near_link),
                               *predict_schedule_cost(schedule, 1'000'003, hosts(1, ranks), {near_link, far_link}),
                               *predict_schedule_cost(schedule, 1'000'003, hosts(ranks, 1), {far_link, near_link})}) {
        EXPECT_DOUBLE_EQ(cost.nanoseconds, expected.nanoseconds) << in_words(request);
        EXPECT_EQ(cost.bytes_per_rank, expected.bytes_per_rank);
        EXPECT_EQ(cost.rounds, expected.rounds);
      }
    }
  }
}

// Goal: two levels cost the sum of their levels. Method: closed forms for powers of two, N groups of G ranks and S
// bytes. Rails of circulants: 2 log2 G near and 2 log2 N far messages, 2 (G-1)/G S near bytes; 2 (N-1)/N S far bytes of
// a group over its links. Leaders of trees and a butterfly: 2 log2 G near messages of S, log2 N far ones.
TEST(GroupCost, AgreesWithTheClosedForms) {
  for (const std::uint32_t count : {2u, 8u}) {
    for (const std::uint32_t size : {2u, 4u, 16u}) {
      const Groups groups = hosts(count, size);
      const double n = count;
      const double g = size;
      const std::uint64_t payload = std::uint64_t{1} << 20;
      const double s = static_cast<double>(payload);
      for (const std::uint32_t links : {1u, 2u, size, 2 * size}) {
        const double rails =
            2 * std::log2(g) * near_link.alpha_ns +
            (g - 1) / g * s * (2 * near_link.beta_ns_per_byte + near_link.gamma_ns_per_byte) +
            2 * std::log2(n) * far_link.alpha_ns +
            (n - 1) / n * s *
                (2 * far_link.beta_ns_per_byte / std::min<double>(links, g) + far_link.gamma_ns_per_byte / g);
        const Schedule of_rails = made(groups, {TwoLevelForm::rails, Collective::all_reduce, ScheduleKind::circulant,
                                                ScheduleKind::circulant, Rank{0}});
        EXPECT_NEAR(predicted(of_rails, payload, groups, {near_link, far_link, links}), rails, 1e-9 * rails);
      }
      const double leaders =
          std::log2(g) * (2 * near_link.alpha_ns + s * (2 * near_link.beta_ns_per_byte + near_link.gamma_ns_per_byte)) +
          std::log2(n) * (far_link.alpha_ns + s * (far_link.beta_ns_per_byte + far_link.gamma_ns_per_byte));
      const Schedule of_leaders = made(groups, {TwoLevelForm::leaders, Collective::all_reduce,
                                                ScheduleKind::binomial_tree, ScheduleKind::butterfly, Rank{0}});
      EXPECT_NEAR(predicted(of_leaders, payload, groups, {near_link, far_link, 1}), leaders, 1e-9 * leaders);
    }
  }
}

// Goal: ranks of a host share its far link. Method: a swap between two hosts by each of four ranks takes four times as
// long over one link as over four, but for its latency.
TEST(GroupCost, FarBytesOfAGroupShareItsLinks) {
  const Groups groups = hosts(2, 4);
  Schedule swap{{ScheduleKind::butterfly, Collective::all_reduce, 8, Rank{0}}, 1, std::vector<Program>(8)};
  for (std::uint32_t rank = 0; rank < 8; ++rank) {
    swap.programs[rank].rounds.push_back(
        {{{StepKind::send, Rank{rank ^ 4}, {0, 1}}, {StepKind::receive, Rank{rank ^ 4}, {0, 1}}}});
  }
  const double bytes = 1 << 20;
  for (const std::uint32_t links : {1u, 2u, 3u, 4u, 5u}) {
    EXPECT_DOUBLE_EQ(predicted(swap, 1 << 20, groups, {near_link, far_link, links}),
                     far_link.alpha_ns + far_link.beta_ns_per_byte * bytes * 4 / std::min(links, 4u));
  }
}

// Goal: what crosses far links decides. Method: over five hosts of six many bytes go by rails and few by leaders, over
// hosts of unlike sizes many by leaders; where all links are alike, the choice is that of choose_schedule without
// groups.
TEST(ChooseOverGroups, TakesTwoLevelsWhereFarLinksAreDear) {
  const TwoLevelCost costs{near_link, far_link, 1};
  const auto choice = [&](const Groups& groups, std::uint64_t payload) {
    return choose_schedule(Collective::all_reduce, groups, payload, costs).value();
  };
  const GroupChoice large = choice(hosts(5, 6), 16 << 20);
  ASSERT_TRUE(large.two_level) << large.reason;
  EXPECT_EQ(large.two_level->form, TwoLevelForm::rails) << large.reason;
  const GroupChoice small = choice(hosts(5, 6), 64);
  ASSERT_TRUE(small.two_level);
  EXPECT_EQ(*small.two_level, (TwoLevelRequest{TwoLevelForm::leaders, Collective::all_reduce,
                                               ScheduleKind::binomial_tree, ScheduleKind::butterfly, Rank{0}}))
      << small.reason;

  std::vector<std::string> names;
  for (std::uint32_t rank = 0; rank < 20; ++rank) names.push_back(rank < 9 ? "a" : rank < 15 ? "b" : "c");
  const GroupChoice ragged = choice(Groups::by_name(names), 16 << 20);
  ASSERT_TRUE(ragged.two_level);
  EXPECT_EQ(ragged.two_level->form, TwoLevelForm::leaders) << ragged.reason;

  for (const Collective collective : every_collective) {
    for (const std::uint64_t payload : {std::uint64_t{64}, std::uint64_t{1} << 16, std::uint64_t{1} << 24}) {
      for (const Groups& groups : {hosts(1, 12), hosts(12, 1)}) {
        const GroupChoice alike = choose_schedule(collective, groups, payload, {near_link, near_link, 1}).value();
        EXPECT_FALSE(alike.two_level) << alike.reason;
        EXPECT_EQ(alike.kind, choose_schedule(collective, 12, payload, near_link)->kind) << alike.reason;
      }
    }
  }
}

// Goal: rooted collectives and gathers have a choice too. Method: many bytes over four hosts of eight: a broadcast and
// a reduce by leaders, an all-gather by a kind that knows nothing of groups.
TEST(ChooseOverGroups, KnowsEveryCollective) {
  const TwoLevelCost costs{near_link, far_link, 1};
  for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
    const GroupChoice choice = choose_schedule(collective, hosts(4, 8), 16 << 20, costs, Rank{13}).value();
    ASSERT_TRUE(choice.two_level) << choice.reason;
    EXPECT_EQ(choice.two_level->root, Rank{13});
    EXPECT_EQ(choice.two_level->form, TwoLevelForm::leaders);
    EXPECT_EQ(choice.two_level->collective, collective);
    const Status status = check_schedule(made(hosts(4, 8), *choice.two_level));
    EXPECT_TRUE(status.ok()) << reason(status);
  }
  EXPECT_FALSE(choose_schedule(Collective::all_gather, hosts(4, 8), 16 << 20, costs)->two_level);
}

// Goal: near pairs are worth something to a kind that knows nothing of groups: halving and doubling moves most bytes
// between neighbours. Method: over hosts that follow each other it costs less than the circulant, which it never does
// where all links are alike; where hosts and their ranks are powers of two it costs what rails of it do, and is chosen.
TEST(ChooseOverGroups, HalvingAndDoublingPaysBetweenNeighbours) {
  const std::uint64_t payload = 4 << 20;
  const TwoLevelCost costs{near_link, far_link, 1};
  for (const std::uint32_t ranks : {4u, 6u, 8u, 16u, 24u}) {
    const ScheduleRequest halving{ScheduleKind::halving_doubling, Collective::all_reduce, ranks, Rank{0}};
    const ScheduleRequest circulant{ScheduleKind::circulant, Collective::all_reduce, ranks, Rank{0}};
    EXPECT_LT(predicted(made(halving), payload, hosts(ranks / 2, 2), costs),
              predicted(made(circulant), payload, hosts(ranks / 2, 2), costs));
    EXPECT_GE(predict_cost(halving, payload, near_link)->nanoseconds,
              predict_cost(circulant, payload, near_link)->nanoseconds * (1 - 1e-9));
  }
  const Groups groups = hosts(4, 8);
  const double flat =
      predicted(made({ScheduleKind::halving_doubling, Collective::all_reduce, 32, Rank{0}}), payload, groups, costs);
  const double rails =
      predicted(made(groups, {TwoLevelForm::rails, Collective::all_reduce, ScheduleKind::halving_doubling,
                              ScheduleKind::halving_doubling, Rank{0}}),
                payload, groups, costs);
  EXPECT_NEAR(flat, rails, 1e-9 * rails);
  const GroupChoice choice = choose_schedule(Collective::all_reduce, groups, payload, costs).value();
  EXPECT_FALSE(choice.two_level) << choice.reason;
  EXPECT_EQ(choice.kind, ScheduleKind::halving_doubling) << choice.reason;
}

// Goal: beyond 64 ranks a few groups stand for all, and some ranks for a large group. Method: what is chosen costs,
// walked over all ranks, at most 5 % more than the cheapest of what there is to choose from.
TEST(ChooseOverGroups, AFewGroupsStandForAllBeyond64) {
  const TwoLevelCost costs{near_link, far_link, 2};
  for (const Groups& groups : {hosts(12, 8), hosts(33, 4), hosts(3, 27), hosts(2, 150)}) {
    for (const std::uint64_t payload : {std::uint64_t{1} << 12, std::uint64_t{1} << 18, std::uint64_t{1} << 24}) {
      double least = std::numeric_limits<double>::infinity();
      for (const ScheduleKind inner :
           {ScheduleKind::binomial_tree, ScheduleKind::double_tree, ScheduleKind::circulant, ScheduleKind::butterfly}) {
        for (const ScheduleKind outer : {ScheduleKind::butterfly, ScheduleKind::circulant, ScheduleKind::ring}) {
          for (const TwoLevelForm form : {TwoLevelForm::leaders, TwoLevelForm::rails}) {
            const auto draft = make_two_level(groups, {form, Collective::all_reduce, inner, outer, Rank{0}});
            if (!draft) continue;
            least = std::min(least, predicted(write_out(*draft, Collective::all_reduce), payload, groups, costs));
          }
          const ScheduleRequest flat{outer, Collective::all_reduce, groups.rank_count(), Rank{0}};
          least = std::min(least, predicted(made(flat), payload, groups, costs));
        }
      }
      const GroupChoice choice = choose_schedule(Collective::all_reduce, groups, payload, costs).value();
      const Schedule chosen = choice.two_level
                                  ? made(groups, *choice.two_level)
                                  : made({choice.kind, Collective::all_reduce, groups.rank_count(), Rank{0}});
      EXPECT_LE(predicted(chosen, payload, groups, costs), 1.05 * least) << choice.reason;
    }
  }
}

// Goal: the choice says why. Method: the sentence of two hosts of two: 8 KiB, by hand: rails of circulants within, two
// messages of half of it, 2 * 1.5 us + 4,096 * 0.35 ns; a swap of halves between, 25 us + 8,192 * 1 ns over the shared
// link
// + 4,096 * 0.05 ns: 37.8 us.
TEST(ChooseOverGroups, SaysWhyWithTheBestPredictions) {
  const GroupChoice choice = choose_schedule(Collective::all_reduce, hosts(2, 2), 8'192, {near_link, far_link}).value();
  EXPECT_THAT(choice.reason,
              ::testing::StartsWith("rails of circulant and butterfly for all-reduce of 8.0 KiB over 4 ranks "
                                    "in 2 groups: 37.8 us predicted, "));
  EXPECT_THAT(choice.reason, HasSubstr("leaders of binomial-tree and butterfly 39.5 us"));
  EXPECT_THAT(choice.reason, HasSubstr(" more"));
}

// Goal: a choice over many ranks is quick, since every rank makes it for every stage. Method: 1,024 ranks on 128 hosts,
// on one, and on hosts of their own; 4,096 on two hosts, of which all programs of all ranks take half a minute.
TEST(ChooseOverGroups, IsMadeForAThousandRanks) {
  EXPECT_TRUE(choose_schedule(Collective::all_reduce, hosts(1, 1'024), 1 << 24, {near_link, far_link}).ok());
  EXPECT_TRUE(choose_schedule(Collective::all_reduce, hosts(1'024, 1), 1 << 24, {near_link, far_link}).ok());
  EXPECT_TRUE(choose_schedule(Collective::all_reduce, hosts(128, 8), 1 << 24, {near_link, far_link}).ok());
  EXPECT_TRUE(choose_schedule(Collective::all_reduce, hosts(2, 2'048), 1 << 24, {near_link, far_link}).ok());
}

// Goal: senseless numbers are refused. Method: one of each.
TEST(GroupCost, RefusesWrongArgumentsAndSaysWhy) {
  const Schedule schedule = made({ScheduleKind::ring, Collective::all_reduce, 4, Rank{0}});
  const auto why = [](const Result<Cost>& cost) {
    EXPECT_FALSE(cost.ok());
    return cost.ok() ? std::string() : cost.error().message;
  };
  EXPECT_EQ(why(predict_schedule_cost(schedule, 1, hosts(2, 3), {near_link, far_link})),
            "the groups have 6 ranks, the schedule has 4");
  EXPECT_EQ(why(predict_schedule_cost(schedule, 1, hosts(2, 2), {near_link, far_link, 0})),
            "a group has 1 or more far links, not 0");
  EXPECT_EQ(why(predict_schedule_cost(schedule, 1, hosts(2, 2), {near_link, {-1, 0, 0}})),
            "a cost model has finite numbers of 0 or more, not -1");
  Schedule stranger = schedule;
  stranger.programs[0].rounds[0].steps[0].peer = Rank{9};
  EXPECT_THAT(why(predict_schedule_cost(stranger, 1, near_link)), HasSubstr("names ranks or slices that it has not"));
  EXPECT_FALSE(predict_schedule_cost(Schedule{}, 1, near_link).ok());
  EXPECT_FALSE(choose_schedule(static_cast<Collective>(9), hosts(2, 2), 1, {near_link, far_link}).ok());
  EXPECT_FALSE(choose_schedule(Collective::broadcast, hosts(2, 2), 1, {near_link, far_link}, Rank{4}).ok());
}

}  // namespace
}  // namespace gossamer::topology
