#include "tools/bench/bench_transport.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "tools/bench/bare_libfabric.h"
#include "tools/bench/bare_ucx.h"
#include "tools/bench/contract_channel.h"
#include "tools/bench/process_pair.h"
#include "tools/command/progress.h"
#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

// The table of what is measured. A way is one setting of the library underneath, ours beside the bare calls.
struct Call {
  std::string name;
  ChannelMaker make;
};
struct Way {
  std::string name;
  std::string ucx_transports;  // UCX_TLS while channels are made, so that both choose the same; empty: not of UCX
  std::vector<Call> ours;
  std::string bare_name;
  ChannelMaker bare;
};

constexpr const char* job = "bench";

// What a process left in shared memory that was killed: before, for an earlier bench, and after, for the second
// process, which is killed where the first fails.
class SweptMemory {
 public:
  SweptMemory() { transport::sweep_shared_memory(); }
  ~SweptMemory() { transport::sweep_shared_memory(); }
  SweptMemory(const SweptMemory&) = delete;
  SweptMemory& operator=(const SweptMemory&) = delete;
};

// While it lives, a signal that asks for the end is remembered; both processes then end in order, and this one by that
// signal at last.
class PatientEnd {
 public:
  PatientEnd() {
    struct sigaction remember = {};
    remember.sa_handler = [](int signal) { asked_ = signal; };
    remember.sa_flags = SA_RESTART;
    for (const int each : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(each, &remember, nullptr);
  }
  ~PatientEnd() {
    for (const int each : {SIGINT, SIGTERM, SIGHUP}) ::signal(each, SIG_DFL);
    if (asked_ != 0) ::raise(asked_);
  }
  PatientEnd(const PatientEnd&) = delete;
  PatientEnd& operator=(const PatientEnd&) = delete;

  [[nodiscard]] static bool is_asked() { return asked_ != 0; }

 private:
  static inline volatile std::sig_atomic_t asked_ = 0;
};

Result<std::unique_ptr<transport::Transport>> make_ucx() { return transport::make_ucx_transport({job}); }

Call messages(const TransportMaker& make) {
  return {"send", [make](const Exchange& exchange, const ChannelMemory& memory) {
            return make_message_channel(make, exchange, memory);
          }};
}

Call mapped(const TransportMaker& make) {
  return {"mapped", [make](const Exchange& exchange, const ChannelMemory& memory) {
            return make_mapped_channel(make, exchange, memory);
          }};
}

Way libfabric_way(const std::string& name, const std::string& provider) {
  const TransportMaker make = [provider] {
    return transport::make_libfabric_transport({.job = job, .provider = provider});
  };
  const ChannelMaker bare = [provider](const Exchange& exchange, const ChannelMemory& memory) {
    return make_bare_libfabric_channel(provider, exchange, memory);
  };
  return {name, "", {messages(make)}, "libfabric", bare};
}

const std::vector<Way>& all_ways() {
  static const std::vector<Way> ways = [] {
    std::vector<Way> made = {
        {"ucx posix", "posix,self", {messages(make_ucx), mapped(make_ucx)}, "ucx", make_bare_ucx_channel},
        {"ucx tcp", "tcp", {messages(make_ucx)}, "ucx", make_bare_ucx_channel},
    };
    if (has_libfabric()) made.push_back(libfabric_way("libfabric shm", "shm"));
    if (has_libfabric()) made.push_back(libfabric_way("libfabric tcp", "tcp;ofi_rxm"));
    return made;
  }();
  return ways;
}

// Sets UCX_TLS for as long as it lives, whatever the user's is: this bench compares named ways.
class ScopedTransports {
 public:
  explicit ScopedTransports(const std::string& value) : set_(!value.empty()) {
    if (const char* const before = std::getenv(name)) before_ = before;
    if (set_) ::setenv(name, value.c_str(), 1);
  }
  ~ScopedTransports() {
    if (set_ && before_) ::setenv(name, before_->c_str(), 1);
    if (set_ && !before_) ::unsetenv(name);
  }
  ScopedTransports(const ScopedTransports&) = delete;
  ScopedTransports& operator=(const ScopedTransports&) = delete;

