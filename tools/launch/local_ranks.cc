#include "tools/launch/local_ranks.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tools/command/exit_codes.h"
#include "tools/launch/spawn.h"

extern char** environ;

namespace gossamer::tools {
namespace {

// Of a launcher or a rank, beside those for each rank.
constexpr std::size_t descriptors_alone = 40;

// NAME=value of everything that a rank has.
std::vector<std::string> environment_of(std::uint32_t rank, const LocalRanksConfig& config) {
  std::vector<std::pair<std::string, std::string>> set = {
      {"GOSSAMER_RANK", std::to_string(rank)},
      {"GOSSAMER_RANK_COUNT", std::to_string(config.session_ranks)},
      {"GOSSAMER_RENDEZVOUS", config.rendezvous},
      {"GOSSAMER_JOB", config.job},
  };
  if (rank == 0) set.emplace_back("GOSSAMER_RENDEZVOUS_FD", std::to_string(config.listener.socket.value()));
  if (config.secret.is_open()) set.emplace_back("GOSSAMER_SECRET", text("fd:", config.secret.value()));
  set.insert(set.end(), config.environment.begin(), config.environment.end());
  std::vector<std::string> out;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view line(*each);
    const std::string_view name = line.substr(0, line.find('='));
    const bool replaced = name == "GOSSAMER_RENDEZVOUS_FD" || name == "GOSSAMER_RANK_HOSTS" ||
                          std::any_of(set.begin(), set.end(), [&](const auto& pair) { return pair.first == name; });
    if (!replaced) out.emplace_back(line);
  }
  for (const auto& [name, value] : set) out.push_back(name + "=" + value);
  return out;
}

}  // namespace

