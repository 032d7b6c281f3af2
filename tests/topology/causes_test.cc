#include "topology/measure/causes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "topology/measure/fabric_model.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

bool is_of_pair(const PlantedDefect& defect) {
  return defect.kind == CauseKind::slow_pair ||
         (defect.kind == CauseKind::slow_direction && defect.direction == CauseDirection::both);
}

std::vector<std::uint32_t> hosts_of(const PlantedDefect& defect, const FabricModel& model) {
  if (defect.kind == CauseKind::slow_switch) {
    std::vector<std::uint32_t> hosts(model.hosts_per_switch);
    std::iota(hosts.begin(), hosts.end(), defect.first * model.hosts_per_switch);
    return hosts;
  }
  std::vector<std::uint32_t> hosts = {defect.first};
  if (is_of_pair(defect)) hosts.push_back(defect.second);
  if (defect.kind == CauseKind::slow_pair) std::sort(hosts.begin(), hosts.end());
  return hosts;
}

bool is_cause_of(const Cause& cause, const PlantedDefect& defect, const FabricModel& model) {
  return cause.kind == defect.kind && cause.hosts == hosts_of(defect, model) && cause.others.empty() &&
         !cause.is_inside && cause.direction == defect.direction;
}

// Each planted defect is one cause, and there is no other.
void expect_causes(const FabricModel& model, const Causes& causes, const std::string& where) {
  const std::string found = causes_text(causes, make_measurement(model));
  for (const PlantedDefect& each : model.defects) {
    EXPECT_EQ(std::count_if(causes.causes.begin(), causes.causes.end(),
                            [&](const Cause& cause) { return is_cause_of(cause, each, model); }),
              1)
        << where << ": " << cause_kind_name(each.kind) << " at " << each.first << ", " << each.second << " by "
        << each.factor << " in\n"
        << found;
  }
  EXPECT_EQ(causes.causes.size(), model.defects.size()) << where << "\n" << found;
}

FabricModel switches_of_four() {
  FabricModel model;
  model.hosts = 16;
  model.ranks_per_host = 4;
  model.seed = 7;
  return model;
}

// Goal: what is slow is named, and nothing else. Method: 20 fabrics of 64 ranks with 1 to 3 defects of the five kinds,
// under log-normal noise with heavy tails and bursts.
TEST(Causes, AreThoseThatWerePlanted) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const FabricModel model = draw_fabric(seed, 1 + static_cast<std::uint32_t>(seed % 3));
    const Causes causes = find_causes(make_measurement(model));
    expect_causes(model, causes, text("seed ", seed));
    for (const Cause& each : causes.causes) EXPECT_GT(each.confidence, 0.8) << each.what;
  }
}

// Goal: no false alarm. Method: 20 fabrics that are well.
TEST(Causes, AreNoneWhereAllIsWell) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const FabricModel model = draw_fabric(seed, 0);
    const Causes causes = find_causes(make_measurement(model));
    expect_causes(model, causes, text("seed ", seed));
    EXPECT_EQ(causes.tiers.network_tiers(), model.network_tiers) << seed;
    EXPECT_TRUE(causes.tiers.contradictions.empty()) << seed;
  }
}

// Goal: chance alone accuses nobody, however few the pairs are. Method: 40 fabrics of six ranks that are well, with
// bursts; without caution most of them have a cause.
TEST(Causes, AreNotSeenInChance) {
  CauseOptions reckless;
  reckless.caution = 0.0;
  std::size_t by_chance = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    FabricModel model;
    model.hosts = 6;
    model.ranks_per_host = 1;
    model.network_tiers = 1;
    model.seed = seed;
    const Measurement measurement = make_measurement(model);
    expect_causes(model, find_causes(measurement), text("seed ", seed));
    by_chance += find_causes(measurement, reckless).causes.empty() ? 0u : 1u;
  }
  EXPECT_GT(by_chance, 20u);
}

