#include <cmath>
#include <memory>
#include <optional>

#include "runtime/runtime.h"
#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/launch/launcher.h"
#include "transport/transport.h"

namespace gossamer::tools {
namespace {

struct RunConfig {
  std::optional<std::uint32_t> ranks;
  double timeout_s = 0;
  std::string json;
};

nlohmann::json run_document(const RunConfig& config, const LaunchReport& report) {
  nlohmann::json rows = nlohmann::json::array();
  for (const PeerEnd& peer : report.peers) {
    rows.push_back({{"rank", peer.rank},
                    {"process", peer.pid},
                    {"status", peer.status},
                    {"signal", peer.signal},
                    {"seconds", static_cast<double>(peer.duration_ns) * 1e-9}});
  }
  return {{"schema", "gossamer.run/1"}, {"environment", machine_json()}, {"ranks", *config.ranks},
          {"job", report.job},          {"exit_code", report.exit_code}, {"message", report.message},
          {"rows", std::move(rows)}};
}

// The first word that is no option of ours begins the program, as with mpirun, whether "--" stands before it or not.
std::vector<std::string> program_of(const CLI::App& app, const std::vector<std::string>& behind) {
  std::vector<std::string> out = app.remaining();
  out.insert(out.end(), behind.begin() + (out.empty() && !behind.empty() ? 1 : 0), behind.end());
  return out;
}

int run(const RunConfig& config, const std::vector<std::string>& program, bool unknown_option) {
  const char* const usage = "as in `gossamer run -n 4 -- ./program --its-flags`";
  if (unknown_option) {
    return complain(
        "run",
        text("there is no option ", program.front(), "; expected -n, --timeout or --json, then the program, ", usage),
        exit_usage);
  }
  if (!config.ranks) {
    return complain("run", text("-n or --ranks is required, before the program, ", usage), exit_usage);
  }
  if (*config.ranks < 1 || *config.ranks > runtime::session_ranks_max) {
    return complain("run",
                    text("-n ", *config.ranks, ": expected 1 to ", runtime::session_ranks_max,
                         " peers, as many as a session takes"),
                    exit_usage);
  }
  if (!(config.timeout_s >= 0 && config.timeout_s < 1e9)) {
    return complain("run", text("--timeout ", config.timeout_s, ": expected seconds, or 0 for none"), exit_usage);
  }
  if (program.empty()) {
    return complain("run", text("no program: put it behind the options, ", usage), exit_usage);
  }
  const Status writable = check_writable(config.json);
  if (!writable.ok()) return complain("run", writable.error().message, exit_failure);
  LaunchOptions options;
  options.command = program;
  options.rank_count = *config.ranks;
  options.timeout_ns = static_cast<std::uint64_t>(config.timeout_s * 1e9);
  options.sweep = [](std::string_view /*job*/) { transport::sweep_shared_memory(); };
  const Result<LaunchReport> report = launch(options);
  if (!report.ok()) return complain("run", report.error().message, exit_failure);
  if (!config.json.empty()) {
    const Status told = publish({config.json, {}}, "", run_document(config, *report));
    if (!told.ok())
      return complain("run", told.error().message, report->exit_code != 0 ? report->exit_code : exit_failure);
  }
  return report->exit_code;
}

}  // namespace

Action add_run_command(CLI::App& app, const std::vector<std::string>& behind) {
  app.prefix_command();
  auto config = std::make_shared<RunConfig>();
  app.add_option("-n,--ranks", config->ranks, "how many peers; required");
  app.add_option("--timeout", config->timeout_s, "end the job after so many seconds, with status 124; 0: never");
  app.add_option("--json", config->json, "write how each peer ended to this file; - is stdout");
  app.footer(
      "Usage: gossamer run -n 4 -- PROGRAM ARGUMENTS\n"
      "The program begins at the first word that is no option, so -- is needed only where it begins with a dash.\n"
      "Each peer finds GOSSAMER_RANK, GOSSAMER_RANK_COUNT, GOSSAMER_RENDEZVOUS and GOSSAMER_JOB in its environment, "
      "and\n"
      "in GOSSAMER_SECRET the descriptor of a random secret, unless that variable names a file or says none already.\n"
      "Lines of the peers come with their rank in front, whole up to 1 MiB; what is longer goes on in another line "
      "that\n"
      "begins with [continued]. Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 reach every peer; Ctrl-Z stops them all, "
      "and\nfg lets them go on. Rank 0 reads stdin unless it is a terminal; the others read "
      "nothing.\n"
      "Exit status: 0, or that of the first peer that failed (128 + signal), 2 usage, 124 timeout, 126 and 127 not "
      "started.");
  return [config, behind, &app] {
    const std::vector<std::string> own = app.remaining();
    return run(*config, program_of(app, behind), !own.empty() && own.front().starts_with('-'));
  };
}

}  // namespace gossamer::tools
