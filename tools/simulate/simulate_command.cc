#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/simulate/explain.h"
#include "tools/simulate/picture.h"
#include "tools/simulate/simulation.h"

namespace gossamer::tools {
namespace {

std::string names_of_schedules() {
  std::string out;
  for (const topology::ScheduleKind kind : topology::all_schedules()) {
    append(out, out.empty() ? "" : ", ", topology::schedule_kind_name(kind));
  }
  return out;
}

int status_of(const Error& error) {
  switch (error.code) {
    case Code::invalid_argument:
      return exit_usage;
    case Code::malformed:
    case Code::unavailable:
      return exit_data;
    default:
      return exit_failure;
  }
}

int run_simulate(const SimulateConfig& config) {
  const ResultPaths paths{config.json, config.plot};
  if (!config.plot.empty() && config.schedules.size() > 1) {
    return complain("simulate", "--plot draws one schedule: name one with --schedule", exit_usage);
  }
  if (config.plot.ends_with(".png")) {
    return complain("simulate", text("--plot ", config.plot, ": the picture is SVG; expected a name in .svg"),
                    exit_usage);
  }
  const Status writable = check_writable(paths);
  if (!writable.ok()) return complain("simulate", writable.error().message, exit_failure);
  const Result<Simulation> simulation = run_simulation(config);
  if (!simulation.ok()) return complain("simulate", simulation.error().message, status_of(simulation.error()));
  const nlohmann::json document = simulation_document(*simulation, config, environment_json());
  const SimulatedSchedule& first = simulation->schedules.front();
  const Status told = publish(paths, simulation_table(document), document, [&] {
    const std::uint32_t ranks = simulation->ranks;
    return draw_outcome(
        first.outcome,
        text(first.name, " ", simulation->collective, " of ", format_bytes(simulation->bytes), " over ", ranks,
             " ranks: ", format_duration(first.outcome.time / 1'000)),
        text(simulation->fabric->description(), ranks > 64 ? "; 64 ranks are shown, evenly spread" : ""));
  });
  return told.ok() ? exit_success : complain("simulate", told.error().message, exit_failure);
}

int run_explain(const ExplainConfig& config) {
  const Status writable = check_writable(config.json);
  if (!writable.ok()) return complain("explain", writable.error().message, exit_failure);
  const Result<nlohmann::json> document = explain(config, environment_json());
  if (!document.ok()) return complain("explain", document.error().message, status_of(document.error()));
  const Status told = publish({config.json, {}}, explain_table(*document), *document);
  return told.ok() ? exit_success : complain("explain", told.error().message, exit_failure);
}

constexpr const char* collective_meaning = "all-reduce, all-gather, broadcast or reduce-scatter";
constexpr const char* cost_meaning = "shared-memory, rdma, tcp-10g, tcp-1g, or us a message,ns a byte as in 25,10";

}  // namespace

Action add_simulate_command(CLI::App& app) {
  auto config = std::make_shared<SimulateConfig>();
  app.add_option("--ranks,-n", config->ranks, text("1 to ", topology::rank_count_max))->capture_default_str();
  app.add_option("--bytes", config->bytes, "of the payload: 300, 64K, 1M, 2G")->capture_default_str();
  app.add_option("--collective", config->collective, collective_meaning)->capture_default_str();
  app.add_option("--schedule", config->schedules,
                 text("with commas between: ", names_of_schedules(),
                      ", auto: what the cost model chooses, or file:PATH, a schedule's text"))
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--root", config->root, "of a broadcast, a tree or a star")->capture_default_str();
  std::string fabrics = "file:PATH, or words, as in fat-tree:radix=64,oversubscription=4 or torus:16x16x16.";
  for (const topology::FabricKind& kind : topology::fabric_kinds())
    append(fabrics, ' ', kind.name, ": ", kind.meaning, '.');
  app.add_option("--fabric", config->fabric, fabrics)->capture_default_str();
  app.add_option("--cost", config->cost,
                 text("what hosts are like, and what auto chooses by: ", cost_meaning,
                      "; o is a quarter of a message, L a half"))
      ->capture_default_str();
  app.add_option("--latency", config->latency_ns, "L, ns: between adapters, beside the fabric's links");
  app.add_option("--overhead", config->overhead_ns, "o, ns: of the CPU, for a message that is sent or received");
  app.add_option("--gap", config->gap_ns, "g, ns: least time between two messages of an adapter");
  app.add_option("--per-byte", config->per_byte_ns,
                 "G, ns: of an adapter; links have that bandwidth too, unless the fabric says");
  app.add_option("--merge", config->merge_ns_per_byte, "gamma, ns a merged byte");
  app.add_option("--shuffle", config->shuffle, "seed: put ranks on hosts in a random order");
  app.add_option("--top", config->top, "busiest links that are told")->capture_default_str();
  app.add_option("--json", config->json, "write everything to this file; - is stdout");
  app.add_option("--plot", config->plot, "draw ranks, critical path and load of the links into this SVG file");
  return [config] { return run_simulate(*config); };
}

Action add_explain_command(CLI::App& app) {
  auto config = std::make_shared<ExplainConfig>();
  app.add_option("--ranks,-n", config->ranks, text("1 to ", topology::rank_count_max))->capture_default_str();
  app.add_option("--bytes", config->bytes, "a size, as in 64K, or a range, as in 1K:64M: where the choice changes")
      ->capture_default_str();
  app.add_option("--collective", config->collective, collective_meaning)->capture_default_str();
  app.add_option("--cost", config->cost, cost_meaning)->capture_default_str();
  app.add_option("--json", config->json, "write every row to this file; - is stdout");
  return [config] { return run_explain(*config); };
}

}  // namespace gossamer::tools
