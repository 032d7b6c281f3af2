// A measurement as metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "example_measurement.h"
#include "tools/topo/metrics.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count_of(const std::string& all, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = all.find(part); at != std::string::npos; at = all.find(part, at + 1)) ++count;
  return count;
}

// Goal: both OpenMetrics and Prometheus read it. Method: each line by their grammar: metadata before its samples, a
// unit that ends the name, one block a metric, no series twice, the end marked.
void expect_well_formed(const std::string& metrics) {
  static const std::regex metadata(R"(# (HELP|TYPE|UNIT) ([a-z_0-9]+) (.+))");
  static const std::regex sample(
      R"re(([a-z_0-9]+)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? ([-+0-9.e]+))re");
  std::istringstream lines(metrics);
  std::string line;
  std::string current;
  std::set<std::string> names;
  std::set<std::string> series;
  std::smatch match;
  bool has_ended = false;
  while (std::getline(lines, line)) {
    ASSERT_FALSE(has_ended) << "behind the end: " << line;
    if (line == "# EOF") {
      has_ended = true;
    } else if (std::regex_match(line, match, metadata)) {
      if (match[1] == "HELP") {
        current = match[2];
        EXPECT_TRUE(names.insert(current).second) << "two blocks of " << current;
      }
      EXPECT_EQ(match[2], current);
      EXPECT_TRUE(match[1] != "TYPE" || match[3] == "gauge") << line;
      EXPECT_TRUE(match[1] != "UNIT" || current.ends_with("_" + match[3].str())) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_EQ(match[1], current);
      EXPECT_TRUE(series.insert(match[1].str() + match[2].str()).second) << "twice: " << line;
    }
  }
  EXPECT_TRUE(has_ended);
}

// Goal: figures are there in base units. Method: two hosts without noise.
TEST(TopoMetrics, FiguresAreInBaseUnits) {
  const std::string metrics =
      metrics_text(example_measurement({.hosts = 2, .ranks_per_host = 1, .is_loaded_too = false, .noise = 0}), 100);
  expect_well_formed(metrics);
  EXPECT_THAT(metrics, HasSubstr("gossamer_topo_ranks 2\n"));
  EXPECT_THAT(metrics, HasSubstr("gossamer_topo_host_latency_seconds{host=\"node01\",direction=\"out\",load=\"idle\"} "
                                 "1.850664e-06\n"));
  EXPECT_THAT(metrics, HasSubstr("gossamer_topo_link_latency_seconds{from=\"node01\",to=\"node02\",load=\"idle\"} "));
}

// Goal: the number of series is bounded. Method: 32 hosts have more pairs than are allowed.
TEST(TopoMetrics, PairsOfHostsAreLeftOutBeyondTheLimit) {
  const topology::Measurement measurement = example_measurement({.hosts = 32, .ranks_per_host = 2});
  const std::string all = metrics_text(measurement, 1'000);
  const std::string few = metrics_text(measurement, 991);
  expect_well_formed(all);
  expect_well_formed(few);
  EXPECT_THAT(all, HasSubstr("gossamer_topo_link_latency_seconds"));
  EXPECT_THAT(few, Not(HasSubstr("gossamer_topo_link_")));
  EXPECT_EQ(count_of(few, "\ngossamer_topo_host_latency_seconds{"), 32 * 2 * 2u);
}

// Goal: names from a file cannot break the format, nor ranks without figures. Method: quotes, newlines, bytes that are
// no UTF-8, two hosts of one name, a dead rank, one rank alone, nothing at all.
TEST(TopoMetrics, AnyMeasurementIsWellFormed) {
  topology::Measurement hostile = example_measurement({.hosts = 3, .ranks_per_host = 1, .dead_rank = 1});
  hostile.hosts[0].name = "a\"b\\c\nd{}\xff";
  hostile.hosts[2].name = hostile.hosts[1].name;
  hostile.transport = "\n# EOF\n";
  expect_well_formed(metrics_text(hostile, 100));
  EXPECT_THAT(metrics_text(hostile, 100), HasSubstr("gossamer_topo_dead_ranks{host=\"node02\"} 1\n"));
  expect_well_formed(metrics_text(example_measurement({.hosts = 1, .ranks_per_host = 1}), 100));
  expect_well_formed(metrics_text({}, 100));
}

}  // namespace
}  // namespace gossamer::tools
