// gossamer topo report, diff and metrics as a user runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "command_fixture.h"
#include "example_measurement.h"
#include "tests/support/metrics_text.h"
#include "tools/topo/measurement_file.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

class TopoCommand : public Command {
 protected:
  std::string write(const std::string& name, const ExampleCluster& cluster) {
    std::ofstream(folder_ / name) << write_measurement(example_measurement(cluster));
    return folder_ / name;
  }
};

// Goal: each command makes its file of a measurement's. Method: one of 8 ranks.
TEST_F(TopoCommand, ReportAndMetricsWriteTheirFiles) {
  const std::string file = write("topo.json", {});
  const Ran report = run({"topo", "report", file, "--out", folder_ / "report.html"});
  EXPECT_EQ(report.status, 0) << report.errors;
  EXPECT_THAT(read_file(folder_ / "report.html"), HasSubstr("8 ranks on 4 hosts"));
  const Ran metrics = run({"topo", "metrics", file, "--out", folder_ / "gossamer.prom"});
  EXPECT_EQ(metrics.status, 0) << metrics.errors;
  EXPECT_THAT(read_file(folder_ / "gossamer.prom"), HasSubstr("gossamer_topo_ranks 8\n"));
}

// Goal: a nightly job knows by the exit status what happened. Method: each status once.
TEST_F(TopoCommand, DiffSaysByItsStatusWhatHappened) {
  const std::string then = write("then.json", {.hosts = 4});
  const std::string slow = write("slow.json", {.hosts = 4, .slow_host = 2});
  const std::string other = write("other.json", {.hosts = 5});
  const Ran same = run({"topo", "diff", then, then});
  EXPECT_EQ(same.status, 0) << same.errors;
  EXPECT_THAT(same.output, HasSubstr("same since"));
  const Ran worse = run({"topo", "diff", then, slow, "--json", folder_ / "diff.json"});
  EXPECT_EQ(worse.status, 1) << worse.errors;
  EXPECT_THAT(worse.output, HasSubstr("node03"));
  const nlohmann::json document = nlohmann::json::parse(read_file(folder_ / "diff.json"), nullptr, false);
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(document.at("schema"), "gossamer.topo.diff/1");
  EXPECT_EQ(document.at("worse"), true);
  const Ran usage = run({"topo", "diff", then, slow, "--latency", "0.5"});
  EXPECT_EQ(usage.status, 2);
  EXPECT_THAT(usage.errors, HasSubstr("a threshold is a ratio of at least 1, not 0.5"));
  EXPECT_EQ(run({"topo", "diff", then}).status, 2);
  EXPECT_THAT(run({"topo", "difff"}).errors,
              HasSubstr("gossamer topo difff: there is no such command; expected measure, causes, report, diff, "));
  const Ran cut = run({"topo", "diff", then, folder_ / "diff.json"});
  EXPECT_EQ(cut.status, 3) << cut.errors;
  const Ran refused = run({"topo", "diff", then, other});
  EXPECT_EQ(refused.status, 5);
  EXPECT_THAT(refused.errors, HasSubstr("hosts that it has not: node05"));
}

// Goal: Prometheus' own check has no complaint. Method: promtool, where it is, reads the file.
TEST_F(TopoCommand, PromtoolAcceptsTheMetrics) {
  const std::string file = write("topo.json", {.hosts = 8, .hosts_per_switch = 4, .dead_rank = 3});
  ASSERT_EQ(run({"topo", "metrics", file, "--out", folder_ / "gossamer.prom"}).status, 0);
  testing::expect_promtool_accepts(read_file(folder_ / "gossamer.prom"));
}

// Goal: what cannot be read or written is said before anything is lost. Method: no such file, no such folder.
TEST_F(TopoCommand, BadFilesAreNamed) {
  const std::string file = write("topo.json", {.hosts = 1});
  const Ran unread = run({"topo", "report", folder_ / "none.json", "--out", folder_ / "report.html"});
  EXPECT_EQ(unread.status, 3);
  EXPECT_THAT(unread.errors, HasSubstr("none.json"));
  const Ran unwritten = run({"topo", "metrics", file, "--out", folder_ / "none/gossamer.prom"});
  EXPECT_EQ(unwritten.status, 1);
  EXPECT_THAT(unwritten.errors, HasSubstr("none/gossamer.prom"));
}

}  // namespace
}  // namespace gossamer::tools
