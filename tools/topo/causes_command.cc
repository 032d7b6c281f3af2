#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/results.h"
#include "tools/topo/causes_json.h"
#include "tools/topo/measurement_file.h"
#include "tools/topo/topo_command.h"
#include "topology/measure/causes.h"

namespace gossamer::tools {
namespace {

struct CausesConfig {
  std::string file;
  bool as_json = false;
  double factor_min = topology::CauseOptions{}.factor_min;
};

int run_causes(const CausesConfig& config) {
  const Result<topology::Measurement> measurement = read_measurement(config.file);
  if (!measurement.ok()) return complain("topo causes", measurement.error().message, exit_data);
  topology::CauseOptions options;
  options.factor_min = config.factor_min;
  const topology::Causes causes = topology::find_causes(*measurement, options);
  const std::string out =
      config.as_json ? json_text(causes_json(causes, *measurement)) : topology::causes_text(causes, *measurement);
  const Status written = write_whole("-", out);
  return written.ok() ? exit_success : complain("topo causes", written.error().message, exit_failure);
}

}  // namespace

Action add_topo_causes(CLI::App& app) {
  auto config = std::make_shared<CausesConfig>();
  app.add_option("file", config->file, "what `gossamer topo measure` wrote")->required();
  app.add_option("--least", config->factor_min, "factor from which on what is slow is named, from 1.02; 1.1")
      ->check(CLI::Range(1.02, 100.0));
  app.add_flag("--json", config->as_json, "print JSON instead of tables");
  return [config] { return run_causes(*config); };
}

}  // namespace gossamer::tools
