#include "tools/launch/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "runtime/runtime.h"
#include "tools/command/exit_codes.h"
#include "tools/launch/agent.h"
#include "tools/launch/job_secret.h"
#include "tools/launch/line_relay.h"
#include "tools/launch/local_ranks.h"
#include "tools/launch/remote_ranks.h"
#include "tools/launch/signal_guard.h"

extern char** environ;

namespace gossamer::tools {
namespace {

// Peers' text that may wait for a slow reader of ours; then the peers wait as well.
constexpr std::size_t queued_bytes_max = 1 << 20;
// For a process that SIGKILL does not end at once (it hangs in the kernel).
constexpr std::uint64_t kill_ns = 10'000'000'000;
constexpr std::uint64_t never = never_ns;

// What most often sends a signal that a program does not send itself.
const char* signal_hint(int signal) {
  switch (signal) {
    case SIGXFSZ:
      return ": a file grew beyond `ulimit -f`, which counts files in /dev/shm too; raise it";
    case SIGXCPU:
      return ": more processor time than `ulimit -t` allows; raise it";
    case SIGKILL:
      return ": where nobody sent it, memory ran out; `dmesg` or the container's limit says so";
    case SIGBUS:
      return ": often no room in /dev/shm; `df /dev/shm` and `gossamer info` show it";
    default:
      return "";
  }
}

// running ──failure──► settling ──► terminating ──► killing ──► (all ended)
//    └──── interrupt ────────────────────┘             ▲
//    └──── second interrupt ──────────────────────────-┘
enum class Phase { running, settling, terminating, killing };

// What ssh is asked for: no question that nobody could answer, and a word about a host that has fallen off the network.
const std::vector<std::string> ssh_words = {
    "ssh", "-x", "-T", "-oBatchMode=yes", "-oConnectTimeout=20", "-oServerAliveInterval=5", "-oServerAliveCountMax=4"};

std::vector<std::string> words_of_agent(std::string_view agent) {
  std::vector<std::string> words;
  for (std::size_t at = agent.find_first_not_of(' '); at != std::string_view::npos;) {
    const std::size_t end = std::min(agent.find(' ', at), agent.size());
    words.emplace_back(agent.substr(at, end - at));
    at = agent.find_first_not_of(' ', end);
  }
  return words.empty() ? ssh_words : words;
}

// Its agent needs no ssh then, which many hosts do not allow to themselves.
bool is_this_host(const std::string& name) {
  char own[256] = {};
  if (::gethostname(own, sizeof own - 1) != 0) return false;
  const std::string_view whole(own);
  return name == "localhost" || name == whole || name == whole.substr(0, whole.find('.'));
}

using Variables = std::vector<std::pair<std::string, std::string>>;

// Whoever says a name last is heard.
void put(Variables& variables, std::string_view name, std::string_view value) {
  std::erase_if(variables, [&](const auto& each) { return each.first == name; });
  variables.emplace_back(name, value);
}

// GOSSAMER_* and what the user names; what is a rank's alone, or a number in this process, is not said.
Variables environment_that_travels(const std::vector<std::string>& exported) {
  constexpr std::array<std::string_view, 6> own = {"GOSSAMER_RANK",       "GOSSAMER_RANK_COUNT",
                                                   "GOSSAMER_RENDEZVOUS", "GOSSAMER_RENDEZVOUS_FD",
                                                   "GOSSAMER_JOB",        "GOSSAMER_RANK_HOSTS"};
  Variables out;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view line(*each);
    const std::size_t equals = std::min(line.find('='), line.size());
    const std::string_view name = line.substr(0, equals);
    const std::string_view value = line.substr(std::min(equals + 1, line.size()));
    const bool is_own =
        std::find(own.begin(), own.end(), name) != own.end() || (name == "GOSSAMER_SECRET" && value.starts_with("fd:"));
    const bool is_named = std::any_of(exported.begin(), exported.end(), [&](std::string_view pattern) {
      return pattern == name || (pattern.ends_with('*') && name.starts_with(pattern.substr(0, pattern.size() - 1)));
    });
    if ((name.starts_with("GOSSAMER_") && !is_own) || is_named) put(out, name, value);
  }
  for (const std::string& each : exported) {
    if (const std::size_t equals = each.find('='); equals != std::string::npos)
      put(out, std::string_view(each).substr(0, equals), std::string_view(each).substr(equals + 1));
  }
  return out;
}

class Job final : public RanksOwner {
 public:
  explicit Job(const LaunchOptions& options) : options_(options) {}

