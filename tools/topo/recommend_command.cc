#include <algorithm>
#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/exit_codes.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/command/sizes.h"
#include "tools/topo/discover.h"
#include "tools/topo/measurement_file.h"
#include "tools/topo/recommend.h"
#include "tools/topo/topo_command.h"

namespace gossamer::tools {
namespace {

constexpr const char* command = "topo recommend";

struct RecommendConfig {
  std::string measurement;
  std::string out;
  std::string bytes = "256:64M";
  std::vector<std::string> collectives;
  std::string ibnetdiscover;
  std::string json;
};

Result<topology::AdviceOptions> options_of(const RecommendConfig& config) {
  topology::AdviceOptions options;
  const auto range = parse_size_range(config.bytes);
  if (!range.ok()) return Error{Code::invalid_argument, text("--bytes: ", range.error().message)};
  options.bytes_min = range->from;
  options.bytes_max = range->to;
  if (!config.collectives.empty()) options.collectives.clear();
  for (const std::string& name : config.collectives) {
    GOSSAMER_ASSIGN(const auto collective, topology::parse_collective(name));
    if (std::find(options.collectives.begin(), options.collectives.end(), collective) != options.collectives.end())
      return Error{Code::invalid_argument, text("--collective: ", name, " stands twice")};
    options.collectives.push_back(collective);
  }
  return options;
}

int run(const RecommendConfig& config) {
  for (const std::string& path : {config.out, config.json}) {
    const Status writable = check_writable(path);
    if (!writable.ok()) return complain(command, writable.error().message, exit_failure);
  }
  if (config.out == "-" && config.json == "-")
    return complain(command, "only one of --out and --json can be stdout", exit_usage);
  const auto options = options_of(config);
  if (!options.ok()) return complain(command, options.error().message, exit_usage);
  auto measurement = read_measurement(config.measurement);
  if (!measurement.ok()) return complain(command, measurement.error().message, exit_data);
  if (!config.ibnetdiscover.empty()) {
    const auto fabric = read_ibnetdiscover(config.ibnetdiscover);
    if (!fabric.ok()) return complain(command, fabric.error().message, exit_data);
    if (declare_switches(*fabric, *measurement) == 0)
      return complain(command, text(config.ibnetdiscover, " has none of the measured hosts: is it of another cluster?"),
                      exit_data);
  }
  const auto advice = topology::advise(*measurement, *options);
  if (!advice.ok())
    return complain(command, text(config.measurement, ": ", advice.error().message),
                    advice.error().code == Code::invalid_argument ? exit_data : exit_failure);
  if (!config.out.empty()) {
    const Status written = write_whole(config.out, topology_file_text(*advice, *measurement, config.measurement));
    if (!written.ok()) return complain(command, written.error().message, exit_failure);
  }
  const std::string table = config.out == "-" ? "" : recommend_text(*advice, *measurement);
  const Status told = publish({config.json, {}}, table, recommend_document(*advice, *measurement, environment_json()));
  return told.ok() ? exit_success : complain(command, told.error().message, exit_failure);
}

}  // namespace

Action add_topo_recommend(CLI::App& app) {
  auto config = std::make_shared<RecommendConfig>();
  app.add_option("measurement", config->measurement, "file of gossamer topo measure")->required();
  app.add_option("-o,--out", config->out, "write the file that GOSSAMER_TOPOLOGY names; - is stdout");
  app.add_option("--bytes", config->bytes, "sizes that are looked at, from and to, by factors of four")
      ->capture_default_str();
  app.add_option("--collective", config->collectives,
                 "all-reduce, all-gather, broadcast, reduce-scatter, reduce, with commas between; all without it")
      ->delimiter(',');
  app.add_option("--ibnetdiscover", config->ibnetdiscover,
                 "file with the output of ibnetdiscover: hosts of a switch stand together");
  app.add_option("--json", config->json, "write every row to this file; - is stdout");
  return [config] { return run(*config); };
}

}  // namespace gossamer::tools
