#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/results.h"
#include "tools/graph/graph_report.h"

namespace gossamer::tools {
namespace {

int fail_graph(const Error& error) {
  const bool is_file = error.code == Code::malformed || error.code == Code::mismatch || error.code == Code::unavailable;
  return complain("graph", error.message, is_file ? exit_data : exit_usage);
}

int run_graph(const GraphConfig& config) {
  const Status valid = check_graph_config(config);
  if (!valid.ok()) return complain("graph", valid.error().message, exit_usage);
  std::string out;
  if (config.as_text) {
    const Result<topology::Graph> graph = load_graph(config);
    if (!graph.ok()) return fail_graph(graph.error());
    out = topology::format_graph(*graph);
  } else {
    const Result<nlohmann::json> document = graph_document(config);
    if (!document.ok()) return fail_graph(document.error());
    out = config.as_json ? json_text(*document) : graph_table(*document);
  }
  const Status written = write_whole("-", out);
  return written.ok() ? exit_success : complain("graph", written.error().message, exit_failure);
}

}  // namespace

Action add_graph_command(CLI::App& app) {
  auto config = std::make_shared<GraphConfig>();
  using topology::GraphTraits;
  app.add_option("--kind", config->kind, "one of those below, or all: a table of those that there are");
  app.add_option("--ranks,-n", config->ranks, "how many mix");
  app.add_option("--degree", config->degree,
                 "peers in a round; for " + graph_kinds_that_read(&GraphTraits::reads_degree));
  app.add_option("--seed", config->seed, "for " + graph_kinds_that_read(&GraphTraits::reads_seed));
  app.add_option("--file", config->file, "a graph of your own, in the form that --text prints");
  app.add_flag("--deaths", config->deaths, "what the death of each rank alone would leave");
  app.add_flag("--text", config->as_text, "print the graph itself instead of what it is worth");
  app.add_flag("--json", config->as_json, "print JSON instead of a table");
  app.footer(
      "kinds, the first one where none is given:\n" + describe_graph_kinds() +
      "\nEvery graph is proved before it is measured. peers: most in one round. sent/step: by the rank that sends\n"
      "most; d, the bytes of the weights. gap: 1 less what a round leaves of distances from the mean. dead: whose\n"
      "death leaves the others so much.");
  return [config] { return run_graph(*config); };
}

}  // namespace gossamer::tools
