#include "tools/launch/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/runtime.h"
#include "tools/command/exit_codes.h"
#include "tools/launch/frames.h"
#include "tools/launch/job_secret.h"
#include "tools/launch/launcher.h"
#include "tools/launch/line_relay.h"
#include "tools/launch/local_ranks.h"
#include "tools/launch/remote_ranks.h"
#include "tools/launch/signal_guard.h"
#include "tools/launch/spawn.h"

namespace gossamer::tools {
namespace {

constexpr std::size_t agent_queue_max = 1 << 20;
// For the launcher to take the last words, and for processes that SIGKILL does not end at once.
constexpr std::uint64_t leave_ns = 10'000'000'000;

std::string shell_word(std::string_view words) {
  std::string out = "'";
  for (const char each : words) {
    if (each == '\'')
      out += "'\\''";
    else
      out += each;
  }
  return out + "'";
}

class Agent final : public RanksOwner {
 public:
  Agent(UniqueDescriptor input, UniqueDescriptor output)
      : input_(std::move(input)), output_(std::move(output)), ranks_(*this) {}

  int serve();

  void on_lines(RankStream stream, std::string lines) override {
    if (!lines.empty()) say(stream == RankStream::output ? "out" : "err", lines);
  }
  void on_end(const PeerEnd& end) override;
  void on_failure(const StartFailure& failure) override {
    on_lines(RankStream::errors, text("gossamer run: ", failure.message, "\n"));
  }
  [[nodiscard]] bool takes_lines() const override { return queue_.bytes() <= agent_queue_max; }

 private:
  void say(std::string_view kind, std::string_view body = {}) { queue_.push(output_.value(), frame_text(kind, body)); }
  void trouble(int exit_code, const std::string& message);
  void read_launcher();
  void take_frame(const Frame& frame);
  void take_job(const std::string& body);
  void start(const std::string& rendezvous);
  void write_input();
  void leave(const std::string& why);
  void wait_for_something();
  void take_time();

