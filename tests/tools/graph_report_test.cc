#include "tools/graph/graph_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

GraphConfig config_of(const std::string& kind, std::uint32_t ranks) {
  GraphConfig config;
  config.kind = kind;
  config.ranks = ranks;
  return config;
}

nlohmann::json document_of(const GraphConfig& config) {
  const Status valid = check_graph_config(config);
  EXPECT_TRUE(valid.ok()) << valid.error().message;
  const Result<nlohmann::json> document = graph_document(config);
  EXPECT_TRUE(document.ok()) << (document.ok() ? "" : document.error().message);
  return document.ok() ? *document : nlohmann::json{{"rows", nlohmann::json::array()}};
}

// Goal: the document has every key that readers rely on, with the figures of the graph. Method: an exact kind with a
// degree, and a ring, which never is.
TEST(GraphReport, HasWhatAGraphIsWorth) {
  GraphConfig base = config_of("base", 24);
  base.degree = 2;
  const nlohmann::json document = document_of(base);
  EXPECT_EQ(document.at("schema"), "gossamer.graph/1");
  ASSERT_EQ(document.at("rows").size(), 1u);
  const nlohmann::json& row = document.at("rows").at(0);
  EXPECT_EQ(row.at("kind"), "base");
  EXPECT_EQ(row.at("ranks"), 24);
  EXPECT_EQ(row.at("degree"), 2);
  EXPECT_EQ(row.at("seed"), 0);
  EXPECT_EQ(row.at("peers"), 2);
  EXPECT_EQ(row.at("exact"), true);
  EXPECT_EQ(row.at("symmetric"), true);
  EXPECT_EQ(row.at("estimated"), false);
  EXPECT_EQ(row.at("approximate"), false);
  EXPECT_EQ(row.at("gap_of_period"), 1.0);
  EXPECT_EQ(row.at("steps_to_thousandth"), row.at("period"));
  EXPECT_FALSE(document.contains("deaths"));

  const nlohmann::json ring = document_of(config_of("ring", 16)).at("rows").at(0);
  EXPECT_NEAR(ring.at("gap_of_round").get<double>(), .0507, 5e-5);
  EXPECT_EQ(ring.at("parts_per_step"), 2.0);
  EXPECT_EQ(ring.at("steps_to_thousandth"), 133);
  EXPECT_THAT(graph_table(document_of(config_of("ring", 16))),
              HasSubstr("2.00 d  0.0507            133            266 d"));
}

// Goal: the table of all kinds has a row for each that exists for the number of ranks. Method: 15, 16 and 34 ranks.
TEST(GraphReport, OfAllKindsHasThoseThatExist) {
  for (const std::uint32_t ranks : {15u, 16u, 34u}) {
    std::vector<std::string> kinds;
    const nlohmann::json document = document_of(config_of("all", ranks));
    for (const nlohmann::json& row : document.at("rows")) kinds.push_back(row.at("kind"));
    std::vector<std::string> expected;
    for (const topology::GraphKind kind : topology::all_graphs())
      if (topology::has_graph(kind, ranks)) expected.emplace_back(topology::graph_kind_name(kind));
    EXPECT_EQ(kinds, expected) << ranks;
  }
}

// Goal: deaths are told for each rank, and beside the graph of those who are left. Method: a star, whose centre is the
// only one that nobody can miss; a ring that is rebuilt; a hypercube that cannot be.
TEST(GraphReport, TellsWhatDeathsLeave) {
  GraphConfig star = config_of("star", 8);
  star.deaths = true;
  const nlohmann::json document = document_of(star);
  ASSERT_EQ(document.at("deaths").size(), 8u);
  EXPECT_TRUE(document.at("deaths").at(0).at("steps_to_thousandth").is_null());
  EXPECT_EQ(document.at("rebuilt").at("ranks"), 7);
  const std::string table = graph_table(document);
  EXPECT_THAT(table, HasSubstr("\n0              0.0000          never\n"));
  EXPECT_THAT(table, HasSubstr("\n1-7            0.1"));
  EXPECT_THAT(table, HasSubstr("\nrebuilt for 7  0.1429"));

  GraphConfig cube = config_of("hypercube", 8);
  cube.deaths = true;
  EXPECT_FALSE(document_of(cube).contains("rebuilt"));
}

// Goal: flags that contradict each other are refused before any work. Method: one of each.
TEST(GraphReport, RefusesFlagsThatContradictEachOther) {
  const auto refusal = [](auto change) {
    GraphConfig config = config_of("ring", 8);
    change(config);
    const Status status = check_graph_config(config);
    EXPECT_FALSE(status.ok());
    return status.ok() ? std::string() : status.error().message;
  };
  EXPECT_EQ(refusal([](GraphConfig& c) { c.ranks.reset(); }), "--ranks is required, or --file");
  EXPECT_EQ(refusal([](GraphConfig& c) { c.file = "graph"; }),
            "--file names the whole graph; leave out --kind, --ranks, --degree and --seed");
  EXPECT_EQ(refusal([](GraphConfig& c) { c.as_text = c.as_json = true; }),
            "--text prints the graph alone; leave out --json and --deaths");
  EXPECT_EQ(refusal([](GraphConfig& c) { c.kind = "matrix"; }), "--kind matrix: give its shares with --file");
  const auto of_all = [&](auto change) {
    return refusal([&](GraphConfig& c) {
      c.kind = "all";
      change(c);
    });
  };
  EXPECT_EQ(of_all([](GraphConfig& c) { c.deaths = true; }), "--deaths and --text want one --kind, not all");
  EXPECT_EQ(of_all([](GraphConfig& c) { c.degree = 2; }), "--degree and --seed want one --kind, not all");
  EXPECT_EQ(of_all([](GraphConfig& c) { c.ranks = 0; }), "--ranks 0: expected 1 to 65536");
}

// Goal: help names every kind that a request makes, from the catalogue. Method: look for each, and for what is read.
TEST(GraphReport, HelpNamesEveryKind) {
  const std::string words = describe_graph_kinds();
  for (const topology::GraphKind kind : topology::all_graphs()) {
    const topology::GraphTraits& traits = topology::graph_traits(kind);
    if (traits.is_given) continue;
    EXPECT_THAT(words, HasSubstr(text("  ", traits.name, " ")));
    EXPECT_THAT(words, HasSubstr(traits.meaning));
  }
  EXPECT_THAT(words, Not(HasSubstr("matrix")));
  EXPECT_EQ(graph_kinds_that_read(&topology::GraphTraits::reads_degree), "base, erdos-renyi");
  EXPECT_EQ(graph_kinds_that_read(&topology::GraphTraits::reads_seed), "erdos-renyi");
}

// Goal: a graph of somebody's own is measured like any other, rounded shares and all. Method: a file of three ranks.
TEST(GraphReport, ReadsAGraphFromAFile) {
  const TemporaryFolder folder;
  GraphConfig config;
  config.file = folder / "own";
  std::ofstream(config.file)
      << "gossamer-graph 1\nkind matrix\nranks 3\ndegree 0\nseed 0\nshares approximate\nround 0\n"
         "0 gives 333333/1000000 to 1\n1 gives 333334/1000000 to 2\n2 gives 333333/1000000 to 0\nend\n";
  const nlohmann::json document = document_of(config);
  EXPECT_EQ(document.at("rows").at(0).at("kind"), "matrix");
  EXPECT_EQ(document.at("rows").at(0).at("approximate"), true);
  EXPECT_THAT(graph_table(document), HasSubstr("one way, rounded"));
}

}  // namespace
}  // namespace gossamer::tools
