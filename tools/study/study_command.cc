#include <cmath>
#include <memory>

#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/study/frontier.h"
#include "tools/study/study_sketch.h"
#include "tools/train/choices.h"
#include "tools/train/train_command.h"
#include "tools/train/train_peer.h"

namespace gossamer::tools {
namespace {

// Long enough that every rank's choices have settled, short against an epoch.
constexpr std::uint64_t probe_steps = 60;

struct StudyConfig {
  TrainConfig train;
  std::vector<std::string> algorithms = {"gs-sgd", "shared-top-k"};
  std::vector<double> factors = {5, 10, 20, 40};
  std::uint32_t seeds = 1;
};

struct Study {
  const StudyConfig& config;
  nlohmann::json rows = nlohmann::json::array();
  double dense_bytes = 0;  // a step, measured
  int exit_code = 0;       // an interrupt's; other failures are rows
  SteadyClock clock;
};

double run_bytes(const nlohmann::json& run) { return run.at("summary").at("bytes_per_step").get<double>(); }

// One point of the plot. A run that diverges is a result too: it has a row without accuracy.
void measure(Study& study, const TrainConfig& train, const std::string& algorithm, double factor) {
  complain("study frontier",
           text(algorithm,
                is_baseline(algorithm)
                    ? ""
                    : text(", ", factor, " times fewer bytes, density ", format_number(100 * train.density, 3), " %"),
                ", seed ", train.seed),
           0);
  PeersOutcome outcome = train_in_peers(train, algorithm, "study frontier");
  if (outcome.interrupt_signal != 0) {
    study.exit_code = outcome.exit_code;
    return;
  }
  nlohmann::json row = {{"algorithm", algorithm},
                        {"target_factor", factor},
                        {"density", train.density},
                        {"ranks", train.ranks},
                        {"sketch_rows", train.rows},
                        {"columns", train.columns},
                        {"oversampling", train.oversampling},
                        {"seed", train.seed}};
  for (const char* key :
       {"accuracy", "bytes_per_step", "times_fewer_bytes", "exchange_p50_us", "exchange_p99_us", "seconds"}) {
    row[key] = outcome.run.is_object() && outcome.run.at("summary").contains(key) ? outcome.run.at("summary").at(key)
                                                                                  : nlohmann::json();
  }
  row["failure"] = outcome.failure;
  if (outcome.run.is_object()) {
    const double bytes = run_bytes(outcome.run);
    if (is_baseline(algorithm) && study.dense_bytes == 0) study.dense_bytes = bytes;
    if (bytes > 0) row["times_fewer_bytes"] = study.dense_bytes / bytes;
  }
  study.rows.push_back(std::move(row));
}

// The density that gives `factor`: by the formula, and, where ranks choose for themselves and may choose the same,
// corrected by what a short run really moved.
Result<double> choose_density(Study& study, TrainConfig train, const std::string& algorithm, double factor) {
  Result<double> density = density_for_factor(train, algorithm, factor);
  if (!density.ok() || algorithm_row(algorithm).is_sketched) return density;
  train.density = *density;
  train.steps = probe_steps;
  const PeersOutcome probe = train_in_peers(train, algorithm, "study frontier");
  study.exit_code = probe.interrupt_signal != 0 ? probe.exit_code : 0;
  if (!probe.run.is_object()) return density;
  const double exact =
      static_cast<double>(model_dimension(train).exact) / static_cast<double>(model_dimension(train).sparse);
  const double wanted = study.dense_bytes / factor;
  const double moved = run_bytes(probe.run);
  const double fixed = exact / (exact + 1) * study.dense_bytes;
  if (!(moved > fixed) || !(wanted > fixed)) return density;
  return std::min(1.0, *density * (wanted - fixed) / (moved - fixed));
}

Status check_study(const StudyConfig& config) {
  GOSSAMER_TRY(check_config(config.train));
  if (config.train.ranks < 2)
    return Error{Code::invalid_argument, "--ranks 1: one peer sends nothing; expected at least 2"};
  if (config.seeds < 1 || config.seeds > 100) {
    return Error{Code::invalid_argument, text("--seeds ", config.seeds, ": expected 1 to 100")};
  }
  for (const double factor : config.factors) {
    if (!(factor > 1 && factor < 1e6))
      return Error{Code::invalid_argument, text("--factors ", factor, ": expected above 1")};
    for (const std::string& algorithm : config.algorithms) {
      if (is_baseline(algorithm)) continue;
      const Result<double> density = density_for_factor(config.train, algorithm, factor);
      if (!density.ok()) return Error(density.error());
    }
  }
  return {};
}

void run_all(Study& study) {
  const StudyConfig& config = study.config;
  for (std::uint32_t i = 0; i < config.seeds && study.exit_code == 0; ++i) {
    TrainConfig train = config.train;
    train.seed += i;
    train.density = 1;
    measure(study, train, std::string(algorithm_name(runtime::AlgorithmKind::dense)), 1);
    for (const std::string& algorithm : config.algorithms) {
      for (const double factor : config.factors) {
        if (is_baseline(algorithm) || study.exit_code != 0 || study.dense_bytes == 0) continue;
        const Result<double> density = choose_density(study, train, algorithm, factor);
        if (!density.ok() || study.exit_code != 0) continue;  // check_study has asked before
        TrainConfig point = train;
        point.density = *density;
        print_warnings(point, algorithm, "study frontier");
        measure(study, point, algorithm, factor);
      }
    }
  }
}

int run_frontier(StudyConfig config) {
  config.train.algorithms = config.algorithms;
  if (std::getenv("GOSSAMER_RANK") != nullptr) {
    return complain("study frontier", "starts its own peers: run it without `gossamer run`", exit_usage);
  }
  const Status valid = check_study(config);
  if (!valid.ok()) return complain("study frontier", valid.error().message, exit_usage);
  const ResultPaths paths{config.train.json, config.train.plot};
  const Status writable = check_writable(paths);
  if (!writable.ok()) return complain("study frontier", writable.error().message, exit_failure);
  const Result<Dataset> dataset = load_dataset(config.train);
  if (!dataset.ok()) return complain("study frontier", dataset.error().message, exit_data);
  Study study{config, nlohmann::json::array(), 0, 0, {}};
  run_all(study);
  const nlohmann::json document = {{"schema", "gossamer.study.frontier/1"},
                                   {"environment", environment_json()},
                                   {"configuration", config_json(config.train)},
                                   {"factors", config.factors},
                                   {"seeds", config.seeds},
                                   {"rows", study.rows}};
  const Status told =
      publish(paths, frontier_table(document), document, [&document] { return render_svg(frontier_plot(document)); });
  if (!told.ok()) return complain("study frontier", told.error().message, exit_failure);
  if (study.exit_code != 0) return study.exit_code;
  if (study.dense_bytes == 0)
    return complain("study frontier", "the dense run failed: there is nothing to compare with", exit_failure);
  return exit_success;
}

int run_sketch(const SketchStudyConfig& config) {
  const Status valid = check_sketch_study(config);
  if (!valid.ok()) return complain("study sketch", valid.error().message, exit_usage);
  const ResultPaths paths{config.json, config.plot};
  const Status writable = check_writable(paths);
  if (!writable.ok()) return complain("study sketch", writable.error().message, exit_failure);
  const Result<std::vector<NamedVector>> gradients = load_study_gradients(config);
  if (!gradients.ok()) {
    const bool misused = gradients.error().code == Code::invalid_argument;
    return complain("study sketch", gradients.error().message, misused ? exit_usage : exit_data);
  }
  const Result<nlohmann::json> document = run_sketch_study(config, *gradients, environment_json(), true);
  if (!document.ok()) return complain("study sketch", document.error().message, exit_failure);
  const Status told = publish(paths, sketch_study_table(*document), *document,
                              [&document] { return render_svg(sketch_study_plot(*document)); });
  return told.ok() ? exit_success : complain("study sketch", told.error().message, exit_failure);
}

Action add_frontier_study(CLI::App& app) {
  auto config = std::make_shared<StudyConfig>();
  add_training_options(app, config->train);
  for (const char* chosen : {"--density", "--steps", "--dump-gradients", "--dump-every"})
    app.remove_option(app.get_option(chosen));
  app.add_option("--ranks,-n", config->train.ranks, "peers to start on this host")->capture_default_str();
  app.add_option("--algorithms", config->algorithms, "to compare, with commas between; dense always runs")
      ->delimiter(',')
      ->check(CLI::IsMember(choice_names("algorithm")))
      ->capture_default_str();
  app.add_option("--factors", config->factors, "wanted times fewer bytes than dense, with commas between")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--seeds", config->seeds, "runs of each point: --seed, --seed + 1, ...")->capture_default_str();
  app.add_option("--json", config->train.json, "write every point to this file; - is stdout");
  app.add_option("--plot", config->train.plot, "draw accuracy against compression into this SVG file");
  app.add_option("--timeout", config->train.timeout_s, "end each run after so many seconds; 0: never");
  return [config] { return run_frontier(*config); };
}

Action add_sketch_study(CLI::App& app) {
  auto config = std::make_shared<SketchStudyConfig>();
  add_sketch_study_options(app, *config);
  return [config] { return run_sketch(*config); };
}

}  // namespace

Action add_study_command(CLI::App& app) {
  app.require_subcommand(1);
  CLI::App* frontier =
      app.add_subcommand("frontier", "accuracy against times fewer bytes, by training with real processes");
  CLI::App* sketch = app.add_subcommand("sketch", "how well sketches give vectors back, beside fully random hashing");
  const Action run_frontier_study = add_frontier_study(*frontier);
  const Action run_sketch_study_command = add_sketch_study(*sketch);
  return [=] { return sketch->parsed() ? run_sketch_study_command() : run_frontier_study(); };
}

}  // namespace gossamer::tools
