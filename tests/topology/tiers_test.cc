#include "topology/measure/tiers.h"

#include <gtest/gtest.h>

#include <vector>

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
