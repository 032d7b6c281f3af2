#include "topology/measure/tiers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "topology/measure/clusters.h"
#include "topology/measure/fabric_model.h"

namespace gossamer::topology {
namespace {

FabricModel groups_of_switches() {
  FabricModel model;
  model.hosts = 32;
  model.ranks_per_host = 2;
  model.network_tiers = 3;
  model.is_declared = false;
  model.seed = 3;
  return model;
}

// Goal: the tiers are those of the network, with the hosts that are in each. Method: switches of four, groups of two of
// them, which nobody declared.
TEST(Tiers, AreThoseOfTheNetwork) {
  const FabricModel model = groups_of_switches();
  const Tiers tiers = find_tiers(make_measurement(model));
  ASSERT_EQ(tiers.network_tiers(), 3u);
  ASSERT_EQ(tiers.tiers[1].groups.size(), 8u);
  ASSERT_EQ(tiers.tiers[2].groups.size(), 4u);
  EXPECT_EQ(tiers.tiers[1].groups[1], (std::vector<std::uint32_t>{4, 5, 6, 7}));
  EXPECT_EQ(tiers.tiers[2].groups[1], (std::vector<std::uint32_t>{8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(tiers.between(4, 4), 0u);
  EXPECT_EQ(tiers.between(4, 7), 1u);
  EXPECT_EQ(tiers.between(4, 3), 2u);
  EXPECT_EQ(tiers.between(4, 8), 3u);
  EXPECT_NEAR(tiers.tiers[2].latency_ns.value / tiers.tiers[1].latency_ns.value, model.far_factor, 0.05);
}

// Goal: a flat network has one tier, whatever is slow in it. Method: 20 of them, half with a slow host and a slow pair.
TEST(Tiers, AreOneWhereTheNetworkIsFlat) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    FabricModel model;
    model.network_tiers = 1;
    model.seed = seed;
    if (seed % 2 == 1) {
      model.defects = {{CauseKind::slow_host, CauseDirection::both, 4, 0, 2.0, true, true},
                       {CauseKind::slow_host, CauseDirection::both, 9, 0, 3.0, true, true},
                       {CauseKind::slow_pair, CauseDirection::both, 1, 12, 3.0, true, true}};
    }
    EXPECT_EQ(find_tiers(make_measurement(model)).network_tiers(), 1u) << seed;
  }
}

// Goal: so does one of so few hosts that two of them are near each other by chance. Method: 100 networks of four.
TEST(Tiers, AreOneWhereFewHostsAreNearByChance) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    FabricModel model;
    model.hosts = 4;
    model.ranks_per_host = 1;
    model.network_tiers = 1;
    model.seed = seed;
    EXPECT_EQ(find_tiers(make_measurement(model)).network_tiers(), 1u) << seed;
  }
}

// Goal: who has nobody near but a slow host is not taken for slow itself, whose nearest distance is as long as that of
// a slow one, but whose median is not. Method: twelve hosts, two at a switch, two switches in a group, host 1 at half
// of the bandwidth; all but host 1 are where they are.
TEST(Tiers, DoNotBlameTheNeighbourOfASlowHost) {
  constexpr std::uint32_t hosts = 12;
  const auto are_together = [](std::uint32_t a, std::uint32_t b, std::uint32_t span) { return a / span == b / span; };
  Distances distances(hosts);
  for (std::uint32_t a = 0; a < hosts; ++a) {
    for (std::uint32_t b = 0; b < a; ++b) {
      const double time = are_together(a, b, 2) ? 1.0 : are_together(a, b, 4) ? 1.2 : 1.44;
      distances.set(a, b, std::log(a == 1 || b == 1 ? std::max(time, 2.0) : time));
    }
  }
  const Levels levels = find_levels(distances, 0.03, Excess::governs);
  ASSERT_EQ(levels.partitions.size(), 2u);
  for (const auto& [level, span] : {std::pair(0u, 2u), std::pair(1u, 4u)}) {
    for (std::uint32_t a = 0; a < hosts; ++a) {
      for (std::uint32_t b = 0; b < a; ++b) {
        if (a == 1 || b == 1) continue;
        const Partition& partition = levels.partitions[level];
        EXPECT_EQ(partition[a] == partition[b], are_together(a, b, span)) << a << " and " << b << ", level " << level;
      }
    }
  }
}

// Goal: a host that is cabled elsewhere than declared is named, and no other. Method: two hosts change their switches
// on paper only; also where one of them is slow.
TEST(Tiers, NameTheHostsThatAreNotWhereTheyWereDeclared) {
  for (const bool is_slow : {false, true}) {
    FabricModel model = groups_of_switches();
    model.is_declared = true;
    if (is_slow) model.defects = {{CauseKind::slow_host, CauseDirection::both, 5, 0, 2.0, true, true}};
    Measurement measurement = make_measurement(model);
    measurement.hosts[5].declared_switch = "leaf6";
    measurement.hosts[17].declared_switch = "leaf0";
    const Tiers tiers = find_causes(measurement).tiers;
    ASSERT_EQ(tiers.contradictions.size(), 2u) << is_slow;
    EXPECT_EQ(tiers.contradictions[0].host, 5u);
    EXPECT_EQ(tiers.contradictions[0].declared, "leaf6");
    EXPECT_EQ(tiers.contradictions[0].measured, "leaf1");
    EXPECT_GT(tiers.contradictions[0].declared_factor, 1.2);
    EXPECT_EQ(tiers.contradictions[1].host, 17u);
    EXPECT_EQ(tiers.contradictions[1].measured, "leaf4");
  }
}

// Goal: an uplink that is slow is no tier. Method: one of eight switches, by 3; its name is that which was declared.
TEST(Tiers, DoNotHideASlowUplink) {
  FabricModel model = groups_of_switches();
  model.is_declared = true;
  model.defects = {{CauseKind::slow_switch, CauseDirection::both, 2, 0, 3.0, true, true}};
  const Causes causes = find_causes(make_measurement(model));
  EXPECT_EQ(causes.tiers.network_tiers(), 3u);
  ASSERT_EQ(causes.causes.size(), 1u) << causes_text(causes, make_measurement(model));
  EXPECT_EQ(causes.causes[0].what, "switch leaf2 (4 hosts) uplink");
}

}  // namespace
}  // namespace gossamer::topology