// Goal: a large cluster need not be measured whole. Method: 1,024 ranks on 128 hosts, 4 % of the pairs, three slow
// hosts.
TEST(Causes, AreFoundInASampleOfManyRanks) {
  FabricModel model;
  model.hosts = 128;
  model.ranks_per_host = 8;
  model.hosts_per_switch = 16;
  model.sampled_fraction = 0.04;
  for (const std::uint32_t host : {5u, 50u, 101u}) {
    model.defects.push_back({CauseKind::slow_host, CauseDirection::both, host, 0, 1.5, true, true});
  }
  const Causes causes = find_causes(make_measurement(model));
  expect_causes(model, causes, "sampled");
  EXPECT_EQ(causes.tiers.network_tiers(), 2u);
}

// Goal: a cause is found by as little as a tenth more than nature varies. Method: one slow host by 1.3.
TEST(Causes, AreFoundWhereTheyAreSmall) {
  FabricModel model = switches_of_four();
  model.defects = {{CauseKind::slow_host, CauseDirection::both, 9, 0, 1.3, true, true}};
  const Causes causes = find_causes(make_measurement(model));
  expect_causes(model, causes, "1.3");
  ASSERT_EQ(causes.causes.size(), 1u);
  const Cause& cause = causes.causes[0];
  ASSERT_TRUE(cause.time_per_byte_factor);
  EXPECT_LT(cause.time_per_byte_factor->low, 1.3);
  EXPECT_GT(cause.time_per_byte_factor->high, 1.3);
  EXPECT_LT(cause.time_per_byte_factor->high, 1.4);
}

// Goal: most pairs may be slow and the few are still the measure. Method: four hosts, one at a fifth of the bandwidth,
// one that sends at half: 8 of 12 directions are slow.
TEST(Causes, MayTouchMostPairs) {
  FabricModel model;
  model.hosts = 4;
  model.ranks_per_host = 2;
  model.network_tiers = 1;
  model.defects = {{CauseKind::slow_host, CauseDirection::both, 1, 0, 5.0, false, true},
                   {CauseKind::slow_direction, CauseDirection::out, 2, 0, 2.0, false, true}};
  const Causes causes = find_causes(make_measurement(model));
  expect_causes(model, causes, "four hosts");
  ASSERT_EQ(causes.causes.size(), 2u);
  EXPECT_EQ(causes.causes[0].what, "node1");
  EXPECT_NEAR(causes.causes[0].factor.value, 5.0, 0.5);
  EXPECT_EQ(causes.causes[1].what, "node2 out");
  EXPECT_NEAR(causes.causes[1].factor.value, 2.0, 0.2);
}

// Goal: pairs that are missing take nothing away. Method: a host of which all that it receives died, another half; the
// slow one is found, and what is missing is counted.
TEST(Causes, DoNotNeedEveryPair) {
  FabricModel model = switches_of_four();
  model.defects = {{CauseKind::slow_host, CauseDirection::both, 3, 0, 2.0, true, true}};
  Measurement measurement = make_measurement(model);
  std::uint32_t missing = 0;
  for (PairMeasurement& each : measurement.pairs) {
    if (each.to / 4 != 5 && (each.from / 4 != 11 || each.to % 2 == 0)) continue;
    each.sizes.clear();
    each.fit.reset();
    each.missing = "rank 20 on node5 died";
    ++missing;
  }
  const Causes causes = find_causes(measurement);
  expect_causes(model, causes, "missing");
  EXPECT_EQ(causes.missing, missing);
}

// Goal: nothing at all, or next to nothing, is no reason to fail. Method: no pairs; one host; pairs without a fit.
TEST(Causes, AreNoneOfNothing) {
  Measurement nothing;
  EXPECT_TRUE(find_causes(nothing).causes.empty());
  EXPECT_THAT(causes_text(find_causes(nothing), nothing), HasSubstr("Nothing was measured"));
  FabricModel alone;
  alone.hosts = 1;
  alone.network_tiers = 1;
  EXPECT_TRUE(find_causes(make_measurement(alone)).causes.empty());
  FabricModel model = switches_of_four();
  model.defects = {{CauseKind::slow_host, CauseDirection::both, 3, 0, 2.0, true, true}};
  Measurement measurement = make_measurement(model);
  for (PairMeasurement& each : measurement.pairs) each.fit.reset();
  expect_causes(model, find_causes(measurement), "no fit");
}

