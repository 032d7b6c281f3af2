#include "tools/topo/topo_command.h"

#include <CLI/CLI.hpp>
#include <utility>
#include <vector>

#include "tools/command/exit_codes.h"

namespace gossamer::tools {
namespace {

struct Subcommand {
  const char* name;
  const char* meaning;
  Action (*add)(CLI::App& app);
};

// In the order in which they are used, which is that of the help.
constexpr Subcommand subcommands[] = {
    {"measure", "latency and bandwidth of every pair of ranks, into a file", add_topo_measure},
    {"causes", "what is slow and why: hosts, directions, pairs, switches, noise", add_topo_causes},
    {"report", "a measurement as one page: maps, curves, tiers, schedules", add_topo_report},
    {"diff", "what became worse since a baseline; for a nightly job", add_topo_diff},
    {"metrics", "a measurement for the node exporter's folder", add_topo_metrics},
    {"discover", "what this host is made of, and the InfiniBand fabric as ibnetdiscover prints it", add_topo_discover},
    {"recommend", "rank order and schedules for a measured cluster, as a file for GOSSAMER_TOPOLOGY",
     add_topo_recommend},
    {"verify", "what was recommended beside every fixed schedule, predicted and measured", add_topo_verify},
};

}  // namespace

Action add_topo_command(CLI::App& app) {
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, Action>> added;
  for (const Subcommand& each : subcommands) {
    CLI::App* command = app.add_subcommand(each.name, each.meaning);
    added.emplace_back(command, each.add(*command));
  }
  return [added] {
    for (const auto& [command, action] : added) {
      if (command->parsed()) return action();
    }
    return exit_usage;
  };
}

}  // namespace gossamer::tools
