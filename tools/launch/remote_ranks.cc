#include "tools/launch/remote_ranks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/runtime.h"
#include "tools/command/exit_codes.h"
#include "tools/launch/spawn.h"

extern char** environ;

namespace gossamer::tools {
namespace {

// Of rank 0's input that may be on its way: more waits in the pipe of whoever writes it.
constexpr std::size_t input_window = 256 * 1024;
// A greeting that has not come behind so much is none.
constexpr std::size_t noise_bytes_max = 64 * 1024;
// For the agent to end by itself, once it is told nothing more.
constexpr int goodbye_ms = 2'000;

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** each = environ; *each != nullptr; ++each) out.emplace_back(*each);
  return out;
}

int reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? exit_signal_base + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

RemoteRanks::RemoteRanks(RanksOwner& owner, RemoteRanksConfig config)
    : owner_(owner),
      config_(std::move(config)),
      words_(config_.host.name + ": "),
      ranks_(config_.host.ranks),
      has_ended_(config_.host.ranks, false) {
  for (std::uint32_t i = 0; i < config_.host.ranks; ++i) {
    ranks_[i].rank = config_.first_rank + i;
    ranks_[i].host = config_.host.name;
  }
}

RemoteRanks::~RemoteRanks() {
  hang_up();
  if (!process_.is_open()) return;
  pollfd ended = {process_.value(), POLLIN, 0};
  // What it still says may fill its pipe.
  output_.close();
  errors_.close();
  if (::poll(&ended, 1, goodbye_ms) <= 0) ::kill(-pid_, SIGKILL);
  reap(pid_);
}

std::string RemoteRanks::name() const {
  return text("host ", config_.host.name, " (", ranks_text(config_.first_rank, config_.host.ranks), ")");
}

Result<StartFailure> RemoteRanks::connect(std::string& job) {
  GOSSAMER_ASSIGN(auto in, make_pipe());
  GOSSAMER_ASSIGN(auto out, make_pipe());
  GOSSAMER_ASSIGN(auto errors, make_pipe());
  const UniqueDescriptor reading(fcntl(in.reading.value(), F_DUPFD_CLOEXEC, 3));
  auto spawned = spawn({config_.path,
                        config_.agent,
                        own_environment(),
                        reading.value(),
                        out.writing.value(),
                        errors.writing.value(),
                        {},
                        nullptr});
  if (!spawned.ok()) return std::move(spawned).error();
  if (spawned->exec_errno != 0)
    return StartFailure{exit_failure, text("cannot execute ", config_.path, ": ", std::strerror(spawned->exec_errno),
                                           "; it leads to ", name())};
  pid_ = spawned->pid;
  process_ = open_process(pid_);
  if (!process_.is_open()) {
    ::kill(-pid_, SIGKILL);
    reap(pid_);
    return Error{Code::out_of_resources, text("cannot watch process ", pid_, ": ", std::strerror(errno))};
  }
  input_ = std::move(in.writing);
  output_ = std::move(out.reading);
  errors_ = std::move(errors.reading);
  for (const auto* each : {&input_, &output_, &errors_}) fcntl(each->value(), F_SETFL, O_NONBLOCK);
  begun_ns_ = heard_ns_ = clock_.now_ns();
  unsent_ = frame_text("job", job);
  explicit_bzero(job.data(), job.size());
  return StartFailure{};
}

void RemoteRanks::start(const std::string& rendezvous) {
  phase_ = Phase::running;
  begun_ns_ = heard_ns_ = clock_.now_ns();
  next_beat_ns_ = begun_ns_;
  say(frame_text("start", rendezvous));
}

std::size_t RemoteRanks::alive() const {
  return static_cast<std::size_t>(std::count(has_ended_.begin(), has_ended_.end(), false));
}

// Before they run there is nobody to send it to: then the connection ends.
void RemoteRanks::send(int signal) {
  if (phase_ == Phase::ended) return;
  if (signal == SIGCONT) heard_ns_ = clock_.now_ns();  // this process stood still
  if (phase_ == Phase::running) return say(frame_text("signal", std::to_string(signal)));
  if (signal == SIGSTOP || signal == SIGCONT || signal == SIGUSR1 || signal == SIGUSR2) return;
  is_dismissed_ = true;
  lose(exit_failure, "");
}

void RemoteRanks::say(std::string frame) {
  if (!input_.is_open()) return;
  unsent_ += frame;
  write_some();
}

void RemoteRanks::write_some() {
  // The secret is not written before something like an agent answers.
  if (phase_ == Phase::connecting || unsent_.empty() || !input_.is_open()) return;
  const ssize_t wrote = ::write(input_.value(), unsent_.data(), unsent_.size());
  if (wrote < 0) {
    if (errno != EAGAIN && errno != EINTR) input_.close();  // why, the end of the process tells
    return;
  }
  explicit_bzero(unsent_.data(), static_cast<std::size_t>(wrote));
  unsent_.erase(0, static_cast<std::size_t>(wrote));
}

