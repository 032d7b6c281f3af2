#include "tools/simulate/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.h"
#include "tools/simulate/explain.h"
#include "tools/simulate/picture.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

nlohmann::json document_of(const SimulateConfig& config) {
  const Result<Simulation> simulation = run_simulation(config);
  EXPECT_TRUE(simulation.ok()) << (simulation.ok() ? "" : simulation.error().message);
  return simulation.ok() ? simulation_document(*simulation, config, {}) : nlohmann::json();
}

std::string why_not(const SimulateConfig& config) {
  const Result<Simulation> simulation = run_simulation(config);
  EXPECT_FALSE(simulation.ok());
  return simulation.ok() ? "" : simulation.error().message;
}

// Goal: the rows say what was played. Method: the butterfly of 8 ranks at 100 Gbit/s beside its closed form: 3 steps of
// 2 us and 1 MiB of .08 and .05 ns a byte; all schedules in one run, with a path that fills each row's time.
TEST(SimulateDocument, HasARowForEachScheduleAndAPathThatFillsItsTime) {
  SimulateConfig config;
  config.schedules = {"butterfly", "ring", "auto"};
  const nlohmann::json document = document_of(config);
  ASSERT_EQ(document.at("rows").size(), 3u);
  const nlohmann::json& butterfly = document.at("rows").at(0);
  EXPECT_NEAR(butterfly.at("time_us").get<double>(), 3 * (2 + 1048.576 * 0.13), 1e-3);
  EXPECT_NEAR(butterfly.at("predicted_us").get<double>(), butterfly.at("time_us").get<double>(), 1e-3);
  EXPECT_EQ(butterfly.at("messages"), 24);
  EXPECT_EQ(butterfly.at("bytes_per_rank"), 3 << 20);
  EXPECT_EQ(document.at("rows").at(2).at("schedule"), "circulant");
  for (const nlohmann::json& row : document.at("rows")) {
    double end = 0;
    for (const nlohmann::json& step : document.at("critical_path")) {
      if (step.at("schedule") == row.at("schedule")) end = step.at("end_us");
    }
    EXPECT_EQ(end, row.at("time_us").get<double>());
  }
  const std::string table = simulation_table(document);
  EXPECT_THAT(table, HasSubstr("all-reduce of 1.0 MiB over 8 ranks on flat, 8 hosts\n"));
  EXPECT_THAT(table, HasSubstr("circulant"));
}

// Goal: numbers of the command line take the place of the cost model's. Method: one message, each number alone.
TEST(SimulateDocument, NumbersOfTheHostMayBeGiven) {
  SimulateConfig config;
  config.ranks = 2;
  config.bytes = "1000";
  config.collective = "broadcast";
  config.schedules = {"binomial-tree"};
  config.latency_ns = 5;
  config.overhead_ns = 7;
  config.per_byte_ns = 2;
  EXPECT_DOUBLE_EQ(document_of(config).at("rows").at(0).at("time_us").get<double>(), 2.019);
}

// Goal: a schedule and a fabric from files are played like those from words. Method: a butterfly's text; two hosts on a
// cable.
TEST(SimulateDocument, SchedulesAndFabricsComeFromFiles) {
  const TemporaryFolder folder;
  const std::string schedule = folder / "schedule";
  const std::string fabric = folder / "fabric";
  const auto made =
      topology::make_schedule({topology::ScheduleKind::butterfly, topology::Collective::all_reduce, 2, Rank{0}});
  std::ofstream(schedule) << topology::format_schedule(*made);
  std::ofstream(fabric) << "gossamer-fabric 1\nhost a\nhost b\nlink a b 1 250\nend\n";
  SimulateConfig config;
  config.ranks = 2;
  config.bytes = "1000";
  config.schedules = {"file:" + schedule};
  config.fabric = "file:" + fabric;
  const nlohmann::json document = document_of(config);
  EXPECT_TRUE(document.at("rows").at(0).at("predicted_us").is_null());
  EXPECT_NEAR(document.at("rows").at(0).at("time_us").get<double>(), 2 + 8 + 0.25 + 0.05, 1e-9);
  EXPECT_EQ(document.at("busiest_links").at(0).at("link"), "a > b");
  EXPECT_THAT(simulation_table(document), HasSubstr("a > b"));

  config.ranks = 3;
  EXPECT_THAT(why_not(config), HasSubstr("is all-reduce over 2 ranks: give --ranks 2 --collective all-reduce"));
  config.schedules = {"butterfly"};
  EXPECT_THAT(why_not(config), HasSubstr("has 2 hosts, too few for 3 ranks"));
  std::ofstream(fabric) << "gossamer-fabric 1\nhost a\nhost a\nend\n";
  config.fabric = "file:" + fabric;
  EXPECT_EQ(why_not(config), fabric + ": fabric text, line 3: expected a name that is not taken, found \"host a\"");
  config.fabric = "file:" + (folder / "nothing");
  EXPECT_EQ(why_not(config), "cannot read " + (folder / "nothing") + ": No such file or directory");
}

