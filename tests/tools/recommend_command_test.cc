#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command_fixture.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

// Two hosts of two ranks, dealt out in turn.
nlohmann::json two_hosts() {
  const auto estimate = [](double value) { return nlohmann::json{value, value, value}; };
  nlohmann::json document = {{"schema", "gossamer.topo/1"},
                             {"when", "2026-01-01T00:00:00Z"},
                             {"version", "0"},
                             {"transport", "ucx: tcp"},
                             {"memory", "host"},
                             {"clock_uncertainty_ns", 0},
                             {"sampled_fraction", 1},
                             {"seed", 0u},
                             {"size_columns", nlohmann::json::array()},
                             {"ranks", {{{"host", 0u}}, {{"host", 1u}}, {{"host", 0u}}, {{"host", 1u}}}}};
  for (const char* name : {"node1", "node2"})
    document["hosts"].push_back(
        {{"name", name}, {"cores", 8u}, {"adapters", nlohmann::json::array()}, {"stolen_cpu", 0}});
  for (std::uint32_t from = 0; from < 4; ++from) {
    for (std::uint32_t to = 0; to < 4; ++to) {
      if (from == to) continue;
      const bool is_near = from % 2 == to % 2;
      const double alpha = is_near ? 10'000 : 40'000;
      document["pairs"].push_back({{"from", from},
                                   {"to", to},
                                   {"load", "idle"},
                                   {"passes", 1u},
                                   {"sizes", {{1024u, 1u, alpha, alpha, alpha, alpha, alpha, alpha}}},
                                   {"fit",
                                    {{"alpha_ns", estimate(alpha)},
                                     {"beta_ns_per_byte", estimate(is_near ? 0.3 : 8.0)},
                                     {"gap_ns", estimate(alpha / 2)},
                                     {"overhead_ns", estimate(2'000)},
                                     {"residual", 0}}}});
    }
  }
  return document;
}

// Goal: a measurement becomes a file that is read again, a table and JSON; what is none, or of another fabric, is told.
// Method: two hosts of two ranks; cut short, missing, another schema, and an ibnetdiscover of other hosts.
TEST_F(Command, TopoRecommendWritesAFileFromAMeasurement) {
  const std::string measured = folder_ / "measured.json";
  std::ofstream(measured) << two_hosts();
  const std::string out = folder_ / "topology.txt";
  const Ran ran = run({"topo", "recommend", measured, "-o", out, "--bytes=1K:1M", "--json=" + (folder_ / "rows")});
  ASSERT_EQ(ran.status, 0) << ran.errors;
  EXPECT_THAT(ran.output, HasSubstr("4 ranks on 2 hosts, measured 2026-01-01T00:00:00Z over ucx: tcp\n"));
  EXPECT_THAT(ran.output, HasSubstr("rank order:     as they are numbered\n"));
  EXPECT_THAT(read_file(out), HasSubstr("ranks 4\nhost node1 0 2\nhost node2 1 3\nnear 10,0.3\nfar 40,8\n"));
  const auto rows = nlohmann::json::parse(read_file(folder_ / "rows"));
  EXPECT_EQ(rows.at("schema"), "gossamer.topo.recommend/1");
  EXPECT_EQ(rows.at("rows").size(), 5u * 6u);

  const auto refused = [&](const std::vector<std::string>& arguments, int status, const std::string& words) {
    const Ran wrong = run(arguments);
    EXPECT_EQ(wrong.status, status) << wrong.errors;
    EXPECT_THAT(wrong.errors, HasSubstr(words));
  };
  refused({"topo", "recommend", folder_ / "none"}, 3, "cannot read");
  std::ofstream(folder_ / "cut") << two_hosts().dump().substr(0, 500);
  refused({"topo", "recommend", folder_ / "cut"}, 3, "cut");
  refused({"topo", "recommend", measured, "--bytes=x"}, 2, "--bytes");
  refused({"topo", "recommend", measured, "--collective=sum"}, 2, "unknown collective");
  refused({"topo", "recommend", measured, "-o", folder_ / "no/such"}, 1, "no/such");
  refused({"topo", "recommend", measured, "--ibnetdiscover=" GOSSAMER_FABRICS "/two-leaves.txt"}, 0, "");
  std::ofstream(folder_ / "fabric") << "Switch\t2 \"S-1\"\n";
  refused({"topo", "recommend", measured, "--ibnetdiscover=" + (folder_ / "fabric")}, 3,
          "has none of the measured hosts");

  // What a session would say, without one.
  refused({"topo", "verify", "--topology=" + measured}, 3, measured + ":1: expected \"gossamer-topology 1\"");
  refused({"topo", "verify", "--topology=" + (folder_ / "none")}, 3, "No such file or directory");
  refused({"topo", "verify", "--topology=" + out}, 3, "is of 4 ranks, and this session has 1");
}

// Goal: this host and a declared fabric are told, and what is none is refused with its line. Method: the sample, a
// folder that is no root, a fabric cut short.
TEST_F(Command, TopoDiscoverTellsHostAndFabric) {
  const std::string fabric = GOSSAMER_FABRICS "/two-leaves.txt";
  const Ran ran = run({"topo", "discover", "--ibnetdiscover=" + fabric, "--json=-"});
  ASSERT_EQ(ran.status, 0) << ran.errors;
  const auto document = nlohmann::json::parse(ran.output);
  EXPECT_EQ(document.at("schema"), "gossamer.topo.discover/1");
  EXPECT_GE(document.at("machine").at("packages").size(), 1u);
  EXPECT_EQ(document.at("fabric").at("nodes").size(), 7u);
  EXPECT_EQ(run({"topo", "discover", "--root=" + folder_.path()}).status, 3);
  std::ofstream(folder_ / "cut") << read_file(fabric).substr(0, 700);
  const Ran cut = run({"topo", "discover", "--ibnetdiscover=" + (folder_ / "cut")});
  EXPECT_EQ(cut.status, 3);
  EXPECT_THAT(cut.errors, HasSubstr("cut:"));
}

}  // namespace
}  // namespace gossamer::tools