void RemoteRanks::add_polled(std::vector<pollfd>& polled) {
  polled_.clear();
  const auto add = [&](Polled which, int descriptor, short events) {
    polled.push_back({descriptor, events, 0});
    polled_.push_back(which);
  };
  if (owner_.takes_lines()) {
    if (process_.is_open()) add(Polled::process, process_.value(), POLLIN);
    if (output_.is_open()) add(Polled::output, output_.value(), POLLIN);
    if (errors_.is_open()) add(Polled::errors, errors_.value(), POLLIN);
  } else {
    heard_ns_ = clock_.now_ns();  // who is not listened to is not silent
  }
  if (input_.is_open() && !unsent_.empty() && phase_ != Phase::connecting) add(Polled::input, input_.value(), POLLOUT);
  if (passes_input_ && phase_ == Phase::running && input_.is_open() && input_on_its_way_ < input_window)
    add(Polled::stdin_of_launcher, STDIN_FILENO, POLLIN);
}

void RemoteRanks::take_polled(std::span<const pollfd> polled) {
  bool process_ended = false;
  for (std::size_t i = 0; i < polled_.size(); ++i) {
    if (polled[i].revents == 0) continue;
    switch (polled_[i]) {
      case Polled::process:
        process_ended = true;
        break;
      case Polled::output:
        read_output();
        break;
      case Polled::errors:
        read_errors();
        break;
      case Polled::input:
        write_some();
        break;
      case Polled::stdin_of_launcher:
        read_input();
        break;
    }
  }
  if (process_ended) take_process_end();
}

