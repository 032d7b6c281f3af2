#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "topology/simulate/simulate.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Fabric> named(std::string_view words, std::uint32_t ranks) {
  Result<std::unique_ptr<Fabric>> made = make_fabric(words, {ranks, 0.1, 100});
  EXPECT_TRUE(made.ok()) << words << ": " << (made.ok() ? "" : made.error().message);
  return made.ok() ? *std::move(made) : nullptr;
}

// The links from one host to another; checks that they are a way.
std::vector<std::uint32_t> route(const Fabric& fabric, std::uint32_t from, std::uint32_t to) {
  std::vector<std::uint32_t> links;
  std::uint32_t node = fabric.node_of(from);
  while (links.size() < 1'000) {
    const std::uint32_t link = fabric.next_link(node, to);
    if (link == no_link) break;
    EXPECT_LT(link, fabric.links().size());
    EXPECT_EQ(fabric.links()[link].from, node) << fabric.link_name(link);
    node = fabric.links()[link].to;
    links.push_back(link);
  }
  EXPECT_EQ(node, fabric.node_of(to)) << fabric.description() << ": from " << from << " to " << to;
  return links;
}

// A text like the built-in fat tree of two levels, whose host cables are never what anybody waits for.
std::string leaves_and_spines(std::uint32_t leaves, std::uint32_t spines, std::uint32_t hosts) {
  std::string out = "gossamer-fabric 1\n# from a generator\n\n";
  for (std::uint32_t i = 0; i < leaves; ++i) append(out, "switch leaf", i, "\n");
  for (std::uint32_t i = 0; i < spines; ++i) append(out, "switch spine", i, "\n");
  for (std::uint32_t i = 0; i < leaves * hosts; ++i) {
    append(out, "host h", i, "\nlink h", i, " leaf", i / hosts, " 1000000 0\n");
  }
  for (std::uint32_t i = 0; i < leaves; ++i) {
    for (std::uint32_t k = 0; k < spines; ++k) append(out, "link leaf", i, " spine", k, " 80 100 trunk\n");
  }
  return out + "end\n";
}

// Goal: there is a way from each host to each, no longer than the fabric's diameter. Method: every pair of small ones,
// also with hosts that no rank uses.
TEST(Fabric, EveryRouteArrivesWithinTheDiameter) {
  const auto check = [](const Fabric& fabric, std::size_t diameter) {
    for (std::uint32_t a = 0; a < fabric.host_count(); ++a) {
      for (std::uint32_t b = 0; b < fabric.host_count(); ++b) {
        ASSERT_LE(route(fabric, a, b).size(), diameter) << fabric.description() << ": from " << a << " to " << b;
      }
    }
  };
  check(*named("flat", 5), 0);
  check(*named("fat-tree:radix=4", 4), 0);
  check(*named("fat-tree:radix=4", 5), 2);
  check(*named("fat-tree:radix=4", 16), 4);
  check(*named("fat-tree:radix=6,levels=3,oversubscription=3", 50), 4);
  check(*named("fat-tree:radix=4,levels=3", 3), 4);
  check(*named("dragonfly", 72), 3);
  check(*named("dragonfly:hosts=2,routers=3,globals=2", 30), 3);
  check(*named("dragonfly:hosts=3,routers=4,globals=1", 60), 3);
  check(*named("dragonfly:hosts=4,routers=4", 9), 1);
  check(*named("torus:7", 7), 3);
  check(*named("torus:4x5x3", 60), 2 + 2 + 1);
  check(*named("torus:2x1x2x3", 12), 1 + 0 + 1 + 1);
  check(*named("torus", 64), 6);
  const auto text = parse_fabric(leaves_and_spines(4, 3, 5));
  ASSERT_TRUE(text.ok());
  check(**text, 4);
}

// Goal: a full fat tree carries every shift of all its hosts without two messages on one link. Method: all shifts.
TEST(Fabric, AFullFatTreeCarriesEveryShift) {
  for (const auto& [words, hosts] : {std::pair{"fat-tree:radix=4", 16u}, {"fat-tree:radix=8", 128u}}) {
    const auto fabric = named(words, hosts);
    ASSERT_EQ(fabric->host_count(), hosts);
    for (std::uint32_t shift = 1; shift < hosts; ++shift) {
      std::set<std::uint32_t> used;
      for (std::uint32_t from = 0; from < hosts; ++from) {
        for (const std::uint32_t link : route(*fabric, from, (from + shift) % hosts)) {
          EXPECT_TRUE(used.insert(link).second) << words << ", shift " << shift << ": " << fabric->link_name(link);
        }
      }
    }
  }
}