  Result<LaunchReport> run();

  void on_lines(RankStream stream, std::string lines) override {
    queue_.push(stream == RankStream::output ? options_.output : options_.errors, std::move(lines));
  }
  void on_end(const PeerEnd& end) override;
  void on_failure(const StartFailure& failure) override;
  // What waits for a slow reader of ours; then the peers wait as well.
  [[nodiscard]] bool takes_lines() const override { return queue_.bytes() <= queued_bytes_max; }

 private:
  Status start_here();
  Status connect_to_hosts();
  void start_hosts();
  [[nodiscard]] std::string job_for(const HostSlots& host, std::uint32_t first_rank, const std::string& secret) const;
  [[nodiscard]] bool has_input() const;
  void loop();
  void wait_for_something();
  void take_signal(int signal);
  void stop_all();
  void take_time();
  void write_some();
  void flush();
  void enter(Phase phase, std::uint64_t duration_ns);
  void send_all(int signal);
  void fail(int exit_code, std::string message);
  void tell(const std::string& message);
  [[nodiscard]] std::size_t alive() const;

  const LaunchOptions& options_;
  SteadyClock clock_;
  SignalGuard signals_;
  OutputQueue queue_;
  std::vector<std::unique_ptr<Ranks>> hosts_;
  std::vector<RemoteRanks*> remote_;   // those of them that are on other hosts
  std::vector<RemoteRanks*> waiting_;  // of these, those that are not started
  LaunchReport report_;
  Phase phase_ = Phase::running;
  std::uint64_t deadline_ns_ = never;
  bool output_closed_ = false;
};

std::size_t Job::alive() const {
  std::size_t count = 0;
  for (const auto& host : hosts_) count += host->alive();
  return count;
}

void Job::tell(const std::string& message) { queue_.push(options_.errors, options_.title + ": " + message + "\n"); }

void Job::send_all(int signal) {
  for (const auto& host : hosts_) host->send(signal);
}

void Job::enter(Phase phase, std::uint64_t duration_ns) {
  phase_ = phase;
  const std::uint64_t now = clock_.now_ns();
  deadline_ns_ = duration_ns > never - now ? never : now + duration_ns;
}

// Only the first failure is the job's; what follows from it is not.
void Job::fail(int exit_code, std::string message) {
  if (report_.exit_code != 0) return;
  report_.exit_code = exit_code;
  report_.message = std::move(message);
  tell(report_.message);
}

// Rank 0 reads what is piped into the launcher; a terminal stays the launcher's.
bool Job::has_input() const { return fcntl(STDIN_FILENO, F_GETFD) >= 0 && isatty(STDIN_FILENO) == 0; }

Status Job::start_here() {
  const Result<std::string> path = find_program(options_.command.front());
  if (!path.ok()) {
    fail(exit_not_found, path.error().message);
    return {};
  }
  LocalRanksConfig config;
  GOSSAMER_ASSIGN(config.listener, make_listener("127.0.0.1"));
  GOSSAMER_ASSIGN(auto secret, make_job_secret());
  auto held = hold_secret(secret);
  explicit_bzero(secret.data(), secret.size());
  if (!held.ok()) return std::move(held).error();
  config.secret = *std::move(held);
  config.path = *path;
  config.command = options_.command;
  config.rank_count = config.session_ranks = options_.rank_count;
  config.rendezvous = config.listener.address;
  config.job = report_.job;
  config.environment = options_.environment;
  config.rank_0_input = has_input() ? STDIN_FILENO : -1;
  config.rank_0_descriptors = options_.rank_0_descriptors;
  config.rank_0_errors = options_.rank_0_keeps_stderr ? options_.errors : -1;
  auto ranks = std::make_unique<LocalRanks>(*this);
  LocalRanks& here = *ranks;
  hosts_.push_back(std::move(ranks));
  GOSSAMER_ASSIGN(const auto failure, here.start(std::move(config)));
  if (failure.exit_code != 0) fail(failure.exit_code, failure.message);
  return {};
}

// The body of its "job" frame.
std::string Job::job_for(const HostSlots& host, std::uint32_t first_rank, const std::string& secret) const {
  auto environment = environment_that_travels(options_.exported);
  put(environment, "GOSSAMER_RANK_HOSTS", hosts_text(options_.hosts));
  if (std::getenv("GOSSAMER_HOST") == nullptr) put(environment, "GOSSAMER_HOST", host.name);
  for (const auto& [name, value] : options_.environment) put(environment, name, value);
  std::error_code unknown;
  const nlohmann::json job = {{"command", options_.command},
                              {"first_rank", first_rank},
                              {"ranks", host.ranks},
                              {"session_ranks", options_.rank_count},
                              {"job", report_.job},
                              {"environment", environment},
                              {"secret", secret},
                              {"silence_ns", options_.silence_ns},
                              {"folder", std::filesystem::current_path(unknown).string()},
                              {"host", host.name},
                              {"has_input", first_rank == 0 && has_input()}};
  return job.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Status Job::connect_to_hosts() {
  const auto agent = words_of_agent(options_.launch_agent);
  const Result<std::string> path = find_program(agent.front());
  if (!path.ok()) {
    fail(exit_failure, text(path.error().message, "; it leads to the other hosts"));
    return {};
  }
  GOSSAMER_ASSIGN(auto secret, make_job_secret());
  std::uint32_t first_rank = 0;
  for (const HostSlots& host : options_.hosts) {
    RemoteRanksConfig config{host, agent, *path, first_rank};
    config.silence_ns = options_.silence_ns;
    if (options_.launch_agent.empty() && is_this_host(host.name)) {
      config.path = "/bin/sh";
      config.agent = {"/bin/sh", "-c", agent_command(options_.program)};
    } else {
      config.agent.push_back(host.name);
      config.agent.push_back(agent_command(options_.program));
    }
    auto ranks = std::make_unique<RemoteRanks>(*this, std::move(config));
    std::string job = job_for(host, first_rank, secret);
    GOSSAMER_ASSIGN(const auto failure, ranks->connect(job));
    if (failure.exit_code != 0) {
      fail(failure.exit_code, failure.message);
      break;
    }
    remote_.push_back(ranks.get());
    waiting_.push_back(ranks.get());
    hosts_.push_back(std::move(ranks));
    first_rank += host.ranks;
  }
  explicit_bzero(secret.data(), secret.size());
  return {};
}

// Once all are ready, so that a host that cannot be reached leaves nothing begun on the others.
void Job::start_hosts() {
  if (waiting_.empty() || report_.exit_code != 0) return;
  if (!std::all_of(waiting_.begin(), waiting_.end(), [](const RemoteRanks* host) { return host->is_ready(); })) return;
  const std::string rendezvous = waiting_.front()->rendezvous();
  for (RemoteRanks* const host : std::exchange(waiting_, {})) {
    if (has_input() && hosts_.front().get() == host) host->pass_input();
    host->start(rendezvous);
  }
}

void Job::on_failure(const StartFailure& failure) {
  if (report_.exit_code != 0) return tell(failure.message);
  const bool has_begun = waiting_.empty();
  const std::size_t others = alive();
  fail(failure.exit_code,
       others == 0 || !has_begun
           ? failure.message
           : text(failure.message, "; ending the ", others, others == 1 ? " other peer" : " other peers",
                  " unless they end within ", format_duration(options_.settle_ns)));
  if (phase_ == Phase::running) enter(Phase::settling, has_begun ? options_.settle_ns : 0);
}

void Job::on_end(const PeerEnd& end) {
  report_.peers.push_back(end);
  if (end.status == 0 || report_.exit_code != 0) return;
  const std::string how = end.signal != 0 ? text("was ended by signal ", end.signal, " (", strsignal(end.signal),
                                                 signal_hint(end.signal), ")")
                                          : text("ended with status ", end.status);
  const std::size_t others = alive();
  fail(end.status, text("rank ", end.rank, end.host.empty() ? "" : " on ", end.host, " (process ", end.pid, ") ", how,
                        others == 0 ? std::string()
                                    : text("; ending the ", others, others == 1 ? " other peer" : " other peers",
                                           " unless they end within ", format_duration(options_.settle_ns))));
  if (phase_ == Phase::running) enter(Phase::settling, options_.settle_ns);
}

// Ctrl-Z. SIGSTOP, which no peer can leave aside: one that computed on would lose those that stand still. The job's
// clock stands still as well.
void Job::stop_all() {
  send_all(SIGSTOP);
  const std::uint64_t stopped_ns = clock_.now_ns();
  signals_.stop_here();
  if (deadline_ns_ != never) deadline_ns_ += clock_.now_ns() - stopped_ns;
  send_all(SIGCONT);
}

void Job::take_signal(int signal) {
  if (signal == SIGUSR1 || signal == SIGUSR2) {
    send_all(signal);
    return;
  }
  if (signal == SIGTSTP) {
    stop_all();
    return;
  }
  if (report_.interrupt_signal != 0) {
    tell(text("interrupted again: killing ", alive(), " peers"));
    send_all(SIGKILL);
    enter(Phase::killing, kill_ns);
    return;
  }
  report_.interrupt_signal = signal;
  fail(exit_signal_base + signal, text("interrupted by signal ", signal, " (", strsignal(signal), "): passed on to ",
                                       alive(), " peers; what runs after ", format_duration(options_.interrupt_ns),
                                       ", or after a second interrupt, is killed"));
  send_all(signal);
  if (phase_ == Phase::running || phase_ == Phase::settling) enter(Phase::terminating, options_.interrupt_ns);
}

void Job::take_time() {
  if (clock_.now_ns() < deadline_ns_) return;
  switch (phase_) {
    case Phase::running:
      fail(exit_timeout, text("the job ran longer than --timeout ", format_duration(options_.timeout_ns), ": ending ",
                              alive(), " peers"));
      [[fallthrough]];
    case Phase::settling:
      send_all(SIGTERM);
      enter(Phase::terminating, options_.grace_ns);
      break;
    case Phase::terminating:
      send_all(SIGKILL);
      enter(Phase::killing, kill_ns);
      break;
    case Phase::killing:
      for (const auto& host : hosts_) host->give_up();
      break;
  }
}

void Job::write_some() {
  const int error = queue_.write_some();
  if (error == 0 || output_closed_) return;
  output_closed_ = true;
  fail(error == EPIPE ? exit_signal_base + SIGPIPE : exit_failure,
       text("cannot write the peers' output: ", std::strerror(error)));
}

void Job::wait_for_something() {
  std::vector<pollfd> polled = {{signals_.descriptor(), POLLIN, 0}};
  std::vector<std::size_t> begins;  // of each host's
  std::uint64_t until_ns = deadline_ns_;
  for (const auto& host : hosts_) {
    begins.push_back(polled.size());
    host->add_polled(polled);
    until_ns = std::min(until_ns, host->deadline_ns());
  }
  begins.push_back(polled.size());
  const bool writes = !queue_.empty();
  if (writes) polled.push_back({queue_.front_descriptor(), POLLOUT, 0});

  int timeout_ms = -1;
  if (until_ns != never) {
    const std::uint64_t now = clock_.now_ns();
    const std::uint64_t left_ms = until_ns > now ? (until_ns - now) / 1'000'000 + 1 : 0;
    timeout_ms = static_cast<int>(std::min<std::uint64_t>(left_ms, INT_MAX));
  }
  if (::poll(polled.data(), polled.size(), timeout_ms) <= 0) return;

  if (writes && polled.back().revents != 0) {
    write_some();
    if (output_closed_ && phase_ == Phase::running) enter(Phase::settling, 0);
  }
  for (std::size_t i = 0; i < hosts_.size(); ++i)
    hosts_[i]->take_polled(std::span(polled).subspan(begins[i], begins[i + 1] - begins[i]));
  if (polled[0].revents != 0) {
    while (const int signal = signals_.next()) take_signal(signal);
  }
}

// Writes what is left. A reader that stopped reading is left behind at the next signal.
void Job::flush() {
  while (!queue_.empty()) {
    pollfd polled[2] = {{signals_.descriptor(), POLLIN, 0}, {queue_.front_descriptor(), POLLOUT, 0}};
    const int timeout_ms = report_.interrupt_signal != 0 ? 2'000 : -1;
    if (::poll(polled, 2, timeout_ms) == 0) return queue_.clear();
    if (polled[1].revents != 0) write_some();
    if (polled[0].revents == 0) continue;
    const int signal = signals_.next();
    if (signal == SIGTSTP) signals_.stop_here();
    if (signal == 0 || signal == SIGUSR1 || signal == SIGUSR2 || signal == SIGTSTP) continue;
    if (report_.exit_code == 0) report_.exit_code = exit_signal_base + signal;
    report_.interrupt_signal = signal;
    queue_.clear();
  }
}

void Job::loop() {
  while (alive() > 0) {
    wait_for_something();
    const std::uint64_t now = clock_.now_ns();
    for (const auto& host : hosts_) host->take_time(now);
    take_time();
    start_hosts();
  }
}

Result<LaunchReport> Job::run() {
  report_.job = options_.job.empty() ? make_job_name() : options_.job;
  if (options_.timeout_ns != 0) enter(Phase::running, options_.timeout_ns);
  const Status started = options_.hosts.empty() ? start_here() : connect_to_hosts();
  if (!started.ok() || report_.exit_code != 0) {
    send_all(SIGKILL);
    enter(Phase::killing, kill_ns);
  }
  loop();
  flush();
  for (RemoteRanks* const host : remote_) host->hang_up();  // all at once, before each is waited for
  remote_.clear();
  hosts_.clear();
  if (options_.sweep) options_.sweep(report_.job);
  if (!started.ok()) return Error(started.error());
  std::sort(report_.peers.begin(), report_.peers.end(),
            [](const PeerEnd& left, const PeerEnd& right) { return left.rank < right.rank; });
  return report_;
}

}  // namespace

std::string make_job_name() {
  std::uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) random = SteadyClock().now_ns();
  return text("job-", getpid(), "-", hex(random));
}

Result<std::string> find_program(const std::string& name) {
  const auto executable = [](const std::string& path) {
    struct stat state;
    return ::stat(path.c_str(), &state) == 0 && S_ISREG(state.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), F_OK) != 0) {
      return Error{Code::unavailable, text("there is no program ", name, " (", std::strerror(errno), ")")};
    }
    return name;  // whether it can be executed, exec says
  }
  const char* folders = std::getenv("PATH");
  const std::string path = folders != nullptr ? folders : "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string folder = path.substr(at, end - at);
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (executable(candidate)) return candidate;
    at = end + 1;
  }
  return Error{Code::unavailable,
               text("there is no program \"", name, "\" in PATH (", path, "); give its path, such as ./", name)};
}

Result<LaunchReport> launch(const LaunchOptions& options) {
  if (options.command.empty() || options.command.front().empty()) {
    return Error{Code::invalid_argument, "no program to start: name one after --"};
  }
  if (options.rank_count == 0) return Error{Code::invalid_argument, "0 ranks: at least 1 is needed"};
  GOSSAMER_TRY(runtime::check_started_once(options.title));
  return Job(options).run();
}

}  // namespace gossamer::tools
