#include <CLI/CLI.hpp>
#include <memory>

#include "tools/bench/bench_engine.h"
#include "tools/bench/bench_sketch.h"
#include "tools/bench/bench_transport.h"
#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/train/choices.h"
#include "tools/train/train_command.h"

namespace gossamer::tools {
namespace {

int run_sketch(const SketchBenchConfig& config) {
  const Status valid = check_bench(config);
  if (!valid.ok()) return complain("bench sketch", valid.error().message, exit_usage);
  const Status writable = check_writable(config.json);
  if (!writable.ok()) return complain("bench sketch", writable.error().message, exit_failure);
  const Result<nlohmann::json> rows = config.device == "cuda" ? bench_sketch_on_cuda(config) : bench_sketch(config);
  if (!rows.ok()) return complain("bench sketch", rows.error().message, exit_failure);
  const nlohmann::json document = {
      {"schema", "gossamer.bench.sketch/1"}, {"environment", environment_json()}, {"rows", *rows}};
  const Status told = publish({config.json, {}}, sketch_bench_table(*rows), document);
  return told.ok() ? exit_success : complain("bench sketch", told.error().message, exit_failure);
}

int run_transport(const TransportBenchConfig& config) {
  const Status valid = check_transport_bench(config);
  if (!valid.ok()) return complain("bench transport", valid.error().message, exit_usage);
  const Status writable = check_writable(config.json);
  if (!writable.ok()) return complain("bench transport", writable.error().message, exit_failure);
  const std::string warning = session_warning();
  if (!warning.empty()) complain("bench transport", warning, exit_success);
  const Result<nlohmann::json> rows = bench_transport(config);
  if (!rows.ok()) return complain("bench transport", rows.error().message, exit_failure);
  const nlohmann::json document = {
      {"schema", "gossamer.bench.transport/1"}, {"environment", environment_json()}, {"rows", *rows}};
  const Status told = publish({config.json, {}}, transport_bench_table(*rows), document);
  return told.ok() ? exit_success : complain("bench transport", told.error().message, exit_failure);
}

int run_engine(const EngineBenchConfig& config) {
  const Status valid = check_engine_bench(config);
  if (!valid.ok()) return complain("bench engine", valid.error().message, exit_usage);
  const Status writable = check_writable(config.json);
  if (!writable.ok()) return complain("bench engine", writable.error().message, exit_failure);
  const Result<nlohmann::json> rows = bench_engine(config);
  if (!rows.ok()) return complain("bench engine", rows.error().message, exit_failure);
  const nlohmann::json document = {
      {"schema", "gossamer.bench.engine/1"}, {"environment", environment_json()}, {"rows", *rows}};
  const Status told = publish({config.json, {}}, engine_bench_table(*rows), document);
  return told.ok() ? exit_success : complain("bench engine", told.error().message, exit_failure);
}

}  // namespace

Action add_bench_command(CLI::App& app) {
  auto config = std::make_shared<SketchBenchConfig>();
  app.require_subcommand(1);
  CLI::App* sketch = app.add_subcommand("sketch", "speed of the sketch's kernels against what memory can do");
  const auto list = [&](const char* name, auto& field, const char* meaning) {
    return sketch->add_option(name, field, meaning)->delimiter(',')->capture_default_str();
  };
  list("--kernels", config->kernels, "encode, decode, merge, compress; bincount: a PyTorch script's sketch beside ours")
      ->check(CLI::IsMember(sketch_kernels));
  list("--cells", config->cells, choice_words("cells").c_str())->check(CLI::IsMember(choice_names("cells")));
  list("--rows", config->rows, "of the sketch");
  list("--columns", config->columns, "of the sketch");
  list("--dimensions", config->dimensions, "lengths of the vector");
  list("--threads", config->threads, "numbers of threads; 0: every core");
  sketch->add_option("--device", config->device, "cpu, or cuda: encode, decode and merge on the current CUDA device")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  sketch->add_option("--density", config->density, "coordinates that decoding chooses, over all")
      ->capture_default_str();
  sketch->add_option("--repeats", config->repeats, "rounds, of which the median counts")->capture_default_str();
  sketch->add_option("--json", config->json, "write every row to this file; - is stdout");

  auto transport_config = std::make_shared<TransportBenchConfig>();
  CLI::App* transport = app.add_subcommand(
      "transport", "latency and bandwidth between two processes of this host, beside the bare library");
  transport->add_option("--ways", transport_config->ways, "which to measure; all when not given")
      ->delimiter(',')
      ->check(CLI::IsMember(transport_bench_ways()));
  transport->add_option("--bytes", transport_config->bytes, "sizes of messages")->delimiter(',')->capture_default_str();
  transport->add_option("--rounds", transport_config->rounds, "alternating rounds, of which the median counts")
      ->capture_default_str();
  transport->add_option("--json", transport_config->json, "write every row to this file; - is stdout");

  auto engine_config = std::make_shared<EngineBenchConfig>();
  CLI::App* engine = app.add_subcommand("engine", "what a started plan costs beside its transport");
  engine->add_option("--ranks", engine_config->ranks, "numbers of ranks")->delimiter(',')->capture_default_str();
  engine->add_option("--bytes", engine_config->bytes, "of the vector")->capture_default_str();
  engine->add_option("--rounds", engine_config->rounds, "of which the median counts")->capture_default_str();
  engine->add_option("--json", engine_config->json, "write every row to this file; - is stdout");
  return [config, transport_config, transport, engine_config, engine] {
    if (engine->parsed()) return run_engine(*engine_config);
    return transport->parsed() ? run_transport(*transport_config) : run_sketch(*config);
  };
}

}  // namespace gossamer::tools