// Goal: wrong words are refused with what was expected. Method: one of each.
TEST(SimulateDocument, RefusesWordsThatMeanNothing) {
  const auto expect = [](auto change, const char* words) {
    SimulateConfig config;
    change(config);
    EXPECT_THAT(why_not(config), HasSubstr(words));
  };
  expect([](auto& c) { c.ranks = 0; }, "1 to 65536 ranks, not 0");
  expect([](auto& c) { c.bytes = "many"; }, "--bytes: expected bytes as in");
  expect([](auto& c) { c.collective = "gather"; }, "unknown collective \"gather\"");
  expect([](auto& c) { c.schedules = {"spiral"}; }, "unknown schedule kind \"spiral\"");
  expect([](auto& c) { c.fabric = "web"; }, "unknown fabric \"web\"");
  expect([](auto& c) { c.cost = "cheap"; }, "a cost model is");
  expect([](auto& c) { c.root = 8, c.collective = "broadcast"; }, "root 8 is not one of 8 ranks");
  expect([](auto& c) { c.gap_ns = -1; }, "from 0 to 1e+09, not -1");
}

// Goal: a shuffle is a placement like any other, the same for one seed. Method: two seeds twice on a tree with few
// links up.
TEST(SimulateDocument, AShuffleIsDrawnFromItsSeed) {
  const auto time = [](std::uint64_t seed) {
    SimulateConfig config;
    config.ranks = 32;
    config.schedules = {"ring"};
    config.fabric = "fat-tree:radix=8,oversubscription=4";
    config.shuffle = seed;
    return document_of(config).at("rows").at(0).at("time_us").get<double>();
  };
  EXPECT_EQ(time(1), time(1));
  EXPECT_NE(time(1), time(2));
}

// Goal: the picture is a document of a bounded size, however many ranks and rounds there are. Method: a ring of 200
// ranks, and one rank that does nothing.
TEST(SimulatePicture, IsBoundedAndNamesWhatItShows) {
  SimulateConfig config;
  config.ranks = 200;
  config.schedules = {"ring"};
  config.fabric = "torus";
  const Result<Simulation> simulation = run_simulation(config);
  ASSERT_TRUE(simulation.ok());
  const std::string svg = draw_outcome(simulation->schedules.front().outcome, "a < b", "c & d");
  EXPECT_LT(svg.size(), 1u << 20);
  for (const char* words :
       {"a &lt; b", "c &amp; d", "critical path", "waits for links", "dimension 0", "rank 175", "</svg>"}) {
    EXPECT_THAT(svg, HasSubstr(words));
  }
  config.ranks = 1;
  const Result<Simulation> alone = run_simulation(config);
  ASSERT_TRUE(alone.ok());
  EXPECT_THAT(draw_outcome(alone->schedules.front().outcome, "alone", ""), HasSubstr("</svg>"));
}

Result<nlohmann::json> explained(std::uint32_t ranks, const std::string& bytes,
                                 const std::string& collective = "all-reduce") {
  ExplainConfig config;
  config.ranks = ranks;
  config.bytes = bytes;
  config.collective = collective;
  return explain(config, {});
}

// Goal: every candidate is told, cheapest first, with the choice and its reason. Method: the sentence that
// choose_schedule gives for 1 KiB over 4 ranks.
TEST(Explain, TellsEveryCandidateAndWhy) {
  const nlohmann::json document = *explained(4, "1K");
  ASSERT_EQ(document.at("rows").size(), topology::all_schedules().size());
  EXPECT_EQ(document.at("choice").at("schedule"), "butterfly");
  const std::string table = explain_table(document);
  EXPECT_THAT(table, HasSubstr("butterfly for all-reduce of 1.0 KiB over 4 ranks: 3.4 us predicted, circulant 6.3 us"));
  EXPECT_THAT(table, HasSubstr("by name alone"));
  EXPECT_THAT(table, HasSubstr("chosen"));
  double last = 0;
  for (const nlohmann::json& row : document.at("rows")) {
    EXPECT_GE(row.at("predicted_us").get<double>(), last);
    last = row.at("predicted_us");
  }
}

// Goal: a range shows where the choice changes, to the byte. Method: the stretches join, and choose_schedule agrees at
// both ends of each.
TEST(Explain, ARangeShowsWhereTheChoiceChanges) {
  const nlohmann::json document = *explained(16, "64:1G");
  const nlohmann::json& rows = document.at("rows");
  ASSERT_GE(rows.size(), 2u);
  std::uint64_t next = 64;
  for (const nlohmann::json& row : rows) {
    EXPECT_EQ(row.at("bytes"), next);
    for (const char* key : {"bytes", "to_bytes"}) {
      const auto choice =
          topology::choose_schedule(topology::Collective::all_reduce, 16, row.at(key), topology::CostModel{});
      EXPECT_EQ(row.at("schedule"), topology::schedule_kind_name(choice->kind)) << row.at(key);
    }
    next = row.at("to_bytes").get<std::uint64_t>() + 1;
  }
  EXPECT_EQ(next, (std::uint64_t{1} << 30) + 1);
  EXPECT_EQ(rows.front().at("schedule"), "butterfly");
}

// Goal: wrong words are refused. Method: one of each.
TEST(Explain, RefusesWordsThatMeanNothing) {
  EXPECT_THAT(explained(0, "1K").error().message, HasSubstr("1 to 65536 ranks, not 0"));
  EXPECT_THAT(explained(4, "1K:").error().message, HasSubstr("--bytes: expected bytes as in"));
  EXPECT_THAT(explained(4, "1K", "gossip").error().message, HasSubstr("unknown collective"));
  EXPECT_THAT(explained(4, "1M:999T").error().message, HasSubstr("a cost is predicted for at most"));
}

}  // namespace
}  // namespace gossamer::tools