 private:
  static constexpr const char* name = "UCX_TLS";
  bool set_;
  std::optional<std::string> before_;
};

// The two blocks of a process that its channels share.
struct Blocks {
  explicit Blocks(std::size_t bytes) : out(bytes, std::byte{1}), in(bytes, std::byte{1}) {}
  [[nodiscard]] ChannelMemory memory() { return {out, in}; }
  Blob out;
  Blob in;
};

// All channels of a way: ours in their order, the bare one last. Both processes make them in the same order.
Result<std::vector<std::unique_ptr<Channel>>> make_channels(const Way& way, const Exchange& exchange,
                                                            const ChannelMemory& memory) {
  const ScopedTransports transports(way.ucx_transports);
  std::vector<std::unique_ptr<Channel>> channels;
  for (const Call& call : way.ours) {
    GOSSAMER_ASSIGN(auto channel, call.make(exchange, memory));
    channels.push_back(std::move(channel));
  }
  GOSSAMER_ASSIGN(auto bare, way.bare(exchange, memory));
  channels.push_back(std::move(bare));
  return channels;
}

// What the leader tells the other process to take part in.
struct Turn {
  std::uint64_t channel = 0;
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  std::uint64_t streams = 0;
};

Status take_part(Channel& channel, const Turn& turn, bool leads) {
  return turn.streams != 0 ? channel.stream(turn.bytes, turn.count, leads)
                           : channel.ping_pong(turn.bytes, turn.count, leads);
}

// The second process, until the first closes the socket.
Status follow(PairSocket& socket, const TransportBenchConfig& config, std::size_t bytes_max) {
  Blocks blocks(bytes_max);
  for (const Way& way : all_ways()) {
    if (std::find(config.ways.begin(), config.ways.end(), way.name) == config.ways.end()) continue;
    GOSSAMER_ASSIGN(auto channels, make_channels(way, socket.exchange(), blocks.memory()));
    for (;;) {
      Turn turn;
      if (!socket.read(&turn, sizeof turn)) return {};  // the first process has given up, and says why
      if (turn.count == 0) break;                       // the way is done
      GOSSAMER_TRY(take_part(*channels[turn.channel], turn, false));
    }
  }
  return {};
}

struct Quartiles {
  double p25 = 0, p50 = 0, p75 = 0;
};

Quartiles quartiles(const std::vector<double>& samples) {
  return {percentile(samples, 0.25), percentile(samples, 0.5), percentile(samples, 0.75)};
}

class Leader {
 public:
  Leader(PairSocket& socket, const TransportBenchConfig& config, std::size_t bytes_max)
      : socket_(socket), config_(config), blocks_(bytes_max) {}

  Status measure(const Way& way) {
    GOSSAMER_ASSIGN(channels_, make_channels(way, socket_.exchange(), blocks_.memory()));
    for (const std::uint64_t bytes : config_.bytes) {
      for (std::size_t call = 0; call < way.ours.size(); ++call) GOSSAMER_TRY(measure_pair(way, call, bytes));
    }
    const Turn end;
    if (!socket_.write(&end, sizeof end)) return Error{Code::unavailable, "the second process has ended"};
    channels_.clear();
    return {};
  }

  [[nodiscard]] const nlohmann::json& rows() const { return rows_; }

 private:
  // Seconds of one turn, after one exchange that brings both processes to it.
  Result<double> seconds(const Turn& turn) {
    for (const Turn& each : {Turn{turn.channel, 1, 2, 0}, turn}) {
      if (!socket_.write(&each, sizeof each)) return Error{Code::unavailable, "the second process has ended"};
    }
    GOSSAMER_TRY(take_part(*channels_[turn.channel], {turn.channel, 1, 2, 0}, true));
    const std::uint64_t before_ns = clock_.now_ns();
    GOSSAMER_TRY(take_part(*channels_[turn.channel], turn, true));
    return static_cast<double>(clock_.now_ns() - before_ns) * 1e-9;
  }