Result<Listener> make_listener(const std::string& host) {
  const auto failed = [&](const char* what) {
    return Error{Code::unavailable, text("cannot ", what, " a socket on ", host, " for the rendezvous: ",
                                         std::strerror(errno), "; is the interface of that address up?")};
  };
  sockaddr_in v4 = {};
  sockaddr_in6 v6 = {};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  const bool is_v4 = inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1;
  errno = EINVAL;
  if (!is_v4 && inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return failed("bind");
  auto* const address = is_v4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  socklen_t length = is_v4 ? sizeof v4 : sizeof v6;
  Listener out;
  const UniqueDescriptor low(socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!low.is_open()) return failed("make");
  // Above the standard descriptors, which are replaced in the ranks.
  out.socket = UniqueDescriptor(fcntl(low.value(), F_DUPFD_CLOEXEC, 10));
  if (!out.socket.is_open()) return failed("keep");
  if (bind(out.socket.value(), address, length) != 0) return failed("bind");
  if (listen(out.socket.value(), SOMAXCONN) != 0) return failed("listen on");
  if (getsockname(out.socket.value(), address, &length) != 0) return failed("name");
  out.address = is_v4 ? text(host, ":", ntohs(v4.sin_port)) : text("[", host, "]:", ntohs(v6.sin6_port));
  // Rank 0 may have to listen there anew, where its program has closed this socket, beside connections that have ended.
  const int on = 1;
  if (setsockopt(out.socket.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return failed("set up");
  return out;
}

Result<StartFailure> LocalRanks::start(LocalRanksConfig config) {
  // A rank may need four for each other one while it joins, a launcher three for each of its own: two pipes and what
  // tells its end.
  raise_descriptor_limit(descriptors_alone + std::size_t{4} * config.session_ranks);
  GOSSAMER_TRY(check_descriptor_room(text("starting ", config.rank_count, " ranks"),
                                     descriptors_alone + std::size_t{3} * config.rank_count));
  StartFailure failure;
  const std::uint32_t end = config.first_rank + config.rank_count;
  for (std::uint32_t rank = config.first_rank; rank < end && failure.exit_code == 0; ++rank) {
    GOSSAMER_ASSIGN(failure, start_rank(rank, config));
  }
  return failure;
}

Result<StartFailure> LocalRanks::start_rank(std::uint32_t rank, LocalRanksConfig& config) {
  auto process = std::make_unique<Process>();
  process->end.rank = rank;
  process->streams[1].target = RankStream::errors;
  SpawnRequest request{config.path, config.command, environment_of(rank, config), -1, -1, -1, {}, nullptr};
  UniqueDescriptor own_ends[2];
  for (int i = 0; i < 2; ++i) {
    Stream& stream = process->streams[i];
    stream.relay = LineRelay(text("[", rank, "] "));
    if (i == 1 && rank == 0 && config.rank_0_errors >= 0) {
      own_ends[i] = UniqueDescriptor(fcntl(config.rank_0_errors, F_DUPFD_CLOEXEC, 3));
    } else {
      GOSSAMER_ASSIGN(auto pipe, make_pipe());
      stream.pipe = std::move(pipe.reading);
      fcntl(stream.pipe.value(), F_SETFL, O_NONBLOCK);
      own_ends[i] = std::move(pipe.writing);
    }
  }
  const bool takes_input = rank == 0 && config.rank_0_input >= 0;
  const UniqueDescriptor input(takes_input ? fcntl(config.rank_0_input, F_DUPFD_CLOEXEC, 3)
                                           : ::open("/dev/null", O_RDONLY | O_CLOEXEC));
  request.input = input.value();
  request.output = own_ends[0].value();
  request.errors = own_ends[1].value();
  if (rank == 0) {
    request.kept = config.rank_0_descriptors;
    request.given = &config.listener.socket;
  }
  if (config.secret.is_open()) request.kept.push_back(config.secret.value());
  process->start_ns = clock_.now_ns();
  Result<Spawned> spawned = spawn(request);
  if (!spawned.ok()) return std::move(spawned).error();
  if (spawned->exec_errno != 0) {
    const bool missing = spawned->exec_errno == ENOENT;
    return StartFailure{
        missing ? exit_not_found : exit_not_executable,
        text("cannot execute ", config.path, ": ", std::strerror(spawned->exec_errno),
             missing ? "; does the interpreter in its first line exist?" : "; is it a program for this machine?")};
  }
  process->end.pid = spawned->pid;
  process->process = open_process(spawned->pid);
  if (!process->process.is_open()) {
    const int error = errno;
    ::kill(-spawned->pid, SIGKILL);
    ::waitpid(spawned->pid, nullptr, 0);
    return Error{Code::out_of_resources, text("cannot watch process ", spawned->pid, ": ", std::strerror(error),
                                              "; pidfd_open needs Linux 5.3 and a free descriptor")};
  }
  processes_.push_back(std::move(process));
  return StartFailure{};
}

std::size_t LocalRanks::alive() const {
  return static_cast<std::size_t>(std::count_if(processes_.begin(), processes_.end(),
                                                [](const auto& process) { return process->process.is_open(); }));
}

void LocalRanks::send(int signal) {
  for (const auto& process : processes_) {
    // It is not reaped yet, so its group's number cannot belong to anyone else.
    if (process->process.is_open()) ::kill(static_cast<pid_t>(-process->end.pid), signal);
  }
}

void LocalRanks::add_polled(std::vector<pollfd>& polled) {
  polled_ends_.clear();
  polled_streams_.clear();
  for (const auto& process : processes_) {
    if (!process->process.is_open()) continue;
    polled.push_back({process->process.value(), POLLIN, 0});
    polled_ends_.push_back(process.get());
  }
  if (!owner_.takes_lines()) return;
  for (const auto& process : processes_) {
    for (Stream& stream : process->streams) {
      if (!stream.pipe.is_open()) continue;
      polled.push_back({stream.pipe.value(), POLLIN, 0});
      polled_streams_.push_back(&stream);
    }
  }
}

void LocalRanks::take_polled(std::span<const pollfd> polled) {
  for (std::size_t i = 0; i < polled_streams_.size(); ++i) {
    if (polled[polled_ends_.size() + i].revents != 0) read_stream(*polled_streams_[i]);
  }
  for (std::size_t i = 0; i < polled_ends_.size(); ++i) {
    if (polled[i].revents != 0) take_end(*polled_ends_[i]);
  }
}

void LocalRanks::read_stream(Stream& stream) {
  char bytes[64 * 1024];
  const ssize_t got = ::read(stream.pipe.value(), bytes, sizeof bytes);
  if (got > 0) {
    owner_.on_lines(stream.target, stream.relay.feed({bytes, static_cast<std::size_t>(got)}));
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    owner_.on_lines(stream.target, stream.relay.finish());
    stream.pipe.close();
  }
}

void LocalRanks::take_end(Process& process) {
  const auto pid = static_cast<pid_t>(process.end.pid);
  // Still a zombie, so the group's number is still its own: what it left running goes now.
  ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  process.process.close();
  process.end.duration_ns = clock_.now_ns() - process.start_ns;
  process.end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  process.end.status = WIFSIGNALED(status) ? exit_signal_base + WTERMSIG(status) : WEXITSTATUS(status);
  // All that it wrote is in its pipes by now. Another process may still hold their ends, so there is no
  // waiting for the end of file; a pipe holds at most 1 MiB.
  for (Stream& stream : process.streams) {
    for (int i = 0; i < 16 && stream.pipe.is_open(); ++i) {
      pollfd ready = {stream.pipe.value(), POLLIN, 0};
      if (::poll(&ready, 1, 0) <= 0) break;
      read_stream(stream);
    }
    owner_.on_lines(stream.target, stream.relay.finish());
    stream.pipe.close();
  }
  owner_.on_end(process.end);
}

void LocalRanks::give_up() {
  for (const auto& process : processes_) {
    if (!process->process.is_open()) continue;
    process->process.close();
    process->end.status = exit_signal_base + SIGKILL;
    owner_.on_failure({exit_failure, text("rank ", process->end.rank, " (process ", process->end.pid,
                                          ") does not end after SIGKILL: it hangs in the kernel")});
    owner_.on_end(process->end);
  }
}

}  // namespace gossamer::tools
