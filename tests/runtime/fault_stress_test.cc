// Random clusters under random faults. Each is a function of one seed, which every failure prints.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "tests/runtime/cluster_fixture.h"
#include "tests/support/sweep.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using testing::TestCluster;
using topology::ScheduleKind;
using transport::FaultCounts;
using transport::FaultKind;
using transport::FaultOptions;

constexpr std::uint32_t step_count = 3;

struct Trial {
  std::uint32_t rank_count = 2;
  CompressorConfig config;
  FaultOptions faults;
  std::string name;
};

template <typename Choices>
auto one_of(Random& random, const Choices& choices) {
  return choices[random.below(std::size(choices))];
}

Trial make_trial(std::uint64_t seed) {
  Random random(seed);
  Trial trial;
  ClusterCase c;
  c.algorithm = one_of(random, std::array{AlgorithmKind::gs_sgd, AlgorithmKind::gs_sgd, AlgorithmKind::shared_top_k,
                                          AlgorithmKind::top_k, AlgorithmKind::dense});
  c.rank_count = one_of(random, std::array{2u, 3u, 6u, 8u});
  c.schedule = one_of(random, topology::all_schedules());
  if (c.algorithm == AlgorithmKind::gs_sgd) {
    c.cells = one_of(random, std::array{sketch::CellType::f32, sketch::CellType::bf16, sketch::CellType::i16});
    c.values = one_of(random, std::array{sketch::CellType::f32, sketch::CellType::i16});
  }
  trial.rank_count = c.rank_count;
  trial.config = testing::small_config(c);
  trial.name = testing::case_name(c);
  if (c.algorithm == AlgorithmKind::gs_sgd && random.below(3) == 0) {
    trial.config.decode = DecodeKind::sharded;
    trial.name += "_sharded";
  }
  FaultOptions& faults = trial.faults;
  faults.seed = seed;
  faults.delay = 0.3 * random.uniform();
  faults.duplicate = 0.3 * random.uniform();
  faults.stall = 0.05 * random.uniform();
  faults.delay_ns_max = 1 + random.below(200'000);
  faults.stall_ns_max = 1 + random.below(500'000);
  // Up to three events, of any kind, at messages or moments of the steps.
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    transport::FaultEvent event;
    event.kind = static_cast<FaultKind>(random.below(transport::fault_kind_count));
    event.rank = Rank{static_cast<std::uint32_t>(random.below(c.rank_count))};
    const Rank peer{static_cast<std::uint32_t>((event.rank.value + 1 + random.below(c.rank_count - 1)) % c.rank_count)};
    if (event.kind == FaultKind::cut || random.below(2) == 0) event.peer = peer;
    if (random.below(2) == 0) {
      event.message = random.below(20);
    } else {
      event.at_ns = random.below(2'000'000);
    }
    event.duration_ns = random.below(3) == 0 ? 0 : random.below(1'000'000);
    faults.events.push_back(event);
    trial.name += text(" ", transport::fault_kind_name(event.kind), " of rank ", event.rank.value);
  }
  return trial;
}

struct Ending {
  std::uint64_t events = 0;
  FaultCounts counts;
  bool all_done = true;  // every step on every rank
};

// What a rank may end with, given what happened to the cluster.
void check_end(TestCluster& test, const Trial& trial, std::uint32_t rank, const TestCluster::Outcome& outcome,
               const FaultCounts& counts) {
  const bool may_lose = counts[FaultKind::drop] > 0 || counts.lost_in_cuts > 0;
  const bool may_damage = counts[FaultKind::corrupt] > 0;
  switch (outcome.code) {
    case Code::done:
      return;
    case Code::pending: {
      // What one rank found wrong leaves the others waiting for it, until their own deadlines.
      EXPECT_TRUE(may_lose || may_damage) << "rank " << rank << " hangs";
      const Status waited = test.compressors[rank]->wait(0);
      ASSERT_FALSE(waited.ok());
      EXPECT_EQ(waited.error().code, Code::deadline);
      EXPECT_NE(waited.error().message.find(text("rank ", rank, " waits for rank ")), std::string::npos)
          << waited.error().message;
      return;
    }
    case Code::peer_lost: {
      ASSERT_TRUE(outcome.error.rank.has_value());
      EXPECT_TRUE(test.cluster->faults(*outcome.error.rank).is_dead()) << outcome.error.message;
      return;
    }
    case Code::malformed:
    case Code::not_finite:
    case Code::disagreement:
      EXPECT_TRUE(may_damage) << "rank " << rank << ": " << outcome.error.message;
      return;
    default:
      ADD_FAILURE() << "rank " << rank << " of " << trial.rank_count << " ended as " << code_name(outcome.code) << ": "
                    << outcome.error.message;
  }
}

// Starts what can be started: after a failure some ranks still wait, and say BUSY.
void start_all(TestCluster& test, std::uint32_t step) {
  for (std::uint32_t r = 0; r < test.rank_count(); ++r) {
    const auto g = test.gradients(r, step);
    std::vector<const float*> pointers;
    for (const auto& tensor : g) pointers.push_back(tensor.data());
    const Status compressed = test.compressors[r]->compress(pointers.data());
    const Status reduced = compressed.ok() ? test.compressors[r]->reduce() : compressed;
    EXPECT_TRUE(reduced.ok() || reduced.error().code == Code::busy) << reduced.error().message;
  }
}

Ending run_trial(const Trial& trial, const std::vector<std::vector<float>>& expected) {
  Ending ending;
  TestCluster test(trial.rank_count, trial.config, trial.faults);
  std::uint32_t steps_failed = 0;
  for (std::uint32_t step = 0; step < step_count && steps_failed < 2; ++step) {
    start_all(test, step);
    const auto outcomes = test.run();
    ending.counts = test.fault_counts();
    bool done = true;
    for (std::uint32_t r = 0; r < trial.rank_count; ++r) {
      test.alive[r] = !test.cluster->faults(Rank{r}).is_dead();
      if (!test.alive[r]) continue;
      check_end(test, trial, r, outcomes[r], ending.counts);
      done &= outcomes[r].code == Code::done;
      if (::testing::Test::HasFailure()) return ending;
    }
    // As long as nothing was lost or changed, every bit is that of a run without faults.
    const bool whole = ending.counts[FaultKind::drop] + ending.counts.lost_in_cuts + ending.counts[FaultKind::corrupt] +
                           ending.counts[FaultKind::kill] ==
                       0;
    if (whole) {
      EXPECT_TRUE(done);
      for (std::uint32_t r = 0; done && r < trial.rank_count; ++r) EXPECT_EQ(test.dense_update(r), expected[step]);
    }
    ending.all_done &= done;
    steps_failed += done ? 0u : 1u;
  }
  ending.events = test.cluster->event_hash();
  return ending;
}

class FaultStress : public ::testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(, FaultStress, ::testing::Range<std::uint64_t>(0, 8));

// Goal: whatever happens to the data path, no rank hangs, crashes or ends with an error that did not happen, runs
// that lose nothing have the bits of a run without faults, and every run replays. Method: 50 random trials a case
// (algorithm, cells, ranks, schedule, faults), three steps each, on after the first failure; every tenth twice. A sweep
// over 5,000 a case; that every kind of fault fires is asked of 50 and more.
TEST_P(FaultStress, EveryRankEndsAsTheFaultsSay) {
  FaultCounts fired;
  std::uint32_t all_done = 0;
  const std::uint64_t first = 1 + 5'000 * GetParam();
  const std::vector<std::uint64_t> seeds = gossamer::testing::sweep({first, first + 4'999}, 50);
  for (const std::uint64_t seed : seeds) {
    const Trial trial = make_trial(seed);
    SCOPED_TRACE(text("seed ", seed, ": ", trial.name, "; ", gossamer::testing::replay_of(seed)));
    TestCluster plain(trial.rank_count, trial.config, 1);
    std::vector<std::vector<float>> expected;
    for (std::uint32_t step = 0; step < step_count; ++step) {
      ASSERT_NO_FATAL_FAILURE(plain.step(step));
      expected.push_back(plain.dense_update(0));
    }
    const Ending ending = run_trial(trial, expected);
    ASSERT_FALSE(HasFailure());
    if (seed % 10 == 0) {
      const Ending again = run_trial(trial, expected);
      EXPECT_EQ(again.events, ending.events);
      EXPECT_EQ(again.counts.hash, ending.counts.hash);
    }
    for (std::size_t k = 0; k < transport::fault_kind_count; ++k) fired.fired[k] += ending.counts.fired[k];
    all_done += ending.all_done ? 1u : 0u;
  }
  if (seeds.size() < 50) return;
  for (std::size_t k = 0; k < transport::fault_kind_count; ++k)
    EXPECT_GT(fired.fired[k], 0u) << transport::fault_kind_name(static_cast<FaultKind>(k));
  EXPECT_GT(all_done, 0u);
  EXPECT_LT(all_done, seeds.size());
}

}  // namespace
}  // namespace gossamer::runtime
