#include "topology/rank_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "every_request.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

std::vector<Rank> order_of(std::initializer_list<std::uint32_t> values) {
  std::vector<Rank> ranks;
  for (const std::uint32_t value : values) ranks.push_back(Rank{value});
  return ranks;
}

RankOrder shuffled(std::uint32_t count, std::uint64_t seed) {
  std::vector<Rank> ranks(count);
  for (std::uint32_t i = 0; i < count; ++i) ranks[i] = Rank{i};
  Random random(seed);
  for (std::uint32_t i = count; i > 1; --i) std::swap(ranks[i - 1], ranks[random.below(i)]);
  return RankOrder::make(std::move(ranks)).value();
}

// Goal: whatever the order, a schedule that was right is right, for every kind and collective, with slices and roots
// that stay the ranks'. Method: the proof, for each request over 2 to 13 ranks in two random orders.
TEST(RankOrder, MakesEverySchedulePlayedInItRight) {
  for (std::uint32_t ranks = 2; ranks <= 13; ++ranks) {
    for (const std::uint64_t seed : {1u, 2u}) {
      const RankOrder order = shuffled(ranks, 100 * seed + ranks);
      for (ScheduleRequest request : every_request(ranks)) {
        const Rank root = request.root;
        if (has_root(request.collective)) request.root = Rank{order.position_of(root)};
        const Draft played = order.play(make_draft(request).value(), request.collective);
        EXPECT_EQ(reason(check_schedule(write_out(played, request.collective, root))), "") << in_words(request);
      }
    }
  }
}

// Goal: two levels in an order are right, too. Method: the proof, over three groups in positions.
TEST(RankOrder, MakesTwoLevelsPlayedInItRight) {
  const RankOrder order = shuffled(6, 3);
  const Groups groups = Groups::make({order_of({0, 1}), order_of({2, 3}), order_of({4, 5})}).value();
  for (const TwoLevelForm form : {TwoLevelForm::leaders, TwoLevelForm::rails}) {
    const TwoLevelRequest request = {form, Collective::all_reduce,
                                     form == TwoLevelForm::leaders ? ScheduleKind::binomial_tree : ScheduleKind::ring,
                                     ScheduleKind::ring};
    const Draft played = order.play(make_two_level(groups, request).value(), Collective::all_reduce);
    EXPECT_EQ(reason(check_schedule(write_out(played, Collective::all_reduce))), "");
  }
}

// Goal: the example of the header. Method: whom each rank of a ring sends to.
TEST(RankOrder, PutsRanksOfAHostSideBySide) {
  const RankOrder order = RankOrder::make(order_of({0, 2, 1, 3})).value();
  const Draft ring =
      order.play(make_draft({ScheduleKind::ring, Collective::all_reduce, 4}).value(), Collective::all_reduce);
  std::vector<std::uint32_t> next;
  for (std::uint32_t rank = 0; rank < 4; ++rank) {
    const Program program = ring.program(rank);
    for (const Step& step : program.rounds[0].steps)
      if (step.kind == StepKind::send) next.push_back(step.peer.value);
  }
  EXPECT_EQ(next, (std::vector<std::uint32_t>{2, 3, 1, 0}));
}

// Goal: that of the numbers is known as such and changes nothing; a group has its members' order. Method: each once.
TEST(RankOrder, OfTheNumbersChangesNothing) {
  EXPECT_TRUE(RankOrder::make(order_of({0, 1, 2})).value().is_natural());
  const Program program = make_program({ScheduleKind::ring, Collective::all_gather, 3}, Rank{1}).value();
  EXPECT_EQ(RankOrder().play(program, Collective::all_gather), program);
  const RankOrder order = RankOrder::make(order_of({3, 0, 2, 1})).value();
  const RankOrder among = order.among(order_of({1, 2, 3}));
  EXPECT_EQ(among.at(0), Rank{2});  // the place of rank 3
  EXPECT_EQ(among.at(1), Rank{1});
  EXPECT_EQ(among.at(2), Rank{0});
  EXPECT_EQ(among.position_of(Rank{2}), 0u);
  EXPECT_TRUE(RankOrder().among(order_of({2, 1})).is_natural());
}

// Goal: what is no order is refused with the rank. Method: one of each.
TEST(RankOrder, RefusesWhatIsNone) {
  const auto why = [](std::vector<Rank> ranks) { return RankOrder::make(std::move(ranks)).error().message; };
  EXPECT_EQ(why(order_of({0, 2})), "an order of 2 ranks names rank 2");
  EXPECT_EQ(why(order_of({1, 0, 1})), "rank 1 is in the order twice");
  EXPECT_THAT(why({}), HasSubstr("not 0"));
}

}  // namespace
}  // namespace gossamer::topology
