#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/exit_codes.h"
#include "tools/command/results.h"
#include "tools/topo/measurement_file.h"
#include "tools/topo/metrics.h"
#include "tools/topo/topo_command.h"

namespace gossamer::tools {
namespace {

struct MetricsConfig {
  std::string file;
  std::string out = "gossamer.prom";
  std::size_t host_pairs = 1'000;
};

int run_metrics(const MetricsConfig& config) {
  const Status writable = check_writable(config.out);
  if (!writable.ok()) return complain("topo metrics", writable.error().message, exit_failure);
  const Result<topology::Measurement> measurement = read_measurement(config.file);
  if (!measurement.ok()) return complain("topo metrics", measurement.error().message, exit_data);
  // The collector reads whenever it likes: it finds the old file or the new one.
  const Status written = write_whole(config.out, metrics_text(*measurement, config.host_pairs));
  return written.ok() ? exit_success : complain("topo metrics", written.error().message, exit_failure);
}

}  // namespace

Action add_topo_metrics(CLI::App& app) {
  auto config = std::make_shared<MetricsConfig>();
  app.add_option("file", config->file, "what `gossamer topo measure` wrote")->required();
  app.add_option("-o,--out", config->out, "a .prom file in the folder of the node exporter; - is stdout")
      ->capture_default_str();
  app.add_option("--host-pairs", config->host_pairs, "series of every two hosts only where there are at most so many")
      ->capture_default_str();
  return [config] { return run_metrics(*config); };
}

}  // namespace gossamer::tools
