#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/exit_codes.h"
#include "tools/command/results.h"
#include "tools/topo/measurement_file.h"
#include "tools/topo/report_page.h"
#include "tools/topo/topo_command.h"

namespace gossamer::tools {
namespace {

struct ReportConfig {
  std::string file;
  std::string out = "report.html";
};

int run_report(const ReportConfig& config) {
  const Status writable = check_writable(config.out);
  if (!writable.ok()) return complain("topo report", writable.error().message, exit_failure);
  const Result<topology::Measurement> measurement = read_measurement(config.file);
  if (!measurement.ok()) return complain("topo report", measurement.error().message, exit_data);
  const Status written = write_whole(config.out, report_page(*measurement));
  return written.ok() ? exit_success : complain("topo report", written.error().message, exit_failure);
}

}  // namespace

Action add_topo_report(CLI::App& app) {
  auto config = std::make_shared<ReportConfig>();
  app.add_option("file", config->file, "what `gossamer topo measure` wrote")->required();
  app.add_option("-o,--out", config->out, "the page; - is stdout")->capture_default_str();
  return [config] { return run_report(*config); };
}

}  // namespace gossamer::tools
