#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/exit_codes.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/topo/discover.h"
#include "tools/topo/machine.h"
#include "tools/topo/topo_command.h"

namespace gossamer::tools {
namespace {

constexpr const char* command = "topo discover";

struct DiscoverConfig {
  std::string root = "/";
  std::string ibnetdiscover;
  std::string json;
};

int run(const DiscoverConfig& config) {
  const Status writable = check_writable(config.json);
  if (!writable.ok()) return complain(command, writable.error().message, exit_failure);
  const auto machine = read_machine(config.root);
  if (!machine.ok()) return complain(command, machine.error().message, exit_data);
  nlohmann::json document = {{"schema", "gossamer.topo.discover/1"},
                             {"environment", environment_json()},
                             {"machine", machine_tree_json(*machine)}};
  std::string words = machine_tree_text(*machine);
  if (!config.ibnetdiscover.empty()) {
    const auto fabric = read_ibnetdiscover(config.ibnetdiscover);
    if (!fabric.ok()) return complain(command, fabric.error().message, exit_data);
    document["fabric"] = ib_fabric_json(*fabric);
    append(words, '\n', ib_fabric_text(*fabric));
  }
  const Status told = publish({config.json, {}}, words, document);
  return told.ok() ? exit_success : complain(command, told.error().message, exit_failure);
}

}  // namespace

Action add_topo_discover(CLI::App& app) {
  auto config = std::make_shared<DiscoverConfig>();
  app.add_option("--root", config->root, "folder that stands for /: what was copied of another host's /sys")
      ->capture_default_str();
  app.add_option("--ibnetdiscover", config->ibnetdiscover,
                 "file with the output of ibnetdiscover: switches, hosts at each, cables slower than most");
  app.add_option("--json", config->json, "write everything to this file; - is stdout");
  return [config] { return run(*config); };
}

}  // namespace gossamer::tools
