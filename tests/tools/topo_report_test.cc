// What a report is made of; tests/tools/report_page_test.py opens it in a browser.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "example_measurement.h"
#include "tools/topo/links.h"
#include "tools/topo/pair_planes.h"
#include "tools/topo/report_page.h"
#include "tools/topo/schedule_forecast.h"

namespace gossamer::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Goal: base64 as RFC 4648 has it. Method: its test vectors.
TEST(TopoReport, Base64IsThatOfTheStandard) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

// Goal: numbers are written with three digits and a unit. Method: the edges between units and between digits.
TEST(TopoReport, FiguresHaveThreeDigits) {
  EXPECT_EQ(time_in_words(999.4), "999 ns");
  EXPECT_EQ(time_in_words(999.6), "1.00 us");
  EXPECT_EQ(time_in_words(12'340), "12.3 us");
  EXPECT_EQ(speed_in_words(0.1184), "118 MB/s");
  EXPECT_EQ(speed_in_words(12), "12.0 GB/s");
}

// Goal: ranks of a host and hosts of a switch stand together, whatever the order in which they joined. Method: hosts
// that take turns.
TEST(TopoReport, RanksAreOrderedBySwitchAndHost) {
  topology::Measurement measurement;
  measurement.hosts = {{"a", 1, {}, "leaf1", 0}, {"b", 1, {}, "leaf2", 0}, {"c", 1, {}, "leaf1", 0}};
  for (const std::uint32_t host : {0u, 1u, 2u, 0u, 1u, 2u}) measurement.ranks.push_back({host, false});
  const PairTiers tiers = tiers_by_declaration(measurement);
  EXPECT_THAT(tiers.order, ElementsAre(0, 3, 2, 5, 1, 4));
  EXPECT_THAT(tiers.names, ElementsAre("same host", "same switch", "between switches"));
  EXPECT_EQ(tiers.tier_of(0, 3), 0u);
  EXPECT_EQ(tiers.tier_of(0, 2), 1u);
  EXPECT_EQ(tiers.tier_of(0, 1), 2u);
}

// Goal: the forecast has the costs that were measured, and the fastest is the least. Method: an example without noise.
TEST(TopoReport, TheForecastIsMadeOfTheMeasuredCosts) {
  const topology::Measurement measurement =
      example_measurement({.hosts = 4, .ranks_per_host = 4, .is_loaded_too = false, .noise = 0});
  const std::optional<ScheduleForecast> forecast = forecast_schedules(measurement);
  ASSERT_TRUE(forecast);
  EXPECT_TRUE(forecast->has_near && forecast->has_far);
  EXPECT_DOUBLE_EQ(forecast->cost.near.alpha_ns, 420);
  EXPECT_DOUBLE_EQ(forecast->cost.far.beta_ns_per_byte, 0.083);
  ASSERT_GE(forecast->lines.size(), 9u);
  for (std::size_t size = 0; size < forecast->bytes.size(); ++size) {
    for (const ForecastLine& line : forecast->lines)
      EXPECT_GE(line.nanoseconds[size], forecast->lines[forecast->best[size]].nanoseconds[size]);
  }
  EXPECT_FALSE(forecast_schedules(example_measurement({.hosts = 1, .ranks_per_host = 1})));
}

// Goal: what is wrong stands at the top, with its evidence, and nothing where nothing is. Method: one slow host, and none.
TEST(TopoReport, WhatIsWrongStandsAtTheTop) {
  const ExampleCluster well{.hosts = 8, .ranks_per_host = 2};
  ExampleCluster slow = well;
  slow.slow_host = 3;
  const std::string page = report_page(example_measurement(slow));
  EXPECT_THAT(page, HasSubstr("<li>1 thing is wrong: node04 (slow host).</li>"));
  EXPECT_THAT(page, HasSubstr("<b>node04</b>: slow host, "));
  EXPECT_THAT(report_page(example_measurement(well)), HasSubstr("Nothing is wrong that stands out from the noise."));
}

// Goal: nothing of a measurement becomes markup. Method: names and reasons that would.
TEST(TopoReport, NothingMeasuredBecomesMarkup) {
  topology::Measurement measurement = example_measurement({.hosts = 3, .ranks_per_host = 2, .dead_rank = 1});
  const std::string hostile = "<script>alert(1)</script><!--\"'&@css@";
  for (topology::MeasuredHost& host : measurement.hosts) {
    host.name = host.declared_switch = hostile;
    host.adapters = {hostile};
  }
  measurement.transport = measurement.when = measurement.version = measurement.memory = hostile;
  for (topology::PairMeasurement& pair : measurement.pairs) {
    if (!pair.missing.empty()) pair.missing = hostile;
  }
  const std::string page = report_page(measurement);
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<!--\"")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, HasSubstr("@css@"));
}

// Goal: equal measurements are equal pages, and degenerate ones are pages. Method: no rank, one, all dead.
TEST(TopoReport, AnyMeasurementMakesAPage) {
  EXPECT_THAT(report_page({}), HasSubstr("0 ranks on 0 hosts"));
  EXPECT_THAT(report_page(example_measurement({.hosts = 1, .ranks_per_host = 1})), HasSubstr("nothing to measure"));
  topology::Measurement dead = example_measurement({.hosts = 2, .ranks_per_host = 1});
  for (topology::PairMeasurement& pair : dead.pairs) {
    pair.sizes.clear();
    pair.fit.reset();
    pair.missing = "rank 1 on node02 died";
  }
  EXPECT_THAT(report_page(dead), HasSubstr("ended without a figure"));
  EXPECT_EQ(report_page(dead), report_page(dead));
}

}  // namespace
}  // namespace gossamer::tools
