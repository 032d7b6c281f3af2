// A measurement as metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "example_measurement.h"
#include "tests/support/metrics_text.h"
#include "tools/topo/metrics.h"

namespace gossamer::tools {
namespace {

using testing::expect_well_formed;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count_of(const std::string& all, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = all.find(part); at != std::string::npos; at = all.find(part, at + 1)) ++count;
  return count;
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
