// Two measurements of a cluster beside each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "example_measurement.h"
#include "tools/topo/diff.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;
using topology::Measurement;

Diff diff_of(const Measurement& baseline, const Measurement& now, const DiffThresholds& thresholds = {}) {
  Result<Diff> diff = diff_measurements(baseline, now, thresholds);
  EXPECT_TRUE(diff.ok()) << (diff.ok() ? "" : diff.error().message);
  return diff.ok() ? std::move(*diff) : Diff{};
}

const DiffRow* row_of(const Diff& diff, DiffLevel level, const std::string& name) {
  const auto found = std::find_if(diff.rows.begin(), diff.rows.end(), [&](const DiffRow& row) {
    return row.level == level && row.name == name && row.load == topology::PairLoad::idle;
  });
  return found == diff.rows.end() ? nullptr : &*found;
}

std::string refusal(const Measurement& baseline, const Measurement& now) {
  const Result<Diff> diff = diff_measurements(baseline, now, {});
  if (diff.ok()) return "";
  EXPECT_EQ(diff.error().code, Code::mismatch);
  return diff.error().message;
}

// Goal: what noise makes of the same cluster is not worse. Method: 20 pairs of seeds, 64 ranks each.
TEST(TopoDiff, NoiseAloneIsTheSame) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const ExampleCluster then{.hosts = 16, .ranks_per_host = 2, .hosts_per_switch = 4, .seed = seed};
    ExampleCluster now = then;
    now.seed = seed + 100;
    const Diff diff = diff_of(example_measurement(then), example_measurement(now));
    EXPECT_FALSE(diff.is_worse()) << "seed " << seed;
    EXPECT_EQ(diff.pairs_compared, 2 * 32 * 31u);
  }
}

// Goal: a host that became slow is worse at its own level, as are its pairs; no other host and no tier is, and the
// other way round it is better. Method: one of eight hosts has a fifth of the bandwidth.
TEST(TopoDiff, ASlowHostIsWorseAndTheOthersAreNot) {
  const ExampleCluster then{.hosts = 8, .ranks_per_host = 2};
  ExampleCluster now = then;
  now.slow_host = 3;
  now.seed = 2;
  const Diff diff = diff_of(example_measurement(then), example_measurement(now));
  EXPECT_TRUE(diff.is_worse());
  for (const char* name : {"node01", "node02", "node03", "node05", "node08"}) {
    ASSERT_NE(row_of(diff, DiffLevel::host, name), nullptr);
    EXPECT_FALSE(row_of(diff, DiffLevel::host, name)->is(Change::worse)) << name;
  }
  const DiffRow* slow = row_of(diff, DiffLevel::host, "node04");
  ASSERT_NE(slow, nullptr);
  EXPECT_EQ(slow->bandwidth.change, Change::worse);
  EXPECT_EQ(slow->latency.change, Change::none);
  EXPECT_NEAR(slow->bandwidth.ratio, 5, 0.4);
  EXPECT_FALSE(row_of(diff, DiffLevel::tier, "between hosts")->is(Change::worse));
  const Diff back = diff_of(example_measurement(now), example_measurement(then));
  EXPECT_FALSE(back.is_worse());
  EXPECT_GT(back.pairs_better, 0u);
}

// Goal: one direction that became slow is named, and nothing else. Method: that of rank 0's host to another's.
TEST(TopoDiff, OneSlowDirectionIsNamedByItself) {
  const ExampleCluster then{.hosts = 6, .ranks_per_host = 1};
  ExampleCluster now = then;
  now.slow_direction_to = 4;
  const Diff diff = diff_of(example_measurement(then), example_measurement(now));
  EXPECT_EQ(diff.pairs_worse, 2u) << "idle and loaded";
  const DiffRow* pair = row_of(diff, DiffLevel::pair, "node01 rank 0 -> node05 rank 0");
  ASSERT_NE(pair, nullptr);
  EXPECT_EQ(pair->bandwidth.change, Change::worse);
  EXPECT_NEAR(pair->bandwidth.ratio, 2.0, 0.2);
  EXPECT_EQ(pair->latency.change, Change::none);
}

