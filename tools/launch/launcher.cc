#include "tools/launch/launcher.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "runtime/runtime.h"
#include "tools/command/exit_codes.h"
#include "tools/launch/job_secret.h"
#include "tools/launch/line_relay.h"
#include "tools/launch/spawn.h"

namespace gossamer::tools {
namespace {

// Peers' text that may wait for a slow reader of ours; then the peers wait as well.
constexpr std::size_t queued_bytes_max = 1 << 20;
// For a process that SIGKILL does not end at once (it hangs in the kernel).
constexpr std::uint64_t kill_ns = 10'000'000'000;
constexpr std::uint64_t never = ~std::uint64_t{0};
// Of a launcher or a rank, beside those for each rank.
constexpr std::size_t descriptors_alone = 40;

struct Listener {
  UniqueDescriptor socket;
  std::uint16_t port = 0;
};

Result<Listener> make_listener() {
  const auto failed = [](const char* what) {
    return Error{Code::unavailable, text("cannot ", what, " a socket on 127.0.0.1 for the rendezvous: ",
                                         std::strerror(errno), "; is the loopback interface up?")};
  };
  Listener out;
  const UniqueDescriptor low(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!low.is_open()) return failed("make");
  // Above the standard descriptors, which are replaced in the peers.
  out.socket = UniqueDescriptor(fcntl(low.value(), F_DUPFD_CLOEXEC, 10));
  if (!out.socket.is_open()) return failed("keep");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(out.socket.value(), reinterpret_cast<sockaddr*>(&address), length) != 0) return failed("bind");
  if (listen(out.socket.value(), SOMAXCONN) != 0) return failed("listen on");
  if (getsockname(out.socket.value(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return failed("name");
  out.port = ntohs(address.sin_port);
  // Rank 0 may have to listen there anew, where its program has closed this socket, beside connections that have ended.
  const int on = 1;
  if (setsockopt(out.socket.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return failed("set up");
  return out;
}

// This process's signals while a job runs: read from a descriptor instead of interrupting anything.
class SignalGuard {
 public:
  SignalGuard() {
    sigset_t mask;
    sigemptyset(&mask);
    for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP}) sigaddset(&mask, each);
    sigprocmask(SIG_BLOCK, &mask, &former_mask_);
    descriptor_ = UniqueDescriptor(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, &former_pipe_);  // a closed output is seen as EPIPE
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;
  ~SignalGuard() {
    sigaction(SIGPIPE, &former_pipe_, nullptr);
    sigprocmask(SIG_SETMASK, &former_mask_, nullptr);
  }
  [[nodiscard]] int descriptor() const { return descriptor_.value(); }
  // The next signal that has come, 0 if none.
  [[nodiscard]] int next() const {
    signalfd_siginfo info;
    return ::read(descriptor(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }
  // Stops this process as an unhandled SIGTSTP does, which is not at all where nobody could let it go on (an orphaned
  // group). Returns once it goes on.
  void stop_here() const {
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    ::raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, nullptr);
    sigprocmask(SIG_BLOCK, &stop, nullptr);
  }

 private:
  UniqueDescriptor descriptor_;
  sigset_t former_mask_;
  struct sigaction former_pipe_;
};

struct Stream {
  UniqueDescriptor pipe;  // reading end, never blocks
  int target = -1;
  LineRelay relay;
};

struct PeerProcess {
  PeerEnd end;
  UniqueDescriptor process;  // pidfd; open while the peer lives
  Stream streams[2];
  std::uint64_t start_ns = 0;
};

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

class Job {
 public:
  explicit Job(const LaunchOptions& options) : options_(options) {}

  Result<LaunchReport> run();

 private:
  Status start_peers(const std::string& path);
  struct Inherited {
    Listener listener;        // rank 0's
    UniqueDescriptor secret;  // every rank's; not open where the peers have one from elsewhere
  };
  Status start_peer(std::uint32_t rank, const std::string& path, Inherited& inherited);
  [[nodiscard]] std::vector<std::string> environment(std::uint32_t rank, const Inherited& inherited) const;
  void loop();
  void wait_for_something();
  void read_stream(Stream& stream);
  void take_end(PeerProcess& peer);
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
  std::vector<std::unique_ptr<PeerProcess>> peers_;
  LaunchReport report_;
  Phase phase_ = Phase::running;
  std::uint64_t deadline_ns_ = never;
  bool output_closed_ = false;
};

std::size_t Job::alive() const {
  return static_cast<std::size_t>(
      std::count_if(peers_.begin(), peers_.end(), [](const auto& peer) { return peer->process.is_open(); }));
}

void Job::tell(const std::string& message) { queue_.push(options_.errors, options_.title + ": " + message + "\n"); }

void Job::send_all(int signal) {
  for (const auto& peer : peers_) {
    // The peer is not reaped yet, so its group's number cannot belong to anyone else.
    if (peer->process.is_open()) ::kill(static_cast<pid_t>(-peer->end.pid), signal);
  }
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

std::vector<std::string> Job::environment(std::uint32_t rank, const Inherited& inherited) const {
  std::vector<std::pair<std::string, std::string>> set = {
      {"GOSSAMER_RANK", std::to_string(rank)},
      {"GOSSAMER_RANK_COUNT", std::to_string(options_.rank_count)},
      {"GOSSAMER_RENDEZVOUS", "127.0.0.1:" + std::to_string(inherited.listener.port)},
      {"GOSSAMER_JOB", report_.job},
  };
  if (rank == 0) set.emplace_back("GOSSAMER_RENDEZVOUS_FD", std::to_string(inherited.listener.socket.value()));
  if (inherited.secret.is_open()) set.emplace_back("GOSSAMER_SECRET", text("fd:", inherited.secret.value()));
  set.insert(set.end(), options_.environment.begin(), options_.environment.end());
  std::vector<std::string> out;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view line(*each);
    const std::string_view name = line.substr(0, line.find('='));
    const bool replaced = name == "GOSSAMER_RENDEZVOUS_FD" ||
                          std::any_of(set.begin(), set.end(), [&](const auto& pair) { return pair.first == name; });
    if (!replaced) out.emplace_back(line);
  }
  for (const auto& [name, value] : set) out.push_back(name + "=" + value);
  return out;
}

Status Job::start_peer(std::uint32_t rank, const std::string& path, Inherited& inherited) {
  auto peer = std::make_unique<PeerProcess>(
      PeerProcess{{rank}, {}, {{{}, options_.output, LineRelay("")}, {{}, options_.errors, LineRelay("")}}, 0});
  SpawnRequest request{path, options_.command, environment(rank, inherited), -1, -1, -1, {}, nullptr};
  UniqueDescriptor own_ends[2];
  for (int i = 0; i < 2; ++i) {
    Stream& stream = peer->streams[i];
    stream.relay = LineRelay(text("[", rank, "] "));
    if (i == 1 && rank == 0 && options_.rank_0_keeps_stderr) {
      own_ends[i] = UniqueDescriptor(fcntl(options_.errors, F_DUPFD_CLOEXEC, 3));
    } else {
      int ends[2];
      if (pipe2(ends, O_CLOEXEC) != 0) {
        return Error{Code::out_of_resources, text("cannot make a pipe: ", std::strerror(errno), "; raise `ulimit -n`")};
      }
      stream.pipe = UniqueDescriptor(ends[0]);
      fcntl(stream.pipe.value(), F_SETFL, O_NONBLOCK);
      own_ends[i] = UniqueDescriptor(fcntl(ends[1], F_DUPFD_CLOEXEC, 3));
      ::close(ends[1]);
    }
  }
  // Rank 0 reads what is piped into the launcher; a terminal stays the launcher's.
  const bool takes_input = rank == 0 && fcntl(0, F_GETFD) >= 0 && isatty(0) == 0;
  const UniqueDescriptor input(takes_input ? fcntl(0, F_DUPFD_CLOEXEC, 3) : ::open("/dev/null", O_RDONLY | O_CLOEXEC));
  request.input = input.value();
  request.output = own_ends[0].value();
  request.errors = own_ends[1].value();
  if (rank == 0) {
    request.kept = options_.rank_0_descriptors;
    request.given = &inherited.listener.socket;
  }
  if (inherited.secret.is_open()) request.kept.push_back(inherited.secret.value());
  peer->start_ns = clock_.now_ns();
  Result<Spawned> spawned = spawn(request);
  if (!spawned.ok()) return std::move(spawned).error();
  if (spawned->exec_errno != 0) {
    const bool missing = spawned->exec_errno == ENOENT;
    fail(missing ? exit_not_found : exit_not_executable,
         text("cannot execute ", path, ": ", std::strerror(spawned->exec_errno),
              missing ? "; does the interpreter in its first line exist?" : "; is it a program for this machine?"));
    return {};
  }
  peer->end.pid = spawned->pid;
  peer->process = open_process(spawned->pid);
  if (!peer->process.is_open()) {
    const int error = errno;
    ::kill(-spawned->pid, SIGKILL);
    ::waitpid(spawned->pid, nullptr, 0);
    return Error{Code::out_of_resources, text("cannot watch process ", spawned->pid, ": ", std::strerror(error),
                                              "; pidfd_open needs Linux 5.3 and a free descriptor")};
  }
  peers_.push_back(std::move(peer));
  return {};
}

Status Job::start_peers(const std::string& path) {
  Result<Listener> listener = make_listener();
  if (!listener.ok()) return std::move(listener).error();
  Result<UniqueDescriptor> secret = make_job_secret();
  if (!secret.ok()) return std::move(secret).error();
  Inherited inherited{*std::move(listener), *std::move(secret)};
  for (std::uint32_t rank = 0; rank < options_.rank_count && report_.exit_code == 0; ++rank) {
    GOSSAMER_TRY(start_peer(rank, path, inherited));
  }
  return {};  // the launcher's copy of the secret closes here
}

void Job::read_stream(Stream& stream) {
  char bytes[64 * 1024];
  const ssize_t got = ::read(stream.pipe.value(), bytes, sizeof bytes);
  if (got > 0) {
    queue_.push(stream.target, stream.relay.feed({bytes, static_cast<std::size_t>(got)}));
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    queue_.push(stream.target, stream.relay.finish());
    stream.pipe.close();
  }
}

void Job::take_end(PeerProcess& peer) {
  const auto pid = static_cast<pid_t>(peer.end.pid);
  // Still a zombie, so the group's number is still its own: what it left running goes now.
  ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  peer.process.close();
  peer.end.duration_ns = clock_.now_ns() - peer.start_ns;
  peer.end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  peer.end.status = WIFSIGNALED(status) ? exit_signal_base + WTERMSIG(status) : WEXITSTATUS(status);
  // All that it wrote is in its pipes by now. Another process may still hold their ends, so there is no
  // waiting for the end of file; a pipe holds at most 1 MiB.
  for (Stream& stream : peer.streams) {
    for (int i = 0; i < 16 && stream.pipe.is_open(); ++i) {
      pollfd ready = {stream.pipe.value(), POLLIN, 0};
      if (::poll(&ready, 1, 0) <= 0) break;
      read_stream(stream);
    }
    queue_.push(stream.target, stream.relay.finish());
    stream.pipe.close();
  }
  if (peer.end.status == 0 || report_.exit_code != 0) return;
  const std::string how = peer.end.signal != 0 ? text("was ended by signal ", peer.end.signal, " (",
                                                      strsignal(peer.end.signal), signal_hint(peer.end.signal), ")")
                                               : text("ended with status ", peer.end.status);
  const std::size_t others = alive();
  fail(peer.end.status, text("rank ", peer.end.rank, " (process ", pid, ") ", how,
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
      for (const auto& peer : peers_) {
        if (!peer->process.is_open()) continue;
        tell(text("rank ", peer->end.rank, " (process ", peer->end.pid,
                  ") does not end after SIGKILL: it hangs in the kernel"));
        peer->end.status = exit_signal_base + SIGKILL;
        peer->process.close();
      }
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
  std::vector<PeerProcess*> ends;
  std::vector<Stream*> streams;
  for (const auto& peer : peers_) {
    if (!peer->process.is_open()) continue;
    polled.push_back({peer->process.value(), POLLIN, 0});
    ends.push_back(peer.get());
  }
  for (const auto& peer : peers_) {
    for (Stream& stream : peer->streams) {
      if (!stream.pipe.is_open() || queue_.bytes() > queued_bytes_max) continue;
      polled.push_back({stream.pipe.value(), POLLIN, 0});
      streams.push_back(&stream);
    }
  }
  if (!queue_.empty()) polled.push_back({queue_.front_descriptor(), POLLOUT, 0});

  int timeout_ms = -1;
  if (deadline_ns_ != never) {
    const std::uint64_t now = clock_.now_ns();
    const std::uint64_t left_ms = deadline_ns_ > now ? (deadline_ns_ - now) / 1'000'000 + 1 : 0;
    timeout_ms = static_cast<int>(std::min<std::uint64_t>(left_ms, INT_MAX));
  }
  if (::poll(polled.data(), polled.size(), timeout_ms) <= 0) return;

  if (!queue_.empty() && polled.back().revents != 0) {
    write_some();
    if (output_closed_ && phase_ == Phase::running) enter(Phase::settling, 0);
  }
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (polled[1 + ends.size() + i].revents != 0) read_stream(*streams[i]);
  }
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (polled[1 + i].revents != 0) take_end(*ends[i]);
  }
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
    take_time();
  }
}

Result<LaunchReport> Job::run() {
  report_.job = options_.job.empty() ? make_job_name() : options_.job;
  const Result<std::string> path = find_program(options_.command.front());
  if (!path.ok()) {
    fail(exit_not_found, path.error().message);
    flush();
    return report_;
  }
  if (options_.timeout_ns != 0) enter(Phase::running, options_.timeout_ns);
  const Status started = start_peers(*path);
  if (!started.ok() || report_.exit_code != 0) {
    send_all(SIGKILL);
    enter(Phase::killing, kill_ns);
  }
  loop();
  flush();
  if (options_.sweep) options_.sweep(report_.job);
  if (!started.ok()) return Error(started.error());
  for (const auto& peer : peers_) report_.peers.push_back(peer->end);
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
  // A rank may need four for each other one while it joins, a launcher three for each: two pipes and what tells its
  // end.
  raise_descriptor_limit(descriptors_alone + std::size_t{4} * options.rank_count);
  GOSSAMER_TRY(check_descriptor_room(text("starting ", options.rank_count, " ranks"),
                                     descriptors_alone + std::size_t{3} * options.rank_count));
  return Job(options).run();
}

}  // namespace gossamer::tools
