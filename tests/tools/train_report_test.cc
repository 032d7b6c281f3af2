#include "tools/train/train_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

nlohmann::json make_run(const std::string& algorithm, double bytes) {
  nlohmann::json rows = nlohmann::json::array();
  for (int epoch = 1; epoch <= 3; ++epoch) {
    rows.push_back({{"algorithm", algorithm},
                    {"epoch", epoch},
                    {"step", 10 * epoch},
                    {"accuracy", 0.8 + 0.02 * epoch},
                    {"bytes", bytes * 10 * epoch}});
  }
  return {{"algorithm", algorithm},
          {"rows", rows},
          {"summary",
           {{"algorithm", algorithm},
            {"accuracy", 0.86},
            {"bytes_per_step", bytes},
            {"dimension", 1000},
            {"exchange_p50_us", 1234.0},
            {"exchange_p99_us", 5678.0},
            {"waiting_p50_us", 1.0},
            {"wire_p50_us", 2.0},
            {"compute_p50_us", 3.0},
            {"compress_p50_us", 4.0},
            {"seconds", 1.5}}}};
}

// Goal: percentiles are those of the nearest rank. Method: known samples, in any order.
TEST(Percentile, IsTheNearestRank) {
  EXPECT_EQ(percentile({}, 0.5), 0);
  EXPECT_EQ(percentile({7}, 0.99), 7);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 0.5), 2);
  std::vector<double> hundred;
  for (int i = 100; i >= 1; --i) hundred.push_back(i);
  EXPECT_EQ(percentile(hundred, 0.99), 99);
  EXPECT_EQ(percentile(hundred, 1), 100);
}

// Goal: runs are compared with the dense run where there is one. Method: dense measured at other bytes than the
// formula.
TEST(TrainingDocument, ComparesWithTheMeasuredDenseRun) {
  const nlohmann::json document = training_document({}, {}, {make_run("gs-sgd", 500), make_run("dense", 5000)});
  EXPECT_EQ(document.at("schema"), "gossamer.train/1");
  EXPECT_EQ(document.at("rows").size(), 6u);
  EXPECT_EQ(document.at("summary").at("algorithm"), "gs-sgd");
  EXPECT_DOUBLE_EQ(document.at("summary").at("times_fewer_bytes").get<double>(), 10);
  EXPECT_TRUE(document.at("summary").at("dense_bytes_measured").get<bool>());
}

// Goal: without a dense run the formula stands in, and one rank, which sends nothing, has no factor. Method: both.
TEST(TrainingDocument, UsesTheFormulaWithoutADenseRun) {
  TrainConfig config;
  config.ranks = 4;
  nlohmann::json document = training_document(config, {}, {make_run("gs-sgd", 600)});
  EXPECT_DOUBLE_EQ(document.at("summary").at("dense_bytes_per_step").get<double>(), 6000);
  EXPECT_DOUBLE_EQ(document.at("summary").at("times_fewer_bytes").get<double>(), 10);
  config.ranks = 1;
  document = training_document(config, {}, {make_run("gs-sgd", 0)});
  EXPECT_TRUE(document.at("summary").at("times_fewer_bytes").is_null());
  EXPECT_THAT(training_table(document), HasSubstr(" - "));
}

// Goal: the table's columns stand under each other. Method: all lines reach the last column's end.
TEST(TrainingTable, AlignsItsColumns) {
  const std::string table =
      training_table(training_document({}, {}, {make_run("gs-sgd", 500), make_run("dense", 5'000'000)}));
  EXPECT_THAT(table, HasSubstr("fewer than dense"));
  EXPECT_THAT(table, HasSubstr("1.2 ms"));
  std::istringstream lines(table);
  std::string first, line;
  std::getline(lines, first);
  while (std::getline(lines, line)) EXPECT_EQ(line.size(), first.size()) << table;
}

// Goal: the plot has one line for each algorithm in both panels. Method: the values of the document.
TEST(TrainingPlot, ShowsEachAlgorithmInBothPanels) {
  const Plot plot = training_plot(training_document({}, {}, {make_run("gs-sgd", 500), make_run("dense", 5000)}));
  ASSERT_EQ(plot.panels.size(), 2u);
  for (const PlotPanel& panel : plot.panels) {
    ASSERT_EQ(panel.series.size(), 2u);
    EXPECT_EQ(panel.series[1].name, "dense");
    EXPECT_THAT(panel.series[1].y, ElementsAre(DoubleEq(0.82), DoubleEq(0.84), DoubleEq(0.86)));
  }
  EXPECT_TRUE(plot.panels[0].log_x);
  EXPECT_EQ(plot.panels[0].series[0].x, (std::vector<double>{5000, 10'000, 15'000}));
  EXPECT_EQ(plot.panels[1].series[0].x, (std::vector<double>{10, 20, 30}));
}

// Goal: the table says which run has not finished. Method: a run as it stands after some of its epochs.
TEST(TrainingTable, NamesARunThatHasNotFinished) {
  nlohmann::json run = make_run("gs-sgd", 500);
  run["summary"]["finished"] = false;
  run["summary"].erase("exchange_p50_us");
  const std::string table = training_table(training_document({}, {}, {run, make_run("dense", 5000)}));
  EXPECT_THAT(table, HasSubstr("gs-sgd, unfinished    0.8600"));
  EXPECT_THAT(table, HasSubstr("\ndense  "));
}

}  // namespace
}  // namespace gossamer::tools