void RemoteRanks::read_output() {
  char bytes[64 * 1024];
  const ssize_t got = ::read(output_.value(), bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return output_.close();
  heard_ns_ = clock_.now_ns();
  reader_.feed({bytes, static_cast<std::size_t>(got)});
  take_frames();
}

void RemoteRanks::read_errors() {
  char bytes[16 * 1024];
  const ssize_t got = ::read(errors_.value(), bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  std::string lines = got > 0 ? words_.feed({bytes, static_cast<std::size_t>(got)}) : words_.finish();
  if (got <= 0) errors_.close();
  if (lines.empty()) return;
  const std::size_t before = lines.size() > 1 ? lines.rfind('\n', lines.size() - 2) : std::string::npos;
  last_words_ = lines.substr(before == std::string::npos ? 0 : before + 1);
  last_words_.pop_back();
  last_words_.erase(0, config_.host.name.size() + 2);
  while (!last_words_.empty() && last_words_.back() == '\r') last_words_.pop_back();
  owner_.on_lines(RankStream::errors, std::move(lines));
}

void RemoteRanks::read_input() {
  char bytes[16 * 1024];
  const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    passes_input_ = false;
    return say(frame_text("input"));
  }
  input_on_its_way_ += static_cast<std::size_t>(got);
  say(frame_text("input", {bytes, static_cast<std::size_t>(got)}));
}

void RemoteRanks::take_frames() {
  while (phase_ == Phase::connecting) {
    const auto line = reader_.next_line();
    if (!line && reader_.held().size() > noise_bytes_max)
      return lose(exit_failure, text("what answers on ", name(), " is no agent"));
    if (!line) return;
    take_greeting(*line);
  }
  while (phase_ != Phase::ended) {
    auto frame = reader_.next();
    if (!frame.ok())
      return lose(exit_failure, text("what came from ", name(), " is not an agent's words: ", frame.error().message));
    if (!*frame) return;
    take_frame(**frame);
  }
}

// Shells say things when they start.
void RemoteRanks::take_greeting(const std::string& line) {
  if (!line.starts_with(agent_greeting))
    return owner_.on_lines(RankStream::errors, text(config_.host.name, ": ", line, "\n"));
  const std::string version = line.substr(agent_greeting.size());
  if (version != runtime::version)
    return lose(exit_failure, text("gossamer on ", name(), " is version ", version, " and this one is ",
                                   runtime::version, ": all hosts need the same"));
  phase_ = Phase::preparing;
  write_some();
}

void RemoteRanks::take_frame(const Frame& frame) {
  if (frame.kind == "out" || frame.kind == "err")
    return owner_.on_lines(frame.kind == "out" ? RankStream::output : RankStream::errors, frame.body);
  if (frame.kind == "beat") return;
  if (frame.kind == "ready" && phase_ == Phase::preparing) {
    rendezvous_ = frame.body;
    phase_ = Phase::ready;
    return;
  }
  const nlohmann::json body = nlohmann::json::parse(frame.body, nullptr, false);
  try {
    if (frame.kind == "took") {
      input_on_its_way_ -= std::min(input_on_its_way_, body.at("bytes").get<std::size_t>());
      return;
    }
    if (frame.kind == "trouble")
      return lose(body.at("exit_code").get<int>(), text("on ", name(), ": ", body.at("message").get<std::string>()));
    if (frame.kind == "end") {
      const auto index = body.at("rank").get<std::uint32_t>() - config_.first_rank;
      if (index < ranks_.size() && !has_ended_[index]) {
        PeerEnd& end = ranks_[index];
        end.pid = body.at("process").get<std::int64_t>();
        end.status = body.at("status").get<int>();
        end.signal = body.at("signal").get<int>();
        end.duration_ns = body.at("duration_ns").get<std::uint64_t>();
        has_ended_[index] = true;
        owner_.on_end(end);
        if (alive() == 0) phase_ = Phase::ended;
        return;
      }
    }
  } catch (const nlohmann::json::exception&) {
  }
  lose(exit_failure, text("the agent on ", name(), " said \"", frame.kind, "\", which means nothing to this version"));
}

void RemoteRanks::take_process_end() {
  process_.close();
  const int status = reap(pid_);
  // All that it said is in its pipes by now; a process that it left behind may hold their ends.
  for (int i = 0; i < 64 && output_.is_open(); ++i) {
    pollfd ready = {output_.value(), POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0) break;
    read_output();
  }
  for (int i = 0; i < 64 && errors_.is_open(); ++i) {
    pollfd ready = {errors_.value(), POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0) break;
    read_errors();
  }
  if (phase_ == Phase::connecting || phase_ == Phase::preparing || phase_ == Phase::ready)
    return lose(exit_failure, why_not_begun(status));
  if (phase_ != Phase::running) return;
  lose(exit_failure, text("the connection to ", name(), " ended: ", config_.agent.front(), " ended with status ",
                          status, last_words_.empty() ? "" : ", its last words: ", last_words_));
}

std::string RemoteRanks::why_not_begun(int status) const {
  std::string said = last_words_.empty() ? "" : text(": ", last_words_);
  if (said.ends_with('.')) said.pop_back();  // more of the sentence may follow
  if (status == exit_not_found)
    return text("there is no gossamer on ", name(), said,
                "; install it there, in PATH or where this one is, or mount this folder there");
  if (status == exit_not_executable) return text("gossamer cannot be executed on ", name(), said);
  return text("cannot reach ", name(), ": ", config_.agent.front(), " ended with status ", status,
              status == 0 ? ", and no gossamer had begun there" : "", said,
              status == 255 && config_.agent.front() == "ssh"
                  ? text("; does `ssh ", config_.host.name, " true` work without a question?")
                  : "");
}

void RemoteRanks::lose(int exit_code, std::string why) {
  if (phase_ == Phase::ended) return;
  phase_ = Phase::ended;
  hang_up();
  if (process_.is_open()) ::kill(-pid_, SIGTERM);
  const std::uint64_t duration_ns = clock_.now_ns() - begun_ns_;
  std::vector<PeerEnd> lost;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    if (has_ended_[i]) continue;
    has_ended_[i] = true;
    ranks_[i].status = exit_code;
    ranks_[i].duration_ns = duration_ns;
    lost.push_back(ranks_[i]);
  }
  if (!is_dismissed_) owner_.on_failure({exit_code, std::move(why)});
  for (const PeerEnd& each : lost) owner_.on_end(each);
}

std::uint64_t RemoteRanks::deadline_ns() const {
  switch (phase_) {
    case Phase::connecting:
    case Phase::preparing:
      return begun_ns_ + config_.connect_ns;
    case Phase::running:
      return std::min(next_beat_ns_, heard_ns_ + config_.silence_ns);
    default:
      return never_ns;
  }
}

void RemoteRanks::take_time(std::uint64_t now_ns) {
  if (now_ns < deadline_ns()) return;
  if (phase_ != Phase::running)
    return lose(exit_failure, text(name(), " gave no answer within ", format_duration(config_.connect_ns),
                                   last_words_.empty() ? "" : ": ", last_words_));
  if (now_ns >= heard_ns_ + config_.silence_ns)
    return lose(exit_failure, text("nothing was heard from ", name(), " for ", format_duration(config_.silence_ns),
                                   ": it is given up; its agent kills what runs there once it hears nothing either"));
  next_beat_ns_ = now_ns + beat_every_ns(config_.silence_ns);
  say(frame_text("beat"));
}

void RemoteRanks::give_up() {
  lose(exit_failure, text(alive(), " ranks of ", name(), " do not end after SIGKILL, or nothing tells of it"));
}

}  // namespace gossamer::tools
