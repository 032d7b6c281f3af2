#include "topology/host_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "every_request.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

std::vector<HostRequest> every_host_request(std::uint32_t ranks) {
  std::vector<HostRequest> requests;
  for (const Collective collective : every_collective)
    for (const HostForm form : {HostForm::whole, HostForm::sliced})
      for (const std::uint32_t root : std::set<std::uint32_t>{0, ranks / 2, ranks - 1})
        if (root == 0 || has_root(collective)) requests.push_back({collective, form, ranks, Rank{root}});
  return requests;
}

std::string host_words(const HostRequest& request) {
  return text(request.form == HostForm::whole ? "whole " : "sliced ", collective_name(request.collective), " over ",
              request.rank_count, " ranks, root ", request.root.value);
}

HostSchedule made_on_host(const HostRequest& request) {
  auto schedule = make_host_schedule(request);
  EXPECT_TRUE(schedule.ok()) << host_words(request);
  return schedule.ok() ? *std::move(schedule) : HostSchedule{};
}

std::string why_on_host(const HostSchedule& schedule) {
  const Status status = check_host_schedule(schedule);
  if (status.ok()) return "nothing wrong";
  EXPECT_EQ(status.error().code, Code::invalid_argument);
  return status.error().message;
}

// Goal: every schedule within a host is right for every size of a host. Method: the proof, for all collectives, forms
// and three roots, for each P from 1 to 64.
TEST(HostSchedules, AreProvedForEverySizeTo64) {
  for (std::uint32_t ranks = 1; ranks <= 64; ++ranks)
    for (const HostRequest& request : every_host_request(ranks))
      ASSERT_EQ(why_on_host(made_on_host(request)), "nothing wrong") << host_words(request);
}

// Goal: the rules hold beyond the sizes that are proved one by one. Method: the proof for some of them.
TEST(HostSchedules, AreProvedForSampledSizesTo1000) {
  for (const std::uint32_t ranks : {65u, 96u, 100u, 127u, 1000u})
    for (const HostRequest& request : every_host_request(ranks)) {
      if (ranks == 1000 && has_root(request.collective) && request.root.value != 500) continue;
      ASSERT_EQ(why_on_host(made_on_host(request)), "nothing wrong") << host_words(request);
    }
}

// Goal: no synchronisation is left out and none is idle: each wait holds the proof up. Method: every await is taken out
// of every rank's program, one at a time, and the proof must fail each time.
TEST(HostSchedules, NeedEachOfTheirAwaits) {
  for (const std::uint32_t ranks : {2u, 3u, 5u, 8u})
    for (const HostRequest& request : every_host_request(ranks)) {
      const HostSchedule right = made_on_host(request);
      for (std::uint32_t rank = 0; rank < ranks; ++rank)
        for (std::size_t phase = 0; phase < right.programs[rank].phases.size(); ++phase)
          for (std::size_t i = 0; i < right.programs[rank].phases[phase].steps.size(); ++i) {
            if (right.programs[rank].phases[phase].steps[i].kind != HostStepKind::await) continue;
            HostSchedule lacking = right;
            auto& steps = lacking.programs[rank].phases[phase].steps;
            steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(i));
            EXPECT_THAT(why_on_host(lacking),
                        ::testing::AnyOf(HasSubstr("an await is missing"), HasSubstr("a release edge is missing"),
                                         HasSubstr("may be overwritten")))
                << host_words(request) << ": rank " << rank << ", phase " << phase << ", step " << i;
          }
    }
}

// Goal: an await that is weaker than it must be is found. Method: each one looks one tick further back.
TEST(HostSchedules, NeedTheirAwaitsAsStrongAsTheyAre) {
  for (const std::uint32_t ranks : {2u, 4u})
    for (const HostRequest& request : every_host_request(ranks)) {
      const HostSchedule right = made_on_host(request);
      for (std::uint32_t rank = 0; rank < ranks; ++rank)
        for (std::size_t phase = 0; phase < right.programs[rank].phases.size(); ++phase)
          for (std::size_t i = 0; i < right.programs[rank].phases[phase].steps.size(); ++i) {
            HostSchedule weak = right;
            HostStep& step = weak.programs[rank].phases[phase].steps[i];
            if (step.kind != HostStepKind::await) continue;
            ++step.back;
            EXPECT_NE(why_on_host(weak), "nothing wrong")
                << host_words(request) << ": rank " << rank << ", phase " << phase;
          }
    }
}

