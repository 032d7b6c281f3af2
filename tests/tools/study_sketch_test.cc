#include "tools/study/study_sketch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tools/train/plot.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

SketchStudyConfig small_study() {
  SketchStudyConfig config;
  config.dimension = 8192;
  config.columns = {512, 2048};
  config.rows = {1, 5};
  config.seeds = 3;
  return config;
}

nlohmann::json run(const SketchStudyConfig& config, const std::vector<NamedVector>& gradients = {}) {
  return std::move(run_sketch_study(config, gradients, {{"cpu", "any"}}, false)).value();
}

// Goal: the study measures what it says. Method: every row of a small run has finite figures within their ranges; one
// row errs by about 1, five rows by less; the norm is right to a few percent.
TEST(SketchStudy, RowsAreFiniteAndSensible) {
  const nlohmann::json document = run(small_study());
  EXPECT_EQ(document.at("schema"), "gossamer.study.sketch/1");
  EXPECT_EQ(document.at("environment").at("cpu"), "any");
  // 7 vectors, 4 shapes, 2 k, 2 hashings.
  ASSERT_EQ(document.at("rows").size(), 112u);
  for (const nlohmann::json& row : document.at("rows")) {
    for (const char* key : {"recall_k", "recall_2k", "recall_4k", "energy_k"}) {
      ASSERT_TRUE(row.at(key).is_number()) << row;
      EXPECT_GE(row.at(key).get<double>(), 0) << row;
      EXPECT_LE(row.at(key).get<double>(), 1 + 1e-9) << row;
      EXPECT_TRUE(row.at(std::string(key) + "_se").is_number()) << row;
    }
    EXPECT_LE(row.at("recall_k").get<double>(), row.at("recall_2k").get<double>()) << row;
    EXPECT_LE(row.at("recall_2k").get<double>(), row.at("recall_4k").get<double>()) << row;
    EXPECT_LT(std::abs(row.at("norm_bias").get<double>()), 0.2) << row;
    const auto error = row.at("error_constant").get<double>();
    const bool shifted = row.at("hashing") == "segment-shift";
    EXPECT_EQ(row.contains("error_over_random"), shifted);
    if (row.at("vector") == "one-hot") continue;
    if (row.at("rows") == 1) {
      EXPECT_NEAR(error, 1, 0.2) << row;
      EXPECT_EQ(row.at("error_bound"), 1);
    } else {
      EXPECT_LT(error, 0.75) << row;
      EXPECT_NEAR(row.at("error_bound").get<double>(), 0.5605, 1e-4);
    }
    if (shifted) {
      EXPECT_NEAR(row.at("error_over_random").get<double>(), 1, row.at("vector") == "one-run" ? 0.6 : 0.3) << row;
    }
  }
}

// Goal: one-hot vectors come back exactly by both hashings. Method: no estimate is wrong, the hot coordinate is always
// among the chosen, and the norm has no bias.
TEST(SketchStudy, OneHotIsExact) {
  SketchStudyConfig config = small_study();
  config.vectors = {"one-hot"};
  config.columns = {2048};
  config.rows = {3, 5};
  config.ks = {1, 10};
  const nlohmann::json document = run(config);
  for (const nlohmann::json& row : document.at("rows")) {
    EXPECT_EQ(row.at("one_hot_wrong"), 0) << row;
    EXPECT_EQ(row.at("recall_4k"), 1) << row;
    EXPECT_NEAR(row.at("norm_bias").get<double>(), 0, 1e-9) << row;
    // (3 choose 2) * 2 / 4096^2 * 8191 for three rows.
    if (row.at("rows") == 3) {
      EXPECT_NEAR(row.at("one_hot_others_expected").get<double>(), 0.00293, 1e-5);
    }
  }
}

// Goal: a given gradient is studied beside the named vectors, with k of its own length. Method: one of 3,000.
TEST(SketchStudy, GradientsHaveTheirOwnDimension) {
  SketchStudyConfig config = small_study();
  config.vectors = {"gaussian"};
  const nlohmann::json document = run(config, {{"gradient-7", draw_sketch_vector("heavy-tailed", 3000, 1)}});
  const nlohmann::json& last = document.at("rows").back();
  EXPECT_EQ(last.at("vector"), "gradient-7");
  EXPECT_EQ(last.at("dimension"), 3000);
  EXPECT_EQ(last.at("k"), 30);
  const std::string table = sketch_study_table(document);
  EXPECT_THAT(table, HasSubstr("over random"));
  EXPECT_THAT(table, HasSubstr("gradient-7"));
}

// Goal: the picture has one curve for each vector. Method: several k, of which the largest is drawn.
TEST(SketchStudy, PlotHasACurveForEachVector) {
  SketchStudyConfig config = small_study();
  config.vectors = {"gaussian", "heavy-tailed", "one-hot"};
  const Plot plot = sketch_study_plot(run(config));
  ASSERT_EQ(plot.panels.size(), 2u);
  for (const PlotPanel& panel : plot.panels) {
    ASSERT_EQ(panel.series.size(), 2u);
    EXPECT_EQ(panel.series[0].x.size(), 2u);
    EXPECT_EQ(panel.series[0].y.size(), 2u);
  }
  EXPECT_EQ(plot.panels[0].series[1].name, "heavy-tailed");
  EXPECT_DOUBLE_EQ(plot.panels[1].series[1].x[0], 512.0 / 81);
}

// Goal: what cannot be studied is refused by the flag's name. Method: one wrong value for each flag.
TEST(SketchStudy, WrongValuesAreRefusedByName) {
  const auto expect = [](const char* words, const auto& spoil) {
    SketchStudyConfig config = small_study();
    spoil(config);
    const Status checked = check_sketch_study(config);
    ASSERT_FALSE(checked.ok()) << words;
    EXPECT_THAT(checked.error().message, HasSubstr(words));
  };
  EXPECT_TRUE(check_sketch_study(small_study()).ok());
  expect("--rows 2: expected odd", [](auto& config) { config.rows = {1, 2}; });
  expect("--rows 17", [](auto& config) { config.rows = {17}; });
  expect("--columns 0", [](auto& config) { config.columns = {0}; });
  expect("--dimension 0", [](auto& config) { config.dimension = 0; });
  expect("--k 8193: expected 1 to the dimension", [](auto& config) { config.ks = {8193}; });
  expect("--seeds 1: expected 2", [](auto& config) { config.seeds = 1; });
}

}  // namespace
}  // namespace gossamer::tools
