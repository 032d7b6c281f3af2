#include <cmath>
#include <memory>

#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/launcher.h"
#include "tools/train_report.h"
#include "transport/transport.h"

namespace gossamer::tools {
namespace {

struct RunConfig {
  std::uint32_t ranks = 0;
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
  return {{"schema", "gossamer.run/1"}, {"environment", machine_json()}, {"ranks", config.ranks},
          {"job", report.job},          {"exit_code", report.exit_code}, {"message", report.message},
          {"rows", std::move(rows)}};
}

int run(const RunConfig& config, const std::vector<std::string>& program) {
  if (config.ranks < 1 || config.ranks > 1024) {
    return complain("run", text("-n ", config.ranks, ": expected 1 to 1024 peers"), exit_usage);
  }
  if (!(config.timeout_s >= 0 && config.timeout_s < 1e9)) {
    return complain("run", text("--timeout ", config.timeout_s, ": expected seconds, or 0 for none"), exit_usage);
  }
  if (program.empty()) {
    return complain("run", "no program: put it after --, as in `gossamer run -n 4 -- ./program --its-flags`",
                    exit_usage);
  }
  LaunchOptions options;
  options.command = program;
  options.rank_count = config.ranks;
  options.timeout_ns = static_cast<std::uint64_t>(config.timeout_s * 1e9);
  options.sweep = [](std::string_view /*job*/) { transport::sweep_shared_memory(); };
  const Result<LaunchReport> report = launch(options);
  if (!report.ok()) return complain("run", report.error().message, exit_failure);
  if (!config.json.empty()) {
    const Status written = write_text(config.json, run_document(config, *report).dump(2) + "\n");
    if (!written.ok()) return complain("run", written.error().message, exit_failure);
  }
  return report->exit_code;
}

}  // namespace

Action add_run_command(CLI::App& app, const std::vector<std::string>& program) {
  auto config = std::make_shared<RunConfig>();
  app.add_option("-n,--ranks", config->ranks, "how many peers")->required();
  app.add_option("--timeout", config->timeout_s, "end the job after so many seconds, with status 124; 0: never");
  app.add_option("--json", config->json, "write how each peer ended to this file; - is stdout");
  app.footer(
      "Usage: gossamer run -n 4 -- PROGRAM ARGUMENTS\n"
      "Each peer finds GOSSAMER_RANK, GOSSAMER_RANK_COUNT, GOSSAMER_RENDEZVOUS and GOSSAMER_JOB in its environment, "
      "and\n"
      "in GOSSAMER_SECRET the descriptor of a random secret, unless that variable names a file or says none already.\n"
      "Lines of the peers come with their rank in front. Rank 0 reads stdin unless it is a terminal; the others read "
      "nothing.\n"
      "Exit status: 0, or that of the first peer that failed (128 + signal), 2 usage, 124 timeout, 126 and 127 not "
      "started.");
  return [config, program] { return run(*config, program); };
}

}  // namespace gossamer::tools
