// Whole clusters under faults of the data path: what changes nothing, what ends in which error, and that nobody
// waits for ever. Every failure prints the case and the seed that replay it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/runtime/cluster_fixture.h"
#include "tests/support/sweep.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using testing::ClusterFamily;
using ::testing::HasSubstr;
using testing::TestCluster;
using topology::ScheduleKind;
using transport::FaultCounts;
using transport::FaultEvent;
using transport::FaultKind;
using transport::FaultOptions;

std::vector<ClusterFamily> all_families() {
  std::vector<ClusterFamily> families;
  for (const AlgorithmKind algorithm : all_algorithms())
    for (const ScheduleKind schedule : topology::all_schedules())
      families.push_back({{algorithm, 0, schedule}, {2, 3, 6}});
  return families;
}

class Faults : public ::testing::TestWithParam<ClusterFamily> {};
INSTANTIATE_TEST_SUITE_P(, Faults, ::testing::ValuesIn(all_families()),
                         [](const auto& each) { return each.param.name(); });

// The message that says how a rank that is still pending would end: by the deadline of its wait.
Error deadline_of(TestCluster& test, std::uint32_t rank) {
  const Status waited = test.compressors[rank]->wait(0);
  return waited.ok() ? Error{Code::done, ""} : waited.error();
}

// One fault of any rank at any of its first messages.
FaultOptions at_a_message(FaultKind kind, std::uint64_t seed, std::uint32_t rank_count) {
  Random random(seed);
  const Rank rank{static_cast<std::uint32_t>(random.below(rank_count))};
  FaultOptions options{.seed = seed};
  options.events = {{.kind = kind, .rank = rank, .message = random.below(4)}};
  return options;
}

std::vector<TestCluster::Outcome> run_step(TestCluster& test) {
  test.compress_all(0);
  test.reduce_all();
  return test.run();
}

// Goal: delays, stalls and duplicates change no bit of any update on any rank. Method: two steps under all three,
// over seeds, beside a cluster without faults. A sweep over 200 seeds; that all three fire is asked of four and more.
TEST_P(Faults, ThatLoseNothingChangeNothing) {
  for (const ClusterCase& c : GetParam().cases()) {
    SCOPED_TRACE(testing::case_name(c));
    TestCluster plain(c);
    std::vector<std::vector<float>> expected;
    for (std::uint32_t step = 0; step < 2; ++step) {
      ASSERT_NO_FATAL_FAILURE(plain.step(step));
      expected.push_back(plain.dense_update(0));
    }
    FaultCounts fired;
    const std::vector<std::uint64_t> seeds = gossamer::testing::sweep({1, 200}, 4);
    for (const std::uint64_t seed : seeds) {
      SCOPED_TRACE(gossamer::testing::replay_of(seed));
      TestCluster test(c, FaultOptions{.seed = seed, .delay = 0.3, .duplicate = 0.3, .stall = 0.1});
      for (std::uint32_t step = 0; step < 2; ++step) {
        ASSERT_NO_FATAL_FAILURE(test.step(step));
        for (std::uint32_t r = 0; r < test.rank_count(); ++r) ASSERT_EQ(test.dense_update(r), expected[step]);
      }
      const FaultCounts counts = test.fault_counts();
      for (std::size_t k = 0; k < transport::fault_kind_count; ++k) fired.fired[k] += counts.fired[k];
    }
    if (seeds.size() < 4) continue;
    EXPECT_GT(fired[FaultKind::delay], 0u);
    EXPECT_GT(fired[FaultKind::duplicate], 0u);
    EXPECT_GT(fired[FaultKind::stall], 0u);
  }
}

// Goal: a lost message never hangs a rank: each ends done, or its wait ends with DEADLINE, and the rank that the
// message was for names its sender. Method: one message of one step is dropped, over seeds.
TEST_P(Faults, OfALostMessageEndInADeadlineThatNamesTheSender) {
  for (const ClusterCase& c : GetParam().cases()) {
    SCOPED_TRACE(testing::case_name(c));
    std::uint64_t dropped = 0;
    for (std::uint64_t seed = 1; dropped < 4; ++seed) {
      ASSERT_LT(seed, 200u) << "only " << dropped << " messages were there to drop";
      SCOPED_TRACE(text("seed ", seed));
      const FaultOptions options = at_a_message(FaultKind::drop, seed, c.rank_count);
      const Rank sender = options.events[0].rank;
      TestCluster test(c, options);
      const auto outcomes = run_step(test);
      const bool hit = test.fault_counts()[FaultKind::drop] > 0;
      dropped += hit ? 1u : 0u;
      bool named = false;
      for (std::uint32_t r = 0; r < test.rank_count(); ++r) {
        if (outcomes[r].code == Code::done) continue;
        ASSERT_TRUE(hit);
        ASSERT_EQ(outcomes[r].code, Code::pending) << outcomes[r].error.message;
        const Error error = deadline_of(test, r);
        ASSERT_EQ(error.code, Code::deadline);
        EXPECT_THAT(error.message, HasSubstr(text("rank ", r, " waits for rank ")));
        named |= error.message.find(text("waits for rank ", sender.value, ",")) != std::string::npos;
      }
      EXPECT_EQ(named, hit);
    }
  }
}

