#include "topology/measure/ibnetdiscover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string sample() {
  std::ifstream stream(GOSSAMER_FABRICS "/two-leaves.txt");
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string sample_with(std::string_view what, std::string_view instead) {
  std::string text = sample();
  text.replace(text.find(what), what.size(), instead);
  return text;
}

std::string why_not(const std::string& text) {
  const auto fabric = parse_ibnetdiscover(text, "f");
  if (fabric.ok()) return "nothing wrong";
  EXPECT_EQ(fabric.error().code, Code::malformed);
  return fabric.error().message;
}

// Goal: switches, adapters, cables and their speeds are what was printed. Method: a fabric of two leaves and a spine;
// one leaf has no name of its own, one host two ports.
TEST(Ibnetdiscover, IsReadAsItWasPrinted) {
  const IbFabric fabric = parse_ibnetdiscover(sample(), "f").value();
  ASSERT_EQ(fabric.nodes.size(), 7u);
  const IbNode& leaf = fabric.nodes[0];
  EXPECT_EQ(leaf.kind, IbNodeKind::network_switch);
  EXPECT_EQ(leaf.name(), "leaf1");
  EXPECT_EQ(leaf.port_count, 41u);
  ASSERT_EQ(leaf.ports.size(), 5u);
  EXPECT_EQ(fabric.nodes[leaf.ports[0].peer].name(), "node1");
  EXPECT_EQ(leaf.ports[3].number, 21u);
  EXPECT_EQ(leaf.ports[3].peer, 2u);
  EXPECT_DOUBLE_EQ(leaf.ports[0].gbit_per_s, 200);
  EXPECT_EQ(fabric.nodes[1].name(), "Quantum Mellanox Technologies");
  EXPECT_EQ(fabric.nodes[3].ports[0].lid, 11u);
  EXPECT_EQ(fabric.leaf_of("node2"), "leaf1");
  EXPECT_EQ(fabric.leaf_of("node4.cluster.example"), "Quantum Mellanox Technologies");
  EXPECT_EQ(fabric.leaf_of("node5"), "");
}

// Goal: cables that run slower than others of their kind are told, once. Method: a host's link of half the lanes, and a
// spine's of the generation before.
TEST(Ibnetdiscover, NamesSlowCables) {
  const std::vector<SlowCable> slow = slow_cables(parse_ibnetdiscover(sample(), "f").value());
  ASSERT_EQ(slow.size(), 2u);
  EXPECT_EQ(slow[0].from, "Quantum Mellanox Technologies port 21");
  EXPECT_EQ(slow[0].to, "spine1 port 21");
  EXPECT_EQ(slow[0].speed, "4xEDR");
  EXPECT_EQ(slow[0].usual, "4xHDR");
  EXPECT_EQ(slow[1].from, "leaf1 port 3");
  EXPECT_EQ(slow[1].speed, "2xHDR");
}

// Goal: comments may be missing: they are for people. Method: all of them taken away.
TEST(Ibnetdiscover, NeedsNoComments) {
  std::string bare;
  std::string text = sample();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    bare += line.substr(0, line.find('#')) + "\r\n";
    at = end + 1;
  }
  const IbFabric fabric = parse_ibnetdiscover(bare, "f").value();
  EXPECT_EQ(fabric.nodes.size(), 7u);
  EXPECT_EQ(fabric.nodes[0].name(), "S-506b4b0300aaaa01");
  EXPECT_EQ(fabric.leaf_of("node1"), "");
  EXPECT_TRUE(slow_cables(fabric).empty());
}

// Goal: mistakes are told with their line. Method: one of each.
TEST(Ibnetdiscover, PointsAtTheLineOfAMistake) {
  EXPECT_EQ(why_not(""), "f: expected nodes as ibnetdiscover prints them, found none");
  EXPECT_THAT(why_not("{\"a\": 1}"), StartsWith("f:1: expected a node (Switch, Ca or Rt), a port in brackets"));
  EXPECT_THAT(why_not("[1] \"S-1\"[1]"), StartsWith("f:1: expected a node before its ports"));
  EXPECT_THAT(why_not(sample_with("Switch\t41", "Switch\tmany")), StartsWith("f:10: expected a number of ports"));
  EXPECT_THAT(why_not(sample_with("[2]\t\"H-", "[42]\t\"H-")), StartsWith("f:12: expected a port from 0 to 41"));
  EXPECT_THAT(why_not(sample_with("[2]\t\"H-", "[1]\t\"H-")), HasSubstr("ports in ascending order, each once"));
  EXPECT_THAT(why_not(sample_with("\"[1](506b4b0300c0aa12) \t", "\"[1(")), HasSubstr("f:12: expected a port and what"));
  EXPECT_THAT(why_not(sample_with("Ca\t1 \"H-506b4b0300c0aa11\"", "Ca\t1 \"H-506b4b0300c0aa01\"")),
              HasSubstr("expected each node once"));
  EXPECT_THAT(why_not(sample_with("\"S-506b4b0300aaaa11\"[1]", "\"S-506b4b0300aaaa11\"[2]")),
              StartsWith("f:14: expected the other end of this cable, port 2 of S-506b4b0300aaaa11, to say the same"));
  const std::string text = sample();
  EXPECT_THAT(why_not(text.substr(0, text.rfind("vendid"))),
              HasSubstr("expected a node that the file has: it may be cut off, found \"H-506b4b0300c0aa31\""));
}

// Goal: lanes times generation. Method: some, and what is none.
TEST(Ibnetdiscover, KnowsSpeeds) {
  EXPECT_DOUBLE_EQ(ib_speed("4xNDR").value(), 400);
  EXPECT_DOUBLE_EQ(ib_speed("1xSDR").value(), 2);
  EXPECT_DOUBLE_EQ(ib_speed("4xFDR10").value(), 40);
  for (const std::string_view none : {"", "x", "4x", "4xABC", "0xHDR", "99xHDR", "0x2c9"}) EXPECT_FALSE(ib_speed(none));
}

}  // namespace
}  // namespace gossamer::topology