  // So many messages that a turn takes about three milliseconds.
  Result<std::uint64_t> count_for(Turn turn) {
    turn.count = 4;
    const auto warm = seconds(turn);
    if (!warm.ok()) return warm.error();
    GOSSAMER_ASSIGN(const auto took, seconds(turn));
    return static_cast<std::uint64_t>(std::clamp(4 * 3e-3 / took, 2.0, 20'000.0));
  }

  // Seconds a message of both channels in every round, alternating.
  Result<std::array<std::vector<double>, 2>> alternate(std::array<std::size_t, 2> which, std::uint64_t bytes,
                                                       bool streams) {
    std::array<std::vector<double>, 2> times;
    std::array<std::uint64_t, 2> counts{};
    for (std::size_t i = 0; i < 2; ++i) {
      GOSSAMER_ASSIGN(counts[i], count_for({which[i], bytes, 0, streams ? 1u : 0u}));
    }
    for (std::uint32_t round = 0; round < config_.rounds; ++round) {
      if (PatientEnd::is_asked()) return Error{Code::cancelled, "interrupted"};
      for (std::size_t k = 0; k < 2; ++k) {
        const std::size_t i = round % 2 == 0 ? k : 1 - k;
        GOSSAMER_ASSIGN(const auto took, seconds({which[i], bytes, counts[i], streams ? 1u : 0u}));
        times[i].push_back(took / static_cast<double>(counts[i]));
      }
    }
    return times;
  }

  Status measure_pair(const Way& way, std::size_t call, std::uint64_t bytes) {
    progress_.update(way.name, rows_.size(), config_.ways.size() * config_.bytes.size() * 3,
                     text(way.ours[call].name, ", ", format_bytes(bytes)));
    const std::array<std::size_t, 2> which = {call, channels_.size() - 1};
    GOSSAMER_ASSIGN(const auto there_and_back, alternate(which, bytes, false));
    std::array<std::vector<double>, 2> one_way_us;
    std::vector<double> overhead_ns;
    std::vector<double> ratio;
    for (std::size_t round = 0; round < config_.rounds; ++round) {
      for (std::size_t i = 0; i < 2; ++i) one_way_us[i].push_back(there_and_back[i][round] / 2 * 1e6);
      overhead_ns.push_back((one_way_us[0].back() - one_way_us[1].back()) * 1e3);
      ratio.push_back(one_way_us[1].back() / one_way_us[0].back());
    }
    const Quartiles ours = quartiles(one_way_us[0]);
    const Quartiles overhead = quartiles(overhead_ns);
    nlohmann::json row = {{"transport", way.name},
                          {"call", way.ours[call].name},
                          {"bytes", bytes},
                          {"p50_us", ours.p50},
                          {"p25_us", ours.p25},
                          {"p75_us", ours.p75},
                          {"peer", way.bare_name},
                          {"peer_p50_us", quartiles(one_way_us[1]).p50},
                          {"overhead_ns", overhead.p50},
                          {"overhead_p25_ns", overhead.p25},
                          {"overhead_p75_ns", overhead.p75},
                          {"ratio", quartiles(ratio).p50}};
    if (bytes >= 4'096 && way.ours[call].name != "mapped") {
      GOSSAMER_ASSIGN(const auto streams, alternate(which, bytes, true));
      std::vector<double> speed_ratio;
      for (std::size_t round = 0; round < config_.rounds; ++round) {
        speed_ratio.push_back(streams[1][round] / streams[0][round]);
      }
      row["gb_per_s"] = static_cast<double>(bytes) / quartiles(streams[0]).p50 / 1e9;
      row["peer_gb_per_s"] = static_cast<double>(bytes) / quartiles(streams[1]).p50 / 1e9;
      row["gb_per_s_ratio"] = quartiles(speed_ratio).p50;
    }
    rows_.push_back(std::move(row));
    return {};
  }

  PairSocket& socket_;
  const TransportBenchConfig& config_;
  Blocks blocks_;
  std::vector<std::unique_ptr<Channel>> channels_;
  nlohmann::json rows_ = nlohmann::json::array();
  ProgressLine progress_{true};
  SteadyClock clock_;
};

std::string host_name() {
  utsname names = {};
  return ::uname(&names) == 0 ? names.nodename : "this host";
}

}  // namespace

std::vector<std::string> transport_bench_ways() {
  std::vector<std::string> names;
  for (const Way& way : all_ways()) names.push_back(way.name);
  return names;
}

Status check_transport_bench(const TransportBenchConfig& config) {
  const auto wrong = [](auto... parts) { return Error{Code::invalid_argument, text(parts...)}; };
  for (const std::uint64_t bytes : config.bytes)
    if (bytes < 1 || bytes > 1u << 30) return wrong("--bytes ", bytes, ": expected 1 to 2^30");
  if (config.bytes.empty()) return wrong("--bytes: expected at least one size");
  if (config.rounds < 1 || config.rounds > 1'000) return wrong("--rounds ", config.rounds, ": expected 1 to 1000");
  return {};
}

Result<nlohmann::json> bench_transport(const TransportBenchConfig& chosen) {
  TransportBenchConfig config = chosen;
  if (config.ways.empty()) config.ways = transport_bench_ways();
  const std::size_t bytes_max = *std::max_element(config.bytes.begin(), config.bytes.end());
  const PatientEnd end;
  const SweptMemory swept;
  GOSSAMER_ASSIGN(auto pair, ProcessPair::start([&](PairSocket& socket) { return follow(socket, config, bytes_max); }));
  Leader leader(pair->socket(), config, bytes_max);
  for (const Way& way : all_ways()) {
    if (std::find(config.ways.begin(), config.ways.end(), way.name) == config.ways.end()) continue;
    if (const Status measured = leader.measure(way); !measured.ok()) {
      return Error{measured.error().code, text(way.name, ": ", measured.error().message)};
    }
  }
  GOSSAMER_TRY(pair->finish());
  return leader.rows();
}

std::string session_warning() {
  // What launchers tell each of the processes that they start.
  constexpr std::array names = {"GOSSAMER_RANK_COUNT", "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
                                "SLURM_STEP_NUM_TASKS"};
  for (const char* name : names) {
    const char* const value = std::getenv(name);
    if (value == nullptr || std::string_view(value) == "1" || *value == '\0') continue;
    return text("warning: ", name, " is ", value, ", but this bench is no rank of that session: it starts a second ",
                "process on ", host_name(),
                " and measures between the two; run it once, without a launcher, for times ", "that nothing disturbs");
  }
  return "";
}

std::string transport_bench_table(const nlohmann::json& rows) {
  std::vector<std::vector<std::string>> table = {{"transport", "call", "bytes", "us one way", "bare", "overhead ns",
                                                  "quartiles", "bare / ours", "GB/s", "bare", "of bare"}};
  const auto number = [](const nlohmann::json& row, const char* key, int digits) {
    return row.contains(key) ? format_number(row.at(key).get<double>(), digits) : std::string("-");
  };
  for (const nlohmann::json& row : rows) {
    table.push_back({row.at("transport").get<std::string>(), row.at("call").get<std::string>(), number(row, "bytes", 0),
                     number(row, "p50_us", 3), number(row, "peer_p50_us", 3), number(row, "overhead_ns", 0),
                     number(row, "overhead_p25_ns", 0) + " to " + number(row, "overhead_p75_ns", 0),
                     number(row, "ratio", 2), number(row, "gb_per_s", 2), number(row, "peer_gb_per_s", 2),
                     number(row, "gb_per_s_ratio", 3)});
  }
  return text("between two processes on ", host_name(), "\n", format_table(table));
}

}  // namespace gossamer::tools