// Goal: a fit that knows next to nothing accuses nobody. Method: all that is well; a quarter of the pairs have thirty
// times the latency in an interval from nothing to a hundred times.
TEST(Causes, AreNotSeenInWhatIsNotKnown) {
  const FabricModel model = switches_of_four();
  Measurement measurement = make_measurement(model);
  Random random(3);
  for (PairMeasurement& each : measurement.pairs) {
    if (random.below(4) != 0) continue;
    Estimate& alpha = each.fit->alpha_ns;
    alpha = {30 * alpha.value, 0.0, 100 * alpha.value};
  }
  expect_causes(model, find_causes(measurement), "unknown");
}

// Goal: which rank has which number, and the unit of time, are no part of what is wrong. Method: ranks of hosts
// renumbered at random; all times seven times as long.
TEST(Causes, DependNeitherOnRanksNorOnUnits) {
  const FabricModel model = draw_fabric(11, 3);
  const Measurement measurement = make_measurement(model);
  const Causes expected = find_causes(measurement);

  Measurement renumbered = measurement;
  std::vector<std::uint32_t> number(measurement.ranks.size());
  std::iota(number.begin(), number.end(), 0u);
  Random random(5);
  for (std::size_t i = number.size(); i > 1; --i) std::swap(number[i - 1], number[random.below(i)]);
  for (std::size_t rank = 0; rank < number.size(); ++rank) renumbered.ranks[number[rank]] = measurement.ranks[rank];
  for (PairMeasurement& each : renumbered.pairs) {
    each.from = number[each.from];
    each.to = number[each.to];
  }
  std::sort(renumbered.pairs.begin(), renumbered.pairs.end(), [](const PairMeasurement& a, const PairMeasurement& b) {
    return std::tie(a.load, a.from, a.to) < std::tie(b.load, b.from, b.to);
  });
  EXPECT_EQ(cause_rows(find_causes(renumbered)), cause_rows(expected));

  Measurement slower = measurement;
  for (PairMeasurement& each : slower.pairs) {
    for (Estimate* estimate : {&each.fit->alpha_ns, &each.fit->beta_ns_per_byte}) {
      *estimate = {7 * estimate->value, 7 * estimate->low, 7 * estimate->high};
    }
    for (SizeSamples& size : each.sizes) {
      size.p50_ns.value *= 7;
      size.p99_ns *= 7;
    }
  }
  EXPECT_EQ(cause_rows(find_causes(slower)), cause_rows(expected));
}

// Goal: a processor that is taken away is said, with the host. Method: one host of 16 loses 12 % of it.
TEST(Causes, NameTheHostWhoseProcessorIsTakenAway) {
  Measurement measurement = make_measurement(switches_of_four());
  for (MeasuredHost& each : measurement.hosts) each.stolen_cpu = 0.002;
  measurement.hosts[6].stolen_cpu = 0.12;
  const Causes causes = find_causes(measurement);
  ASSERT_EQ(causes.causes.size(), 1u);
  EXPECT_EQ(causes.causes[0].kind, CauseKind::noise);
  EXPECT_EQ(causes.causes[0].what, "node6");
  EXPECT_THAT(causes.causes[0].evidence, HasSubstr("12.0 %"));
}

// Goal: the worst comes first. Method: a slow pair by 4, a slow host by 2: the host slows more pairs.
TEST(Causes, AreRankedByHarm) {
  FabricModel model = switches_of_four();
  model.defects = {{CauseKind::slow_pair, CauseDirection::both, 2, 14, 4.0, true, true},
                   {CauseKind::slow_host, CauseDirection::both, 5, 0, 2.0, true, true}};
  const Causes causes = find_causes(make_measurement(model));
  expect_causes(model, causes, "ranked");
  ASSERT_EQ(causes.causes.size(), 2u);
  EXPECT_EQ(causes.causes[0].kind, CauseKind::slow_host);
  EXPECT_GT(causes.causes[0].harm, causes.causes[1].harm);
  EXPECT_LT(causes.spread_after, causes.spread_before);
}

}  // namespace
}  // namespace gossamer::topology