// Goal: areas that are too small for the skew between ranks are found. Method: room for one pass less.
TEST(HostSchedules, NeedTheDepthOfTheirAreas) {
  for (const HostRequest& request : every_host_request(4)) {
    HostSchedule shallow = made_on_host(request);
    --shallow.depth;
    EXPECT_THAT(why_on_host(shallow), ::testing::AnyOf(HasSubstr("overwrite"), HasSubstr("an await is missing")))
        << host_words(request);
  }
}

// Goal: a lost or doubled step is found. Method: each step that moves bytes is taken out, or listed again.
TEST(HostSchedules, NeedEachOfTheirStepsOnce) {
  for (const HostRequest& request : every_host_request(3)) {
    const HostSchedule right = made_on_host(request);
    for (std::uint32_t rank = 0; rank < 3; ++rank)
      for (std::size_t phase = 0; phase < right.programs[rank].phases.size(); ++phase)
        for (std::size_t i = 0; i < right.programs[rank].phases[phase].steps.size(); ++i) {
          const HostStepKind kind = right.programs[rank].phases[phase].steps[i].kind;
          if (kind == HostStepKind::await) continue;
          const auto where = text(host_words(request), ": rank ", rank, ", phase ", phase, ", step ", i);
          HostSchedule lacking = right;
          auto& steps = lacking.programs[rank].phases[phase].steps;
          steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(i));
          EXPECT_NE(why_on_host(lacking), "nothing wrong") << where;
          if (kind == HostStepKind::read) continue;  // twice is once
          HostSchedule doubled = right;
          auto& again = doubled.programs[rank].phases[phase].steps;
          again.insert(again.begin() + static_cast<std::ptrdiff_t>(i), HostStep(again[i]));
          EXPECT_NE(why_on_host(doubled), "nothing wrong") << where;
        }
  }
}

// Goal: the sentences say who does what wrong where. Method: one of each.
TEST(HostSchedules, AreRefusedWithTheRankAndThePhase) {
  HostSchedule schedule = made_on_host({Collective::all_reduce, HostForm::sliced, 3, Rank{0}});
  const auto with = [&](std::size_t rank, std::size_t phase, std::size_t i, const HostStep& step) {
    HostSchedule other = schedule;
    other.programs[rank].phases[phase].steps.at(i) = step;
    return why_on_host(other);
  };
  EXPECT_EQ(with(1, 1, 0, {HostStepKind::await, Rank{2}, 0, {}}),
            "rank 1 in phase 1 waits for rank 2 in the tick that it is in: both may wait");
  EXPECT_EQ(with(1, 1, 0, {HostStepKind::await, Rank{1}, 1, {}}), "rank 1 in phase 1 waits for itself");
  EXPECT_EQ(with(1, 1, 0, {HostStepKind::await, Rank{3}, 1, {}}), "rank 1 in phase 1 names peer 3 of 3");
  EXPECT_EQ(with(0, 0, 0, {HostStepKind::expose, {}, 0, {1, 3}}), "rank 0 in phase 0 names slices up to 3 of 3");
  EXPECT_EQ(with(0, 0, 0, {HostStepKind::expose, {}, 0, {1, 0}}), "rank 0 in phase 0 has a step about no slices");
  EXPECT_EQ(with(1, 1, 0, {HostStepKind::await, Rank{2}, 2, {}}),
            "rank 1 in phase 1 reads slice 1 of rank 2 and does not know that it is there: an await is missing");
  HostSchedule folds_another = schedule;
  folds_another.programs[2].phases[1].steps[2].slices = {1, 1};
  EXPECT_THAT(why_on_host(folds_another), HasSubstr("rank 2 in phase 1"));
  HostSchedule lacks_phase = schedule;
  lacks_phase.programs[2].phases.pop_back();
  EXPECT_EQ(why_on_host(lacks_phase), "rank 2 has 2 phases, rank 0 has 3");
  HostSchedule lacks_rank = schedule;
  lacks_rank.programs.pop_back();
  EXPECT_EQ(why_on_host(lacks_rank), "the schedule says 3 ranks but has 2 programs");
  EXPECT_FALSE(make_host_program({Collective::all_reduce, HostForm::whole, 0, Rank{0}}, Rank{0}).ok());
  EXPECT_FALSE(make_host_program({Collective::all_reduce, HostForm::whole, 2, Rank{0}}, Rank{2}).ok());
  EXPECT_FALSE(make_host_program({Collective::reduce, HostForm::whole, 2, Rank{2}}, Rank{0}).ok());
}

}  // namespace
}  // namespace gossamer::topology
