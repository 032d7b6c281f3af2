#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "runtime/runtime.h"
#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/launch/agent.h"
#include "tools/launch/hosts.h"
#include "tools/launch/launcher.h"
#include "transport/transport.h"

namespace gossamer::tools {
namespace {

struct RunConfig {
  std::optional<std::uint32_t> ranks;
  double timeout_s = 0;
  std::string json;
  std::string hosts;
  std::string hostfile;
  std::string launch_agent;
  std::vector<std::string> exported;
  double silence_s = 30;
  double settle_s = 3;
  bool is_agent = false;
};

// The path of this command, for hosts that have it at the same place.
std::string own_path() {
  std::error_code unknown;
  return std::filesystem::read_symlink("/proc/self/exe", unknown).string();
}

// None: this host alone.
Result<std::vector<HostSlots>> hosts_of(const RunConfig& config) {
  if (config.hosts.empty() && config.hostfile.empty()) {
    if (!config.launch_agent.empty() || !config.exported.empty())
      return Error{Code::invalid_argument, "--launch-agent and --export are for --hosts and --hostfile"};
    return std::vector<HostSlots>();
  }
  if (!config.hosts.empty() && !config.hostfile.empty())
    return Error{Code::invalid_argument, "both --hosts and --hostfile: give one of them"};
  GOSSAMER_ASSIGN(auto hosts, config.hosts.empty() ? read_hostfile(config.hostfile) : parse_hosts(config.hosts));
  return config.ranks ? take_ranks(std::move(hosts), *config.ranks) : std::move(hosts);
}

nlohmann::json run_document(std::uint32_t ranks, const LaunchReport& report) {
  nlohmann::json rows = nlohmann::json::array();
  for (const PeerEnd& peer : report.peers) {
    rows.push_back({{"rank", peer.rank},
                    {"host", peer.host},
                    {"process", peer.pid},
                    {"status", peer.status},
                    {"signal", peer.signal},
                    {"seconds", static_cast<double>(peer.duration_ns) * 1e-9}});
  }
  return {{"schema", "gossamer.run/1"}, {"environment", machine_json()}, {"ranks", ranks},
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
        text("there is no option ", program.front(),
             "; expected -n, --hosts, --hostfile, --launch-agent, --export, --settle, --silence, --timeout or "
             "--json, then the program, ",
             usage),
        exit_usage);
  }
  Result<std::vector<HostSlots>> hosts = hosts_of(config);
  if (!hosts.ok()) return complain("run", hosts.error().message, exit_usage);
  if (!config.ranks && hosts->empty()) {
    return complain("run",
                    text("-n or --ranks is required, before the program, ", usage, "; or --hosts, or --hostfile"),
                    exit_usage);
  }
  std::uint64_t ranks = hosts->empty() ? *config.ranks : 0;
  for (const HostSlots& each : *hosts) ranks += each.ranks;
  if (ranks < 1 || ranks > runtime::session_ranks_max) {
    return complain(
        "run", text("-n ", ranks, ": expected 1 to ", runtime::session_ranks_max, " peers, as many as a session takes"),
        exit_usage);
  }
  if (!(config.timeout_s >= 0 && config.timeout_s < 1e9)) {
    return complain("run", text("--timeout ", config.timeout_s, ": expected seconds, or 0 for none"), exit_usage);
  }
  if (!(config.silence_s >= 1 && config.silence_s <= 86'400)) {
    return complain("run", text("--silence ", config.silence_s, ": expected seconds, from 1 to 86400"), exit_usage);
  }
  if (!(config.settle_s >= 0 && config.settle_s <= 86'400)) {
    return complain("run", text("--settle ", config.settle_s, ": expected seconds, up to 86400"), exit_usage);
  }
  for (const std::string& each : config.exported) {
    if (each.empty() || each.front() == '=')
      return complain("run", text("--export \"", each, "\" names no variable; expected NAME, NAME=VALUE or PREFIX*"),
                      exit_usage);
  }
  if (program.empty()) {
    return complain("run", text("no program: put it behind the options, ", usage), exit_usage);
  }
  const Status writable = check_writable(config.json);
  if (!writable.ok()) return complain("run", writable.error().message, exit_failure);
  LaunchOptions options;
  options.command = program;
  options.rank_count = static_cast<std::uint32_t>(ranks);
  options.hosts = *std::move(hosts);
  options.launch_agent = config.launch_agent;
  options.exported = config.exported;
  options.program = own_path();
  options.settle_ns = static_cast<std::uint64_t>(config.settle_s * 1e9);
  options.silence_ns = static_cast<std::uint64_t>(config.silence_s * 1e9);
  options.timeout_ns = static_cast<std::uint64_t>(config.timeout_s * 1e9);
  options.sweep = [](std::string_view /*job*/) { transport::sweep_shared_memory(); };
  const Result<LaunchReport> report = launch(options);
  if (!report.ok()) return complain("run", report.error().message, exit_failure);
  if (!config.json.empty()) {
    const Status told = publish({config.json, {}}, "", run_document(options.rank_count, *report));
    if (!told.ok())
      return complain("run", told.error().message, report->exit_code != 0 ? report->exit_code : exit_failure);
  }
  return report->exit_code;
}

}  // namespace

Action add_run_command(CLI::App& app, const std::vector<std::string>& behind) {
  app.prefix_command();
  auto config = std::make_shared<RunConfig>();
  app.add_option("-n,--ranks", config->ranks, "how many peers; required without hosts");
  app.add_option("--hosts", config->hosts, "hosts and how many peers each has, over ssh: a:4,b:4");
  app.add_option("--hostfile", config->hostfile,
                 "the same from a file: lines of `HOST slots=4` or `HOST:4`; # comments");
  app.add_option("--launch-agent", config->launch_agent,
                 "instead of ssh: a program that takes HOST COMMAND as ssh does");
  app.add_option("--export", config->exported,
                 "a variable that peers on other hosts get, beside GOSSAMER_*: NAME, NAME=VALUE or PREFIX*")
      ->take_all()
      ->expected(1);
  app.add_option("--settle", config->settle_s, "how long the others may go on after the first failure, in seconds");
  app.add_option("--silence", config->silence_s, "give up a host that nothing is heard of for so many seconds");
  app.add_flag("--agent", config->is_agent)->group("");  // what --hosts starts on each host
  app.add_option("--timeout", config->timeout_s, "end the job after so many seconds, with status 124; 0: never");
  app.add_option("--json", config->json, "write how each peer ended to this file; - is stdout");
  app.footer(
      "Usage: gossamer run -n 4 -- PROGRAM ARGUMENTS\n"
      "       gossamer run --hosts a:4,b:4 -- PROGRAM ARGUMENTS\n"
      "The program begins at the first word that is no option, so -- is needed only where it begins with a dash.\n"
      "Each peer finds GOSSAMER_RANK, GOSSAMER_RANK_COUNT, GOSSAMER_RENDEZVOUS and GOSSAMER_JOB in its environment, "
      "and\n"
      "in GOSSAMER_SECRET the descriptor of a random secret, unless that variable names a file or says none already.\n"
      "Lines of the peers come with their rank in front, whole up to 1 MiB; what is longer goes on in another line "
      "that\n"
      "begins with [continued]. Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 reach every peer; Ctrl-Z stops them all, "
      "and\nfg lets them go on. Rank 0 reads stdin unless it is a terminal; the others read "
      "nothing.\n"
      "Exit status: 0, or that of the first peer that failed (128 + signal), 1 a host that cannot be reached or is "
      "lost, 2 "
      "usage,\n124 timeout, 126 and 127 not started.");
  return [config, behind, &app] {
    if (config->is_agent) return serve_launcher(transport::sweep_shared_memory);
    const std::vector<std::string> own = app.remaining();
    return run(*config, program_of(app, behind), !own.empty() && own.front().starts_with('-'));
  };
}

}  // namespace gossamer::tools