  UniqueDescriptor input_;
  UniqueDescriptor output_;
  SteadyClock clock_;
  SignalGuard signals_;
  OutputQueue queue_;
  FrameReader reader_;
  LocalRanks ranks_;
  LocalRanksConfig config_;
  std::string secret_;
  UniqueDescriptor rank_0_input_;  // our writing end
  std::string unread_input_;
  bool input_ends_ = false;
  bool has_started_ = false;
  bool is_over_ = false;  // no rank is to be started any more
  bool is_paused_ = false;
  std::uint64_t heard_ns_ = 0;
  std::uint64_t silence_ns_ = never_ns;
  std::uint64_t next_beat_ns_ = never_ns;
  std::uint64_t leave_by_ns_ = never_ns;
};

void Agent::on_end(const PeerEnd& end) {
  const nlohmann::json body = {{"rank", end.rank},
                               {"process", end.pid},
                               {"status", end.status},
                               {"signal", end.signal},
                               {"duration_ns", end.duration_ns}};
  say("end", body.dump());
}

void Agent::trouble(int exit_code, const std::string& message) {
  say("trouble", nlohmann::json({{"exit_code", exit_code}, {"message", message}})
                     .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  leave("");
}

// Whatever runs here ends, since nobody is left to tell of it.
void Agent::leave(const std::string& why) {
  if (!why.empty()) on_lines(RankStream::errors, text("gossamer run: ", why, "\n"));
  is_over_ = true;
  ranks_.send(SIGKILL);
  if (leave_by_ns_ == never_ns) leave_by_ns_ = clock_.now_ns() + leave_ns;
}

void Agent::take_job(const std::string& body) {
  try {
    const nlohmann::json job = nlohmann::json::parse(body);
    config_.command = job.at("command").get<std::vector<std::string>>();
    config_.first_rank = job.at("first_rank").get<std::uint32_t>();
    config_.rank_count = job.at("ranks").get<std::uint32_t>();
    config_.session_ranks = job.at("session_ranks").get<std::uint32_t>();
    config_.job = job.at("job").get<std::string>();
    config_.environment = job.at("environment").get<std::vector<std::pair<std::string, std::string>>>();
    secret_ = job.at("secret").get<std::string>();
    silence_ns_ = job.at("silence_ns").get<std::uint64_t>();
    const auto folder = job.at("folder").get<std::string>();
    const auto host = job.at("host").get<std::string>();
    if (::chdir(folder.c_str()) != 0)
      on_lines(RankStream::errors, text("gossamer run: ", host, " has no folder ", folder, " (", std::strerror(errno),
                                        "): its ranks run in the home folder\n"));
    // Variables decide where ranks listen, and PATH where the program is.
    for (const auto& [name, value] : config_.environment) ::setenv(name.c_str(), value.c_str(), 1);
    const auto path = find_program(config_.command.front());
    if (!path.ok()) return trouble(exit_not_found, path.error().message);
    config_.path = *path;
    std::string rendezvous;
    if (config_.first_rank == 0) {
      const char* const chosen = std::getenv("GOSSAMER_INTERFACE");
      const auto address = runtime::reachable_address(host, chosen != nullptr ? chosen : "");
      if (!address.ok()) return trouble(exit_failure, address.error().message);
      auto listener = make_listener(*address);
      if (!listener.ok()) return trouble(exit_failure, listener.error().message);
      config_.listener = *std::move(listener);
      rendezvous = config_.listener.address;
      if (job.at("has_input").get<bool>()) {
        auto pipe = make_pipe();
        if (!pipe.ok()) return trouble(exit_failure, pipe.error().message);
        rank_0_input_ = std::move(pipe->writing);
        fcntl(rank_0_input_.value(), F_SETFL, O_NONBLOCK);
        // Inherited by rank 0 alone: closed at exec, and a copy becomes its stdin.
        config_.rank_0_input = pipe->reading.release();
      }
    }
    next_beat_ns_ = clock_.now_ns();
    say("ready", rendezvous);
  } catch (const nlohmann::json::exception& error) {
    trouble(exit_failure, text("the launcher's job is not what this version expects: ", error.what()));
  }
}

void Agent::start(const std::string& rendezvous) {
  if (has_started_ || is_over_) return;
  has_started_ = true;
  config_.rendezvous = rendezvous;
  const auto is_set = [](const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr && *value != '\0';
  };
  if (!is_set("GOSSAMER_BIND_HOST") && !is_set("GOSSAMER_INTERFACE")) {
    const std::string own = runtime::source_towards(rendezvous);
    if (own.empty()) return trouble(exit_failure, text("no route leads to rank 0's host at ", rendezvous));
    config_.environment.emplace_back("GOSSAMER_BIND_HOST", own);
  }
  if (!secret_.empty()) {
    auto held = hold_secret(secret_);
    explicit_bzero(secret_.data(), secret_.size());
    if (!held.ok()) return trouble(exit_failure, held.error().message);
    config_.secret = *std::move(held);
  }
  const int rank_0_input = config_.rank_0_input;
  const auto started = ranks_.start(std::move(config_));
  if (rank_0_input >= 0) ::close(rank_0_input);
  if (!started.ok()) return trouble(exit_failure, started.error().message);
  if (started->exit_code != 0) return trouble(started->exit_code, started->message);
}

void Agent::take_frame(const Frame& frame) {
  is_paused_ = false;
  if (frame.kind == "job") return take_job(frame.body);
  if (frame.kind == "start") return start(frame.body);
  if (frame.kind == "input") {
    unread_input_ += frame.body;
    input_ends_ = input_ends_ || frame.body.empty();
    return write_input();
  }
  if (frame.kind == "signal") {
    const int signal = std::atoi(frame.body.c_str());
    is_paused_ = signal == SIGSTOP;  // the launcher stands still as well
    ranks_.send(signal);
  }
}

void Agent::read_launcher() {
  char bytes[64 * 1024];
  const ssize_t got = ::read(input_.value(), bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  heard_ns_ = clock_.now_ns();
  if (got > 0) {
    reader_.feed({bytes, static_cast<std::size_t>(got)});
    explicit_bzero(bytes, sizeof bytes);
    for (;;) {
      const auto frame = reader_.next();
      if (!frame.ok()) return leave(text("the launcher said what means nothing here: ", frame.error().message));
      if (!*frame) return;
      take_frame(**frame);
    }
  }
  input_.close();
  leave("");
}

// What rank 0 does not read waits here; the launcher sends no more than is taken.
void Agent::write_input() {
  std::size_t taken = 0;
  while (!unread_input_.empty()) {
    const ssize_t wrote =
        rank_0_input_.is_open() ? ::write(rank_0_input_.value(), unread_input_.data(), unread_input_.size()) : 0;
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) break;
    if (wrote <= 0) {  // nobody reads it any more
      rank_0_input_.close();
      taken += unread_input_.size();
      unread_input_.clear();
      break;
    }
    taken += static_cast<std::size_t>(wrote);
    unread_input_.erase(0, static_cast<std::size_t>(wrote));
  }
  if (unread_input_.empty() && input_ends_) rank_0_input_.close();
  if (taken > 0) say("took", nlohmann::json({{"bytes", taken}}).dump());
}

void Agent::wait_for_something() {
  std::vector<pollfd> polled = {{signals_.descriptor(), POLLIN, 0}};
  const auto add = [&](int descriptor, short events) {
    polled.push_back({descriptor, events, 0});
    return polled.size() - 1;
  };
  const std::size_t launcher = input_.is_open() ? add(input_.value(), POLLIN) : 0;
  const std::size_t output = queue_.empty() ? 0 : add(output_.value(), POLLOUT);
  const std::size_t input = rank_0_input_.is_open() && !unread_input_.empty() ? add(rank_0_input_.value(), POLLOUT) : 0;
  const std::size_t first = polled.size();
  ranks_.add_polled(polled);
  const std::uint64_t now = clock_.now_ns();
  std::uint64_t until = std::min(next_beat_ns_, leave_by_ns_);
  if (!is_paused_ && silence_ns_ != never_ns) until = std::min(until, heard_ns_ + silence_ns_);
  const std::uint64_t left_ms = until > now ? (until - now) / 1'000'000 + 1 : 0;
  const int timeout_ms = until == never_ns ? -1 : static_cast<int>(std::min<std::uint64_t>(left_ms, INT_MAX));
  if (::poll(polled.data(), polled.size(), timeout_ms) <= 0) return;
  if (polled[0].revents != 0) {
    while (const int signal = signals_.next()) {
      if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP)
        leave(has_started_ ? text("its agent was ended by signal ", signal) : "");
    }
  }
  if (output != 0 && polled[output].revents != 0 && queue_.write_some() != 0) leave("");
  if (input != 0 && polled[input].revents != 0) write_input();
  ranks_.take_polled(std::span(polled).subspan(first));
  if (launcher != 0 && polled[launcher].revents != 0) read_launcher();
}

void Agent::take_time() {
  const std::uint64_t now = clock_.now_ns();
  if (now >= next_beat_ns_) {
    if (queue_.empty()) say("beat");  // what waits there is a sign of life as well
    next_beat_ns_ = now + beat_every_ns(silence_ns_);
  }
  if (!is_over_ && !is_paused_ && silence_ns_ != never_ns && now >= heard_ns_ + silence_ns_)
    leave(text("nothing was heard from the launcher for ", format_duration(silence_ns_)));
  if (now >= leave_by_ns_ && ranks_.alive() > 0) ranks_.give_up();
}

int Agent::serve() {
  heard_ns_ = clock_.now_ns();
  queue_.push(output_.value(), text(agent_greeting, runtime::version, "\n"));
  for (;;) {
    wait_for_something();
    take_time();
    const bool is_done = ranks_.alive() == 0 && (is_over_ || has_started_);
    if (is_done && (queue_.empty() || clock_.now_ns() >= leave_by_ns_)) return is_over_ ? exit_failure : exit_success;
    if (is_done && !input_.is_open() && leave_by_ns_ != never_ns)
      leave_by_ns_ = std::min(leave_by_ns_, clock_.now_ns() + 1'000'000'000);
  }
}

}  // namespace

// Whatever shell the user has there: each knows a word in single quotes.
std::string agent_command(const std::string& program) {
  const std::string script = text("p=", shell_word(program), "; test -x \"$p\" || p=gossamer; exec \"$p\" run --agent");
  return "exec /bin/sh -c " + shell_word(script);
}

int serve_launcher(const std::function<void()>& sweep) {
  // Nothing but frames may be written where the launcher reads them.
  UniqueDescriptor input(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10));
  UniqueDescriptor output(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10));
  const UniqueDescriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!input.is_open() || !output.is_open() || dup2(nothing.value(), STDIN_FILENO) < 0 ||
      dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
    return exit_failure;
  fcntl(input.value(), F_SETFL, O_NONBLOCK);
  fcntl(output.value(), F_SETFL, O_NONBLOCK);
  const int status = Agent(std::move(input), std::move(output)).serve();
  if (sweep) sweep();
  return status;
}

}  // namespace gossamer::tools
