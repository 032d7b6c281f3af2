// Equal seeds, equal events; and a large cluster in seconds.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/runtime/cluster_fixture.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using testing::TestCluster;

std::uint64_t hash_of_run(const ClusterCase& c, std::uint64_t seed) {
  TestCluster test(c, seed);
  for (std::uint32_t step = 0; step < 3; ++step) test.step(step);
  return test.cluster->event_hash();
}

// Goal: a run replays exactly from its seed, and another seed is another run. Method: event hashes.
TEST(Determinism, EqualSeedsGiveEqualEventHashes) {
  for (const AlgorithmKind kind : all_algorithms()) {
    const ClusterCase c{kind, 6, std::nullopt};
    EXPECT_EQ(hash_of_run(c, 11), hash_of_run(c, 11));
    EXPECT_NE(hash_of_run(c, 11), hash_of_run(c, 12));
  }
}

// Goal: what is computed does not depend on delays. Method: updates under two network seeds.
TEST(Determinism, UpdatesDoNotDependOnTheNetwork) {
  const ClusterCase c{AlgorithmKind::gs_sgd, 7, topology::ScheduleKind::circulant};
  TestCluster one(c, 1);
  TestCluster two(c, 2);
  for (std::uint32_t step = 0; step < 3; ++step) {
    ASSERT_NO_FATAL_FAILURE(one.step(step));
    ASSERT_NO_FATAL_FAILURE(two.step(step));
    ASSERT_EQ(one.dense_update(0), two.dense_update(6));
  }
  EXPECT_NE(one.cluster->event_hash(), two.cluster->event_hash());
}

// Goal: 64 ranks run gs-SGD steps with work that grows as their messages do. Method: five steps of a model of 100,000
// elements; looks at the cluster, in each of which every rank moves on once, are counted; all ranks agree.
TEST(Scale, SixtyFourRanksAreLookedAtAFewTimesAMessage) {
  CompressorConfig config;
  config.tensors = {{"w", 100'000, false}, {"b", 100, true}};
  config.clip = 0.0;
  config.schedule = topology::ScheduleKind::circulant;
  TestCluster test(64, config, 4);
  std::uint64_t messages = 0;  // of a step: two stages, both all-reduces
  for (std::uint32_t r = 0; r < 64; ++r) {
    const auto program = topology::make_program({*config.schedule, topology::Collective::all_reduce, 64}, Rank{r});
    ASSERT_TRUE(program.ok());
    for (const topology::Round& round : program->rounds)
      for (const topology::Step& step : round.steps) messages += step.kind == topology::StepKind::send ? 2 : 0;
  }
  for (std::uint32_t step = 0; step < 5; ++step) {
    ASSERT_NO_FATAL_FAILURE(test.compress_all(step));
    ASSERT_NO_FATAL_FAILURE(test.reduce_all());
    std::uint64_t looks = 0;
    test.cluster->run_until([&] { return ++looks, false; }, 10'000'000'000);
    EXPECT_LE(looks, 6 * messages);  // a message departs, arrives and is merged, and ranks compute
    for (const auto& outcome : test.run()) ASSERT_EQ(outcome.code, Code::done) << outcome.error.message;
  }
  for (std::uint32_t r = 1; r < 64; r += 9) ASSERT_EQ(test.dense_update(r), test.dense_update(0));
}

// Goal: several plans of one session may be in flight at once and be started in any order on different ranks.
// Method: two compressors a rank, started in opposite orders; the sums are those of a run one by one.
TEST(SeveralPlans, MayBeStartedInAnyOrder) {
  SimClusterOptions options;
  options.rank_count = 3;
  auto cluster = SimCluster::make(options);
  ASSERT_TRUE(cluster.ok());
  std::vector<std::array<Compressor*, 2>> compressors(3);
  CompressorConfig config;
  config.tensors = {{"w", 5000, false}};
  for (int which = 0; which < 2; ++which) {
    config.name = which == 0 ? "first" : "second";
    for (std::uint32_t r = 0; r < 3; ++r) {
      auto made = (*cluster)->session(Rank{r}).make_compressor(config);
      ASSERT_TRUE(made.ok());
      compressors[r][static_cast<std::size_t>(which)] = *made;
    }
  }
  for (std::uint32_t r = 0; r < 3; ++r) {
    for (std::size_t turn = 0; turn < 2; ++turn) {
      const std::size_t which = r % 2 == 0 ? turn : 1 - turn;
      std::vector<float> g(5000);
      Random random(mix64(r, which));
      for (float& value : g) value = static_cast<float>(random.normal());
      const float* pointer = g.data();
      ASSERT_TRUE(compressors[r][which]->compress(&pointer).ok());
      ASSERT_TRUE(compressors[r][which]->reduce().ok());
    }
  }
  const auto all_done = [&] {
    bool done = true;
    for (auto& pair : compressors)
      for (Compressor* compressor : pair) {
        const auto code = compressor->test();
        done &= code.ok() && *code == Code::done;
      }
    return done;
  };
  ASSERT_TRUE((*cluster)->run_until(all_done, 1'000'000'000));
  for (std::size_t which = 0; which < 2; ++which) {
    const auto expected = compressors[0][which]->update();
    ASSERT_TRUE(expected.ok());
    for (std::uint32_t r = 1; r < 3; ++r) {
      const auto update = compressors[r][which]->update();
      ASSERT_TRUE(
          std::equal(update->values.begin(), update->values.end(), expected->values.begin(), expected->values.end()));
    }
  }
  EXPECT_FALSE(std::equal(compressors[0][0]->update()->indices.begin(), compressors[0][0]->update()->indices.end(),
                          compressors[0][1]->update()->indices.begin()));
}

}  // namespace
}  // namespace gossamer::runtime