// Goal: what is left out is chosen for the ranks. Method: the descriptions of the largest and of odd sizes.
TEST(Fabric, ChoosesItsShapeForTheRanks) {
  EXPECT_EQ(named("fat-tree", 65'536)->description(),
            "fat-tree of 3 levels, radix 64, oversubscription 1, 65536 hosts");
  EXPECT_EQ(named("fat-tree", 100)->description(), "fat-tree of 2 levels, radix 64, oversubscription 1, 128 hosts");
  EXPECT_EQ(named("dragonfly", 65'536)->description(),
            "dragonfly, 228 groups of 24 routers of 12 hosts, 1 global links a pair, 65664 hosts");
  EXPECT_EQ(named("torus", 65'536)->description(), "torus 64x32x32, 65536 hosts");
  EXPECT_EQ(named("torus", 61)->description(), "torus 4x4x4, 64 hosts");
  const auto slow = named("torus:4x4,bandwidth=8,latency=30", 16);
  EXPECT_EQ(slow->links()[0].ns_per_byte, 1.0);
  EXPECT_EQ(slow->links()[0].latency_ns, 30.0);
}

// Goal: wrong words are refused with what was expected. Method: one of each kind.
TEST(Fabric, RefusesWordsAndSaysWhatItExpected) {
  const auto expect = [](std::string_view words, std::uint32_t ranks, const char* why) {
    const Result<std::unique_ptr<Fabric>> made = make_fabric(words, {ranks, 0.1, 100});
    ASSERT_FALSE(made.ok()) << words;
    EXPECT_EQ(made.error().code, Code::invalid_argument);
    EXPECT_THAT(made.error().message, HasSubstr(why)) << words;
  };
  expect("", 4, "unknown fabric \"\": expected one of flat, fat-tree, dragonfly, torus");
  expect("mesh", 4, "unknown fabric \"mesh\"");
  expect("flat", 0, "1 to 65536 ranks, not 0");
  expect("flat", 65'537, "1 to 65536 ranks, not 65537");
  expect("flat:radix=4", 4, "unknown word \"radix\"; expected flat");
  expect("fat-tree:radix=5", 4, "radix=5 is odd");
  expect("fat-tree:radix=x", 4, "radix=x is not from 2 to 1024; expected fat-tree:radix=PORTS");
  expect("fat-tree:radix=4,radix=6", 4, "radix stands twice");
  expect("fat-tree:radix=8,oversubscription=3", 4, "does not divide the 4 ports");
  expect("fat-tree:radix=4", 17, "has 16 hosts, too few for 17 ranks");
  expect("fat-tree:levels=4", 4, "levels=4 is not from 1 to 3");
  expect("fat-tree:bandwidth=0", 4, "bandwidth=0 is not from 0.001 to");
  expect("fat-tree:latency=nan", 4, "latency=nan is not from 0 to");
  expect("dragonfly:hosts=1,routers=2,globals=1", 7, "3 groups of 2 hosts at most, too few for 7 ranks");
  for (const char* shape : {"0", "4x", "x4", "4x-1", "4,4x", "1x1x1x1x1x1x1", "70000x70000", "4x4y", "99999999999"}) {
    expect(text("torus:", shape), 4, "expected torus:XxYxZ");
  }
}

// Goal: a fabric from text is the one that it describes. Method: a fat tree of two levels: its routes use the spines
// that the built-in one uses.
TEST(FabricText, RoutesAsTheBuiltInFatTree) {
  const auto text = parse_fabric(leaves_and_spines(4, 2, 2));
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ((*text)->description(), "from text, 8 hosts, 6 switches, 16 cables");
  EXPECT_THAT((*text)->class_names(), ::testing::ElementsAre("host", "trunk"));
  const auto built_in = named("fat-tree:radix=4,levels=2", 8);
  for (std::uint32_t a = 0; a < 8; ++a) {
    for (std::uint32_t b = 0; b < 8; ++b) {
      std::vector<std::string> ours, theirs;
      for (const std::uint32_t link : route(**text, a, b)) {
        if ((*text)->links()[link].link_class == 1) ours.push_back((*text)->link_name(link));
      }
      for (const std::uint32_t link : route(*built_in, a, b)) {
        std::string name = built_in->link_name(link);
        name.erase(std::remove(name.begin(), name.end(), ' '), name.end());
        name.insert(name.find('>'), " ").insert(name.find('>') + 1, " ");
        theirs.push_back(name);
      }
      EXPECT_EQ(ours, theirs);
    }
  }
}

// Goal: hosts with several cables, cables side by side and hosts without a switch have routes. Method: one fabric of
// each; two cables to one switch are both used, by destination.
TEST(FabricText, HostsMayHaveSeveralCables) {
  const auto rails = parse_fabric(
      "gossamer-fabric 1\nswitch r0\nswitch r1\nhost a\nhost b\nhost c\nlink a r0 1 0\nlink a r1 1 0\nlink b r0 1 "
      "0\nlink b r1 "
      "1 0\nlink c r0 1 0\nlink c r1 1 0\nend\n");
  ASSERT_TRUE(rails.ok()) << rails.error().message;
  const auto through = [&](std::uint32_t a, std::uint32_t b) { return (*rails)->link_name(route(**rails, a, b)[0]); };
  EXPECT_EQ(through(0, 1), "a > r1");
  EXPECT_EQ(through(0, 2), "a > r0");
  const auto pair = parse_fabric("gossamer-fabric 1\nhost a\nhost b\nlink a b 10 5\nlink a b 10 5\nend");
  ASSERT_TRUE(pair.ok()) << pair.error().message;
  EXPECT_EQ(route(**pair, 0, 1).size(), 1u);
  EXPECT_NE(route(**pair, 0, 1)[0] / 2, route(**pair, 1, 0)[0] / 2);
}

// Goal: wrong text is refused with its line and what was expected. Method: one of each kind.
TEST(FabricText, RefusesWithTheLine) {
  const auto expect = [](const std::string& text, const char* why) {
    const Result<std::unique_ptr<Fabric>> made = parse_fabric(text);
    ASSERT_FALSE(made.ok()) << text;
    EXPECT_EQ(made.error().code, Code::malformed);
    EXPECT_THAT(made.error().message, HasSubstr(why)) << text;
  };
  const std::string head = "gossamer-fabric 1\nhost a\nhost b\nswitch s\n";
  expect("", "line 0: expected \"gossamer-fabric 1\", found the end of the text");
  expect("gossamer-fabric 2\n", "line 1: expected \"gossamer-fabric 1\", found \"gossamer-fabric 2\"");
  expect("gossamer-fabric 1\nend\n", "names no host");
  expect(head, "line 4: expected \"end\" behind the last link, found the end of the text");
  expect(head + "end\nmore\n", "line 6: expected nothing after \"end\", found \"more\"");
  expect(head + "router r\nend\n", "line 5: expected \"host\", \"switch\", \"link\" or \"end\", found \"router r\"");
  expect(head + "host a\nend\n", "line 5: expected a name that is not taken");
  expect(head + "host\nend\n", "line 5: expected \"host NAME\"");
  expect(head + "host a b\nend\n", "line 5: expected \"host NAME\"");
  expect(head + "host " + std::string(65, 'x') + "\nend\n", "line 5: expected \"host NAME\"");
  expect(head + "link a c 1 1\nend\n", "line 5: expected \"link A B GBIT_PER_S NS [CLASS]\" with two");
  expect(head + "link a a 1 1\nend\n", "line 5: expected \"link A B GBIT_PER_S NS [CLASS]\" with two");
  expect(head + "link a s 0 1\nend\n", "line 5: expected a bandwidth");
  expect(head + "link a s nan 1\nend\n", "line 5: expected a bandwidth");
  expect(head + "link a s 1 -1\nend\n", "line 5: expected a latency");
  expect(head + "link a s 1\nend\n", "line 5: expected a latency");
  expect(head + "link a s 1 1 near far\nend\n", "line 5: expected no more than a class's name");
  expect(head + "link a s 1 1\nend\n", "there is no way from host a to host b");
  expect(head + "switch t\nlink a s 1 1\nlink b t 1 1\nend\n", "there is no way from host a to host b");
  expect(head + "host c\nlink a c 1 1\nlink c b 1 1\nend\n",
         "there is no way from host a to host b");  // hosts pass nothing on
  expect(head + "\x01\nend\n", "found \"?\"");
}

}  // namespace
}  // namespace gossamer::topology
