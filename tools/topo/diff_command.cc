#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/exit_codes.h"
#include "tools/command/results.h"
#include "tools/topo/diff.h"
#include "tools/topo/measurement_file.h"
#include "tools/topo/topo_command.h"

namespace gossamer::tools {
namespace {

struct DiffConfig {
  std::string baseline;
  std::string now;
  DiffThresholds thresholds;
  std::string json;
};

// Not exit_failure for what cannot be written: to a nightly job that is what became worse.
int run_diff(const DiffConfig& config) {
  const auto fail = [](const Error& error, int status) { return complain("topo diff", error.message, status); };
  const Status writable = check_writable(config.json);
  if (!writable.ok()) return fail(writable.error(), exit_data);
  const Result<topology::Measurement> baseline = read_measurement(config.baseline);
  if (!baseline.ok()) return fail(baseline.error(), exit_data);
  const Result<topology::Measurement> now = read_measurement(config.now);
  if (!now.ok()) return fail(now.error(), exit_data);
  const Result<Diff> diff = diff_measurements(*baseline, *now, config.thresholds);
  if (!diff.ok()) return fail(diff.error(), diff.error().code == Code::mismatch ? exit_not_comparable : exit_usage);
  const Status told =
      publish({config.json, {}}, diff_table(*diff, *baseline), diff_json(*diff, *baseline, *now, config.thresholds));
  if (!told.ok()) return fail(told.error(), exit_data);
  return diff->is_worse() ? exit_failure : exit_success;
}

}  // namespace

Action add_topo_diff(CLI::App& app) {
  auto config = std::make_shared<DiffConfig>();
  app.add_option("baseline", config->baseline, "what `gossamer topo measure` wrote then")->required();
  app.add_option("now", config->now, "and now, on the same hosts")->required();
  app.add_option("--latency", config->thresholds.latency, "worse beyond so many times as long")->capture_default_str();
  app.add_option("--bandwidth", config->thresholds.bandwidth, "worse below the baseline's over this")
      ->capture_default_str();
  app.add_option("--json", config->json, "write every row to this file; - is stdout");
  app.footer(
      "Exit status: 0 nothing is worse, 1 something is, 2 wrong command line, 3 a file cannot be read or written, "
      "5 the two are not comparable.");
  return [config] { return run_diff(*config); };
}

}  // namespace gossamer::tools
