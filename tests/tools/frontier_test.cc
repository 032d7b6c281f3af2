#include "tools/study/frontier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

nlohmann::json point(const char* algorithm, double factor, std::uint64_t seed, nlohmann::json accuracy) {
  return {{"algorithm", algorithm},
          {"target_factor", factor},
          {"times_fewer_bytes", factor * 1.1},
          {"density", 1 / factor},
          {"seed", seed},
          {"accuracy", accuracy},
          {"bytes_per_step", 1000 / factor},
          {"exchange_p50_us", nullptr},
          {"failure", "diverged"}};
}

nlohmann::json document() {
  return {{"configuration", config_json({})},
          {"seeds", 2},
          {"rows",
           {point("dense", 1, 1, 0.9), point("gs-sgd", 10, 1, 0.8), point("gs-sgd", 10, 2, 0.82),
            point("gs-sgd", 5, 1, 0.85), point("gs-sgd", 40, 1, nullptr)}}};
}

// Goal: the density gives the wanted factor back. Method: solve, then evaluate, for each algorithm and factor.
TEST(Frontier, DensityGivesTheWantedFactorBack) {
  const TrainConfig config;
  for (const char* algorithm : {"gs-sgd", "shared-top-k", "top-k"}) {
    for (const double factor : {2.0, 5.0, 10.0, 40.0, 100.0}) {
      const Result<double> density = density_for_factor(config, algorithm, factor);
      ASSERT_TRUE(density.ok()) << density.error().message;
      const double reached = 535'818 / model_words(config, algorithm, *density);
      if (*density < 1) {
        EXPECT_NEAR(reached, factor, 1e-9 * factor) << algorithm;
      }
    }
  }
  // rows 3, columns k, oversampling 2: five words for each k, beside the biases.
  EXPECT_NEAR(*density_for_factor(config, "gs-sgd", 10), (53'581.8 - 778) / 5 / 535'040, 1e-12);
}

// Goal: cells count with the bytes that they travel with. Method: a sketch of given columns without anything beside it,
// on both sides of the rank counts from which on integers travel wider.
TEST(Frontier, IntegersCountAsWideAsTheyTravel) {
  const auto words = [](const char* cells, std::uint32_t ranks) {
    TrainConfig config;
    config.exact_biases = false;
    config.columns = 1000;
    config.cells = cells;
    config.ranks = ranks;
    return model_words(config, "gs-sgd", 0);
  };
  EXPECT_EQ(words("f32", 8), 3000);
  EXPECT_EQ(words("f16", 4000), 1500);
  EXPECT_EQ(words("i8", 8), 750);
  EXPECT_EQ(words("i8", 9), 1500);
  EXPECT_EQ(words("i16", 2184), 1500);
  EXPECT_EQ(words("i16", 2185), 3000);
}

// Goal: a factor out of reach is refused with the reason. Method: less than the biases alone, and dense.
TEST(Frontier, RefusesAFactorThatTheBiasesAloneExceed) {
  const Result<double> density = density_for_factor({}, "gs-sgd", 1000);
  ASSERT_FALSE(density.ok());
  EXPECT_THAT(density.error().message, HasSubstr("--no-exact-biases"));
  TrainConfig config;
  config.exact_biases = false;
  EXPECT_TRUE(density_for_factor(config, "gs-sgd", 1000).ok());
  EXPECT_FALSE(density_for_factor(config, "dense", 10).ok());
}

// Goal: seeds are averaged, points ordered, failures left out, and dense is a line to compare with. Method: five rows.
TEST(Frontier, PlotAveragesSeedsAndLeavesFailuresOut) {
  const Plot plot = frontier_plot(document());
  ASSERT_EQ(plot.panels.size(), 1u);
  ASSERT_EQ(plot.panels[0].series.size(), 2u);
  EXPECT_EQ(plot.panels[0].series[0].name, "dense");
  EXPECT_EQ(plot.panels[0].series[0].x.size(), 2u);
  const PlotSeries& series = plot.panels[0].series[1];
  ASSERT_EQ(series.x.size(), 2u);
  EXPECT_LT(series.x[0], series.x[1]);
  EXPECT_DOUBLE_EQ(series.y[0], 0.85);
  EXPECT_DOUBLE_EQ(series.y[1], 0.81);
}

// Goal: the table says why a point has no accuracy. Method: the row of a failed run.
TEST(Frontier, TableShowsFailuresAsSuch) { EXPECT_THAT(frontier_table(document()), HasSubstr("diverged")); }

}  // namespace
}  // namespace gossamer::tools