// Goal: a rank that is killed at any message is named by PEER_LOST on every survivor that is not done. Method: over
// seeds, any rank at any of its first messages.
TEST_P(Faults, ThatKillARankAreNamedOnEverySurvivor) {
  for (const ClusterCase& c : GetParam().cases()) {
    SCOPED_TRACE(testing::case_name(c));
    std::uint64_t killed = 0;
    for (std::uint64_t seed = 1; killed < 4; ++seed) {
      ASSERT_LT(seed, 200u) << "only " << killed << " ranks got to the message of their death";
      SCOPED_TRACE(text("seed ", seed));
      const FaultOptions options = at_a_message(FaultKind::kill, seed, c.rank_count);
      const Rank victim = options.events[0].rank;
      TestCluster test(c, options);
      const auto outcomes = run_step(test);
      if (!test.cluster->faults(victim).is_dead()) continue;
      ++killed;
      for (std::uint32_t r = 0; r < test.rank_count(); ++r) {
        if (Rank{r} == victim) continue;
        if (outcomes[r].code == Code::done) continue;
        ASSERT_EQ(outcomes[r].code, Code::peer_lost) << "rank " << r << ": " << outcomes[r].error.message;
        ASSERT_EQ(outcomes[r].error.rank, victim);
      }
    }
  }
}

// Goal: a link that is cut ends in DEADLINE for those who wait over it, and in nothing where nobody does. Method:
// over seeds, one link for ever or for a while, at a moment of the step.
TEST_P(Faults, ThatCutALinkEndInADeadlineOrInNothing) {
  for (const ClusterCase& c : GetParam().cases()) {
    SCOPED_TRACE(testing::case_name(c));
    const std::uint32_t p = c.rank_count;
    std::uint64_t lost = 0;
    for (std::uint64_t seed = 1; seed <= 8 || lost < 3; ++seed) {
      ASSERT_LT(seed, 200u) << "only " << lost << " cuts lost a message";
      SCOPED_TRACE(text("seed ", seed));
      Random random(seed);
      const Rank one{static_cast<std::uint32_t>(random.below(p))};
      const Rank other{static_cast<std::uint32_t>((one.value + 1 + random.below(p - 1)) % p)};
      FaultOptions options{.seed = seed};
      options.events = {{.kind = FaultKind::cut,
                         .rank = one,
                         .peer = other,
                         .at_ns = random.below(300'000),
                         .duration_ns = seed % 2 == 0 ? 50'000u : 0u}};
      TestCluster test(c, options);
      const auto outcomes = run_step(test);
      const bool hit = test.fault_counts().lost_in_cuts > 0;
      lost += hit ? 1u : 0u;
      bool named = false;
      for (std::uint32_t r = 0; r < p; ++r) {
        if (outcomes[r].code == Code::done) continue;
        ASSERT_TRUE(hit);
        ASSERT_EQ(outcomes[r].code, Code::pending) << outcomes[r].error.message;
        const Error error = deadline_of(test, r);
        ASSERT_EQ(error.code, Code::deadline);
        const Rank far = Rank{r} == one ? other : one;
        named |= (Rank{r} == one || Rank{r} == other) &&
                 error.message.find(text("waits for rank ", far.value, ",")) != std::string::npos;
      }
      EXPECT_EQ(named, hit);
    }
  }
}

// Goal: a deadline does not end an operation: what was late ends it well. Method: a rank stalls for a second; the
// others' waits end with DEADLINE; when it goes on, all are done with the bits of a run without faults.
TEST_P(Faults, OfAStalledRankLeaveTheOperationWhole) {
  for (const ClusterCase& c : GetParam().cases()) {
    SCOPED_TRACE(testing::case_name(c));
    TestCluster plain(c);
    ASSERT_NO_FATAL_FAILURE(plain.step(0));
    const std::uint32_t late = c.rank_count - 1;
    FaultOptions options;
    options.events = {{.kind = FaultKind::stall, .rank = Rank{late}, .message = 0, .duration_ns = 1'000'000'000}};
    TestCluster test(c, options);
    test.compress_all(0);
    test.reduce_all();
    test.cluster->run_to(500'000'000);
    std::uint32_t waiting = 0;
    for (std::uint32_t r = 0; r < late; ++r) waiting += deadline_of(test, r).code == Code::deadline ? 1u : 0u;
    EXPECT_GT(waiting, 0u);
    for (const auto& outcome : test.run()) ASSERT_EQ(outcome.code, Code::done) << outcome.error.message;
    for (std::uint32_t r = 0; r <= late; ++r) ASSERT_EQ(test.dense_update(r), plain.dense_update(0));
  }
}

}  // namespace
}  // namespace gossamer::runtime