// Goal: a pair that lost its figures is worse, with the reason; one that got some is not. Method: a rank that died.
TEST(TopoDiff, WhatIsNoLongerMeasuredIsWorse) {
  const ExampleCluster then{.hosts = 4, .ranks_per_host = 2};
  ExampleCluster now = then;
  now.dead_rank = 3;
  const Diff diff = diff_of(example_measurement(then), example_measurement(now));
  EXPECT_TRUE(diff.is_worse());
  EXPECT_EQ(diff.pairs_lost, 2 * 14u);
  EXPECT_THAT(diff_table(diff, example_measurement(then)), HasSubstr("rank 3 on node02 died"));
  const Diff back = diff_of(example_measurement(now), example_measurement(then));
  EXPECT_FALSE(back.is_worse());
  EXPECT_EQ(back.pairs_found, 2 * 14u);
}

// Goal: ranks that are started in another order are the same ranks. Method: the hosts of now backwards.
TEST(TopoDiff, TheOrderOfHostsDoesNotMatter) {
  const Measurement then = example_measurement({.hosts = 4, .ranks_per_host = 2, .slow_host = 1});
  Measurement now = then;
  const auto ranks = static_cast<std::uint32_t>(now.ranks.size());
  const auto moved = [&](std::uint32_t rank) { return (rank + 4) % ranks; };
  for (std::uint32_t rank = 0; rank < ranks; ++rank) now.ranks[moved(rank)] = then.ranks[rank];
  for (topology::PairMeasurement& pair : now.pairs) {
    pair.from = moved(pair.from);
    pair.to = moved(pair.to);
  }
  const Diff diff = diff_of(then, now);
  EXPECT_EQ(diff.pairs_worse + diff.pairs_better, 0u);
  EXPECT_EQ(diff.pairs_compared, then.pairs.size());
}

// Goal: intervals that meet are no change, however large the ratio; ones apart are none below the threshold. Method:
// one pair, by hand.
TEST(TopoDiff, BothTheThresholdAndTheIntervalsDecide) {
  Measurement then = example_measurement({.hosts = 2, .ranks_per_host = 1, .is_loaded_too = false, .noise = 0});
  Measurement now = then;
  topology::Estimate& time = now.pairs[0].sizes.front().p50_ns;
  time = {time.value * 1.5, then.pairs[0].sizes.front().p50_ns.high * 0.99, time.value * 3};
  EXPECT_EQ(diff_of(then, now).pairs_worse, 0u) << "the intervals meet";
  time.low = time.value * 0.99;
  EXPECT_EQ(diff_of(then, now).pairs_worse, 1u);
  EXPECT_EQ(diff_of(then, now, {.latency = 1.6}).pairs_worse, 0u);
}

// Goal: what cannot be compared is refused in words that name the difference. Method: each difference by itself.
TEST(TopoDiff, AnotherClusterIsRefusedByName) {
  const ExampleCluster cluster{.hosts = 3, .ranks_per_host = 2};
  const Measurement then = example_measurement(cluster);
  ExampleCluster more = cluster;
  more.hosts = 4;
  EXPECT_THAT(refusal(then, example_measurement(more)), HasSubstr("hosts that it has not: node04"));
  EXPECT_THAT(refusal(example_measurement(more), then), HasSubstr("hosts of the baseline alone: node04"));
  ExampleCluster wider = cluster;
  wider.ranks_per_host = 3;
  EXPECT_THAT(refusal(then, example_measurement(wider)), HasSubstr("node01 (2 then, 3 now)"));
  Measurement now = then;
  now.transport = "libfabric: tcp";
  EXPECT_THAT(refusal(then, now), HasSubstr("transport simulated then, libfabric: tcp now"));
  now = then;
  now.memory = "cuda";
  EXPECT_THAT(refusal(then, now), HasSubstr("memory host then, cuda now"));
  now = then;
  for (topology::PairMeasurement& pair : now.pairs) {
    for (topology::SizeSamples& size : pair.sizes) ++size.bytes;
  }
  EXPECT_THAT(refusal(then, now), HasSubstr("no message size in common"));
  Measurement none = then;
  none.pairs.resize(1);
  now = then;
  now.pairs.erase(now.pairs.begin());
  EXPECT_THAT(refusal(none, now), HasSubstr("no pair in common"));
}

}  // namespace
}  // namespace gossamer::tools
