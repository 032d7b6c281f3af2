#include "tools/train/train_command.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>

#include "sketch/sketch.h"
#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/log_level.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/launch/launcher.h"
#include "tools/train/choices.h"
#include "tools/train/run_record.h"
#include "tools/train/train_peer.h"
#include "tools/train/train_report.h"
#include "tools/train/warnings.h"
#include "transport/transport.h"

namespace gossamer::tools {
namespace {

// A peer that our own parent started writes its result here; -1 where `gossamer run` started it.
constexpr int no_result = -1;

int exit_code_of(Code code) {
  return code == Code::mismatch || code == Code::disagreement ? exit_disagreement : exit_failure;
}

// The link would say "(deleted)" where the program was replaced while it runs; the name below still opens it.
std::string own_program() {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0 || length == sizeof path) return "/proc/self/exe";
  const std::string program(path, static_cast<std::size_t>(length));
  return ::access(program.c_str(), X_OK) == 0 ? program : "/proc/self/exe";
}

Status publish_runs(const TrainConfig& config, const std::vector<nlohmann::json>& runs) {
  const nlohmann::json document = training_document(config, environment_json(), runs);
  return publish({config.json, config.plot}, training_table(document), document,
                 [&document] { return render_svg(training_plot(document)); });
}

// Every place for results, before hours of work.
Status check_places(const TrainConfig& config) {
  for (const auto& [option, folder] :
       {std::pair{"--dump: ", config.dump}, std::pair{"--dump-gradients: ", config.dump_gradients}}) {
    const Status made = folder.empty() ? Status() : make_output_folder(folder);
    if (!made.ok()) return Error{made.error().code, option + made.error().message};
  }
  return check_writable(ResultPaths{config.json, config.plot});
}

// The log of the library, on stderr. Any thread, one call at a time.
void log_to_stderr(gossamer_log_level, const char* line, void*) { std::cerr << "gossamer train: " << line << "\n"; }

// One rank that a parent of ours started, for one algorithm; rank 0 hands what it notes to the parent.
Status train_for_parent(const TrainConfig& config, const Dataset& dataset, gossamer_session* session, int result) {
  const bool notes = gossamer_rank(session) == 0;
  return train_on_this_rank(config, config.algorithms.front(), dataset, session,
                            [&](const nlohmann::json& note) { return notes ? append_note(result, note) : Status(); });
}

// One rank under `gossamer run`, with all algorithms one after the other in one session. Rank 0 reports what was
// finished, also where the end is an error.
Status train_all(const TrainConfig& config, const Dataset& dataset, gossamer_session* session) {
  const bool reports = gossamer_rank(session) == 0;
  std::vector<nlohmann::json> runs;
  Status ended;
  for (const std::string& algorithm : config.algorithms) {
    if (reports) print_warnings(config, algorithm, "train");
    RunRecord record(algorithm);
    ended = train_on_this_rank(config, algorithm, dataset, session, [&](const nlohmann::json& note) {
      record.take(note);
      return Status();
    });
    if (record.epochs() != 0) runs.push_back(record.run());
    if (!ended.ok()) break;
  }
  if (!reports || runs.empty()) return ended;
  const Status told = publish_runs(config, runs);
  if (!ended.ok() && !told.ok()) complain("train", told.error().message, exit_failure);
  return ended.ok() ? told : ended;
}

int run_peer(TrainConfig config, int result) {
  const Result<LogLevel> level = log_level();
  if (!level.ok()) return complain("train", level.error().message, exit_usage);
  gossamer_set_log(static_cast<gossamer_log_level>(*level), log_to_stderr, nullptr);
  if (result == no_result && std::string_view(std::getenv("GOSSAMER_RANK")) == "0") {
    const Status writable = check_places(config);
    if (!writable.ok()) return complain("train", writable.error().message, exit_failure);
  }
  const Result<Dataset> dataset = load_dataset(config);
  if (!dataset.ok()) return complain("train", dataset.error().message, exit_data);
  const Result<gossamer_session*> session = join_session(config);
  if (!session.ok()) return complain("train", session.error().message, exit_code_of(session.error().code));
  config.ranks = static_cast<std::uint32_t>(gossamer_rank_count(*session));
  const Status ended = result == no_result ? train_all(config, *dataset, *session)
                                           : train_for_parent(config, *dataset, *session, result);
  gossamer_finalize(*session);
  return ended.ok() ? exit_success : complain("train", ended.error().message, exit_code_of(ended.error().code));
}

int run_parent(const TrainConfig& config) {
  const Status writable = check_places(config);
  if (!writable.ok()) return complain("train", writable.error().message, exit_failure);
  // What all peers would stumble over is said once.
  const Result<LogLevel> level = log_level();
  if (!level.ok()) return complain("train", level.error().message, exit_usage);
  const Result<Dataset> dataset = load_dataset(config);
  if (!dataset.ok()) return complain("train", dataset.error().message, exit_data);
  std::vector<nlohmann::json> runs;
  int exit_code = exit_success;
  for (const std::string& algorithm : config.algorithms) {
    print_warnings(config, algorithm, "train");
    const PeersOutcome outcome = train_in_peers(config, algorithm, "train");
    if (outcome.exit_code != 0) {
      exit_code = outcome.exit_code;
      const std::string how = outcome.interrupt_signal != 0 ? "interrupted" : "failed";
      const std::size_t epochs = outcome.record.epochs();
      complain("train",
               text(algorithm, " ", how, " after ", epochs, epochs == 1 ? " epoch; " : " epochs; ", runs.size(), " of ",
                    config.algorithms.size(), " algorithms finished; ",
                    runs.empty() && epochs == 0 ? "there is no result" : "what was finished follows"),
               exit_code);
      if (epochs != 0) runs.push_back(outcome.record.run());
      break;
    }
    runs.push_back(outcome.run);
  }
  if (runs.empty()) return exit_code;
  const Status told = publish_runs(config, runs);
  if (!told.ok()) return complain("train", told.error().message, exit_code != 0 ? exit_code : exit_failure);
  return exit_code;
}

}  // namespace

