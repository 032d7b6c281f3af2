#include "topology/topology_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view whole_topology = R"(gossamer-topology 1
ranks 4
host node1 0 2
host node2 1 3
near 2.1,0.16
far 31,8.4
far-links 2
order 0 2 1 3
schedule all-reduce:0-4k:butterfly;all-reduce:4k-:rails of ring and circulant
schedule broadcast:chain
expect all-reduce 65536 410 790.5
end
)";

std::string refusal_of(std::string text) {
  const auto parsed = parse_topology_file(text, "f");
  if (parsed.ok()) return "nothing wrong";
  EXPECT_EQ(parsed.error().code, Code::malformed);
  return parsed.error().message;
}

// The whole file with one thing said otherwise.
std::string topology_with(std::string_view what, std::string_view instead) {
  std::string text(whole_topology);
  text.replace(text.find(what), what.size(), instead);
  return text;
}

// Goal: a file says what it seems to say, and is read back as it was written. Method: one with everything in it, and
// again with comments and blank lines.
TEST(TopologyFile, SaysWhatItSeemsToSay) {
  const TopologyFile file = parse_topology_file(topology_with("near", "\n# a comment\nnear"), "f").value();
  EXPECT_EQ(file.hosts, (std::vector<std::string>{"node1", "node2", "node1", "node2"}));
  EXPECT_DOUBLE_EQ(file.cost.near.alpha_ns, 2'100);
  EXPECT_DOUBLE_EQ(file.cost.far.beta_ns_per_byte, 8.4);
  EXPECT_EQ(file.cost.far_links, 2u);
  EXPECT_EQ(file.order.at(1), Rank{2});
  ASSERT_EQ(file.rules.rules.size(), 3u);
  EXPECT_EQ(in_words(file.rules.find(Collective::all_reduce, 1 << 20)->use), "rails of ring and circulant");
  EXPECT_EQ(in_words(file.rules.find(Collective::broadcast, 1)->use), "chain");
  EXPECT_EQ(file.rules.find(Collective::reduce, 1), nullptr);
  ASSERT_EQ(file.expected.size(), 1u);
  EXPECT_EQ(file.expected[0].otherwise_us, 790.5);
  EXPECT_EQ(format_topology_file(file), whole_topology);
}

// Goal: mistakes are told with file, line, what was expected and what is there. Method: one of each.
TEST(TopologyFile, PointsAtTheLineOfAMistake) {
  EXPECT_EQ(refusal_of(""), "f:0: expected \"gossamer-topology 1\", found the end of the file");
  EXPECT_EQ(refusal_of("{\"schema\": 1}"), "f:1: expected \"gossamer-topology 1\", found \"{\"schema\": 1}\"");
  EXPECT_THAT(refusal_of(topology_with("topology 1", "topology 2")), HasSubstr("f:1: expected version 1 of the form"));
  EXPECT_THAT(refusal_of(topology_with("ranks 4", "ranks 0")), HasSubstr("f:2: expected \"ranks\" and 1 to "));
  EXPECT_EQ(refusal_of(topology_with("node1 0 2", "node1 0 4")),
            "f:3: expected ranks from 0 to 3, found \"host node1 0 4\"");
  EXPECT_THAT(refusal_of(topology_with("node2 1 3", "node2 1 2")),
              HasSubstr("f:4: expected each rank once, and rank 2 is on node1"));
  EXPECT_THAT(refusal_of(topology_with("node2 1 3", "node1 1 3")), HasSubstr("f:4: expected each host once"));
  EXPECT_THAT(refusal_of(topology_with("node2 1 3", "node2 1")),
              HasSubstr("rank 3 is on none, found \"near 2.1,0.16\""));
  EXPECT_THAT(refusal_of(topology_with("2.1,0.16", "rdma")), HasSubstr("f:5: expected \"near\" and microseconds"));
  EXPECT_THAT(refusal_of(topology_with("31,8.4", "31,-1")), HasSubstr("f:6: expected \"far\" and microseconds"));
  EXPECT_THAT(refusal_of(topology_with("far-links 2", "far-links 0")), HasSubstr("f:7: expected \"far-links\""));
  EXPECT_THAT(refusal_of(topology_with("order 0 2 1 3", "order 0 2 1")), HasSubstr("f:8: expected all 4 ranks"));
  EXPECT_THAT(refusal_of(topology_with("order 0 2 1 3", "order 0 2 1 1")), HasSubstr("rank 1 is in the order twice"));
  EXPECT_THAT(refusal_of(topology_with("0-4k:butterfly", "0-4k:bttrfly")), HasSubstr("f:9: expected rules like"));
  EXPECT_THAT(refusal_of(topology_with("0-4k:butterfly", "0-4k:bttrfly")), HasSubstr("schedule rules, character 17"));
  EXPECT_THAT(refusal_of(topology_with("broadcast:chain", "ring")),
              HasSubstr("f:10: expected rules that name their collective"));
  EXPECT_THAT(refusal_of(topology_with("broadcast:chain", "broadcast:file:x")),
              HasSubstr("f:10: expected rules without files"));
  EXPECT_THAT(refusal_of(topology_with("broadcast:chain", "all-reduce:ring")),
              HasSubstr("f:10: expected one line of rules"));
  EXPECT_THAT(refusal_of(topology_with("65536 410", "65536 -1")), HasSubstr("f:11: expected \"expect\", a collective"));
  EXPECT_THAT(refusal_of(topology_with("end", "fin")), HasSubstr("f:12: expected \"schedule\", \"expect\" or \"end\""));
  EXPECT_THAT(refusal_of(topology_with("end", "end\nend")), HasSubstr("f:13: expected nothing after \"end\""));
  // Cut off anywhere, it is refused.
  for (std::size_t length = 0; length + 1 < whole_topology.size(); ++length)
    EXPECT_NE(refusal_of(std::string(whole_topology.substr(0, length))), "nothing wrong") << length;
}

}  // namespace
}  // namespace gossamer::topology