void print_warnings(const TrainConfig& config, const std::string& algorithm, const std::string& command) {
  for (const std::string& each : divergence_warnings(config, algorithm)) complain(command, "warning: " + each, 0);
}

PeersOutcome train_in_peers(const TrainConfig& config, const std::string& algorithm, const std::string& command) {
  PeersOutcome out{.record = RunRecord(algorithm)};
  const auto failed = [&](int code, std::string message) {
    out.exit_code = code;
    out.failure = std::move(message);
    return out;
  };
  // Memory that only the parent and rank 0 hold: nothing to remove afterwards, also after a kill.
  const UniqueDescriptor low(memfd_create("gossamer-result", MFD_CLOEXEC));
  const UniqueDescriptor result(low.is_open() ? fcntl(low.value(), F_DUPFD_CLOEXEC, 10) : -1);
  if (!result.is_open()) {
    complain(command, text("cannot make a place for the result: ", std::strerror(errno)), exit_failure);
    return failed(exit_failure, "no memory file");
  }
  LaunchOptions options;
  options.title = "gossamer " + command;
  options.command = {own_program()};
  for (std::string& each : peer_arguments(config, algorithm)) options.command.push_back(std::move(each));
  options.command.push_back("--result-descriptor=" + std::to_string(result.value()));
  options.rank_count = config.ranks;
  options.rank_0_descriptors = {result.value()};
  options.timeout_ns = static_cast<std::uint64_t>(config.timeout_s * 1e9);
  options.rank_0_keeps_stderr = ::isatty(2) != 0;
  options.sweep = [](std::string_view /*job*/) { transport::sweep_shared_memory(); };
  const Result<LaunchReport> report = launch(options);
  if (!report.ok()) {
    complain(command, report.error().message, exit_failure);
    return failed(exit_failure, report.error().message);
  }
  out.interrupt_signal = report->interrupt_signal;
  out.record = read_notes(result.value(), algorithm);
  if (report->exit_code != 0) return failed(report->exit_code, report->message);
  if (!out.record.is_finished()) {
    complain(command, "rank 0 ended well and left no result", exit_failure);
    return failed(exit_failure, "rank 0 left no result");
  }
  out.run = out.record.run();
  return out;
}

Action add_train_command(CLI::App& app) {
  auto config = std::make_shared<TrainConfig>();
  auto result = std::make_shared<int>(no_result);
  app.add_option("--ranks,-n", config->ranks, "peers to start on this host")->capture_default_str();
  app.add_option("--algorithm", config->algorithms, choice_words("algorithm") + "; several with commas between")
      ->delimiter(',')
      ->capture_default_str();
  add_training_options(app, *config);
  app.add_option("--json", config->json, "write configuration, epochs and summaries to this file; - is stdout");
  app.add_option("--plot", config->plot, "draw accuracy against bytes and steps into this SVG file");
  app.add_option("--timeout", config->timeout_s, "end each run after so many seconds; 0: never");
  app.add_option("--result-descriptor", *result)->group("");  // the parent's memory, see train_in_peers
  app.footer(
      "Starts its own peers, or is one of them under `gossamer run -n 4 -- gossamer train ...`.\n"
      "Exit status: 0, 1 failed, 2 usage, 3 data, 4 ranks disagree, 124 timeout, 128 + signal.");
  return [config, result] {
    const Status valid = check_config(*config);
    if (!valid.ok()) return complain("train", valid.error().message, exit_usage);
    return std::getenv("GOSSAMER_RANK") != nullptr ? run_peer(*config, *result) : run_parent(*config);
  };
}

}  // namespace gossamer::tools
