#include "tools/topo/measure_session.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "runtime/runtime.h"
#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/log_level.h"
#include "tools/command/progress.h"
#include "tools/command/results.h"
#include "tools/topo/measure_summary.h"
#include "tools/topo/measurement_file.h"
#include "tools/topo/this_host.h"

namespace gossamer::tools {
namespace {

using nlohmann::json;
using runtime::Control;
using topology::Measurement;

constexpr const char* command = "topo measure";
constexpr std::uint64_t agreement_ns = 30'000'000'000;
constexpr std::uint64_t nap_most_ns = 20'000'000;
constexpr std::uint64_t wake_early_ns = 100'000;  // a sleeper comes late by some tens of microseconds
constexpr int spins = 2'000;
constexpr int spins_where_shared = 20;
constexpr std::uint64_t yielding_ns = 2'000'000;  // a sleeper adds its waking to what it waits for

std::string rfc3339_now() {
  const std::time_t now = ::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  const auto two = [](int value) { return text(value < 10 ? "0" : "", value); };
  return text(parts.tm_year + 1'900, "-", two(parts.tm_mon + 1), "-", two(parts.tm_mday), "T", two(parts.tm_hour), ":",
              two(parts.tm_min), ":", two(parts.tm_sec), "Z");
}

std::string options_text(const MeasureRequest& request) {
  const MeasureOptions& options = request.options;
  std::string sizes;
  for (const std::uint64_t bytes : options.work.sizes) sizes += text(" ", bytes);
  return text("sizes", sizes, "; a pair ", options.pair_ns, " ns; idle ", options.idle, "; loaded ", options.loaded,
              "; sample ", static_cast<std::uint64_t>(options.fraction * 1e9), "e-9; seed ", options.seed, "; retest ",
              static_cast<std::uint64_t>(options.retested * 1e9), "e-9; memory ", request.memory);
}

// What only one rank can know before anything is measured.
Status check_own_part(const MeasureRequest& request, const runtime::JoinedMembers& joined,
                      std::optional<Measurement>& resumed) {
  if (request.memory == "cuda") {
    GOSSAMER_TRY(find_device_memory(MemoryKind::cuda));
    const auto& kinds = joined.transport->capabilities().memory_kinds;
    if (std::find(kinds.begin(), kinds.end(), MemoryKind::cuda) == kinds.end()) {
      return Error{Code::unavailable,
                   text(describe_way(joined.transport->capabilities()),
                        " on this host cannot move CUDA memory by itself: measure --memory host, or use a UCX that was "
                        "built with CUDA")};
    }
  }
  if (joined.settings.rank != Rank{0}) return {};
  GOSSAMER_TRY(check_writable(request.out));
  GOSSAMER_TRY(check_writable(request.csv));
  if (request.resume.empty()) return {};
  auto read = read_measurement(request.resume);
  // Whatever is wrong with it, it is a file that cannot be used.
  if (!read.ok()) return Error{Code::malformed, read.error().message};
  resumed = std::move(*read);
  return {};
}

std::string host_words(const ThisHost& host) {
  return json{{"name", host.name}, {"machine", host.machine}, {"cores", host.cores}, {"adapters", host.adapters}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

runtime::Blob blob_of(const std::string& words) {
  runtime::Blob blob(words.size());
  std::memcpy(blob.data(), words.data(), words.size());
  return blob;
}

std::string words_of(const runtime::Blob& blob) { return {reinterpret_cast<const char*>(blob.data()), blob.size()}; }

// Fills in hosts and ranks, and which ranks share a machine.
Status read_hosts(const std::vector<runtime::Blob>& blobs, const std::vector<std::string>& keys,
                  CoordinatorParts& parts) {
  std::map<std::string, std::uint32_t> known;
  std::map<std::string, std::uint32_t> machines;
  std::set<std::string> names;
  for (std::size_t rank = 0; rank < blobs.size(); ++rank) {
    const json words = json::parse(words_of(blobs[rank]), nullptr, false);
    if (!words.is_object() || !words.contains("machine")) {
      return Error{Code::malformed, text("rank ", rank, " says nothing of its host that this version understands")};
    }
    const std::string machine = words.value("machine", "");
    const std::string name = words.value("name", "unknown");
    const auto [host, is_new] =
        known.emplace(text(name, "\n", keys[rank]), static_cast<std::uint32_t>(parts.measurement.hosts.size()));
    if (is_new) {
      std::string own = name;
      for (int number = 2; !names.insert(own).second; ++number) own = text(name, " (", number, ")");
      parts.measurement.hosts.push_back(
          {own, words.value("cores", 1u), words.value("adapters", std::vector<std::string>()), {}, 0.0});
    }
    parts.measurement.ranks.push_back({host->second, false});
    parts.place_of_rank.push_back(machines.emplace(machine, static_cast<std::uint32_t>(machines.size())).first->second);
  }
  return {};
}

// Of the same cluster: pairs of it need not be measured again.
Status take_resumed(const MeasureRequest& request, const Measurement& resumed, Measurement& made) {
  const auto differs = [&](const std::string& what, const std::string& then, const std::string& now) {
    return Error{Code::malformed,
                 text(request.resume, " is of another cluster: ", what, " was ", then, " and is ", now)};
  };
  if (resumed.ranks.size() != made.ranks.size()) {
    return differs("the number of ranks", text(resumed.ranks.size()), text(made.ranks.size()));
  }
  for (std::uint32_t rank = 0; rank < made.ranks.size(); ++rank) {
    if (resumed.host_of(rank) != made.host_of(rank)) {
      return differs(text("the host of rank ", rank), resumed.host_of(rank), made.host_of(rank));
    }
  }
  if (resumed.transport != made.transport) return differs("the transport", resumed.transport, made.transport);
  if (resumed.memory != made.memory) return differs("the memory", resumed.memory, made.memory);
  made.pairs = resumed.pairs;
  return {};
}

class Run {
 public:
  Run(const MeasureRequest& request, runtime::JoinedMembers& joined)
      : request_(request), joined_(joined), is_first_(joined.settings.rank == Rank{0}), progress_(is_first_) {}

  // Collective until the measurement begins.
  Status prepare() {
    std::optional<Measurement> resumed;
    const ThisHost host = describe_this_host(joined_.settings.host);
    runtime::Contribution mine{blob_of(host_words(host)), {}};
    const Status own = check_own_part(request_, joined_, resumed);
    if (!own.ok()) mine.trouble = own.error();
    const std::vector<runtime::Field> fields = {{"options of topo measure", options_text(request_)}};
    const auto blobs = joined_.control->agree_and_gather("preparing", fields, mine, agreement_ns);
    GOSSAMER_TRY(own);
    GOSSAMER_TRY(blobs);
    GOSSAMER_TRY(read_hosts(*blobs, joined_.hosts, parts_));
    Measurement& made = parts_.measurement;
    made.when = rfc3339_now();
    made.version = runtime::version;
    made.transport = describe_way(joined_.transport->capabilities());
    made.memory = request_.memory;
    const bool shares_cores = std::count(parts_.place_of_rank.begin(), parts_.place_of_rank.end(),
                                         parts_.place_of_rank[joined_.settings.rank.value]) > host.cores;
    spins_ = shares_cores ? spins_where_shared : spins;
    blocks_ = shares_cores;
    Status fits = resumed ? take_resumed(request_, *resumed, made) : Status();
    if (fits.ok() && is_first_) fits = check_plan(request_.options, parts_);
    GOSSAMER_TRY(align_clocks());
    return make_rank(fits);
  }

  int measure() {
    const std::uint64_t began_ns = clock_.now_ns();
    drive();
    const std::uint64_t took_ns = clock_.now_ns() - began_ns;
    const Status status = rank().status();
    if (!status.ok()) return complain(command, status.error().message, exit_failure);
    if (!is_first_) return rank().is_incomplete() ? exit_failure : exit_success;
    return publish(took_ns);
  }

  ~Run() {
    member_.reset();
    coordinator_.reset();
    if (!runtime::leave_members(joined_)) {
      static_cast<void>(memory_.release());
      return;
    }
    memory_.reset();
    joined_.transport.reset();
    transport::sweep_shared_memory();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

 private:
  MeasureRank& rank() { return coordinator_ ? *coordinator_ : *member_; }

  Status align_clocks() {
    const bool is_one_clock = joined_.local_ranks == joined_.settings.rank_count;
    if (is_one_clock) return {};
    GOSSAMER_ASSIGN(offset_,
                    runtime::measure_clock_offset(*joined_.control, clock_, joined_.settings.rank, agreement_ns));
    runtime::Blob mine(sizeof offset_.uncertainty_ns);
    std::memcpy(mine.data(), &offset_.uncertainty_ns, mine.size());
    GOSSAMER_ASSIGN(const auto all, joined_.control->all_gather("clock uncertainty", mine, agreement_ns));
    for (const runtime::Blob& each : all) {
      std::uint64_t uncertainty_ns = 0;
      if (each.size() == sizeof uncertainty_ns) std::memcpy(&uncertainty_ns, each.data(), each.size());
      parts_.clock_uncertainty_ns = std::max(parts_.clock_uncertainty_ns, uncertainty_ns);
    }
    return {};
  }

  // `own`: what this rank has found wrong already.
  Status make_rank(Status own) {
    MeasureEnds ends;
    ends.transport = joined_.transport.get();
    ends.clock = &clock_;
    ends.clock_offset_ns = offset_.offset_ns;
    ends.rank = joined_.settings.rank;
    ends.rank_count = joined_.settings.rank_count;
    ends.stolen_cpu = [this] { return stolen_.so_far(); };
    if (own.ok()) {
      auto memory = request_.memory == "cuda"
                        ? make_device_memory(*joined_.transport, request_.options.work.sizes.back())
                        : make_host_memory(*joined_.transport, request_.options.work.sizes.back());
      if (memory.ok()) {
        memory_ = std::move(*memory);
      } else {
        own = memory.error();
      }
    }
    ends.memory = memory_.get();
    runtime::Contribution mine;
    if (!own.ok()) mine.trouble = own.error();
    const auto agreed = joined_.control->agree_and_gather("starting", {}, mine, agreement_ns);
    GOSSAMER_TRY(own);
    GOSSAMER_TRY(agreed);
    if (!is_first_) {
      GOSSAMER_ASSIGN(member_, make_member(ends, request_.options));
      return {};
    }
    parts_.on_phase = [this](const MeasureProgress& progress) { on_phase(progress); };
    GOSSAMER_ASSIGN(coordinator_, make_coordinator(ends, request_.options, parts_));
    return {};
  }

  void take_losses() {
    for (const runtime::Loss& loss : joined_.control->losses(losses_)) {
      ++losses_;
      rank().lose(loss.rank, !loss.left);
    }
  }

  // Spins while it measures, then yields, then sleeps where ranks outnumber cores; sleeps while it does not.
  void drive() {
    int passes = 0;
    std::uint64_t moved_ns = 0;
    while (!rank().finished()) {
      if (rank().advance()) {
        passes = 0;
        continue;
      }
      if (++passes % 64 == 0) take_losses();
      const std::uint64_t now_ns = clock_.now_ns();
      const std::uint64_t wake_ns = rank().wake_ns();
      if (wake_ns > now_ns + 2 * wake_early_ns) {
        sleep(std::min(wake_ns - now_ns - wake_early_ns, nap_most_ns));
        take_losses();
        passes = 0;
      } else if (passes == 1) {
        moved_ns = now_ns;
      } else if (blocks_ && now_ns - moved_ns > yielding_ns) {
        block();
      } else if (passes > spins_) {
        ::sched_yield();
      }
    }
  }

  static void sleep(std::uint64_t duration_ns) {
    const timespec duration = {static_cast<time_t>(duration_ns / 1'000'000'000),
                               static_cast<long>(duration_ns % 1'000'000'000)};
    ::nanosleep(&duration, nullptr);
  }

  void block() {
    pollfd wait = {joined_.transport->event_descriptor(), POLLIN, 0};
    if (wait.fd < 0 || !joined_.transport->capabilities().can_sleep) {
      ::sched_yield();
    } else if (joined_.transport->arm()) {
      ::poll(&wait, 1, 1);
    }
  }

  void on_phase(const MeasureProgress& now) {
    progress_.update(now.is_retest ? "measuring again what looks suspicious" : "measuring", now.slots_done, now.slots,
                     format_duration(now.left_ns) + " left");
    if (request_.out == "-" || !written_.ok()) return;
    written_ = write_whole(request_.out, write_measurement(coordinator_->measurement()));
    if (!written_.ok()) complain(command, written_.error().message + "; measuring goes on", exit_failure);
  }

  int publish(std::uint64_t took_ns) {
    const Measurement measured = coordinator_->measurement();
    const std::string document = write_measurement(measured);
    progress_.finish_line(text("measured in ", format_duration(took_ns)));
    const Status written = write_whole(request_.out, document);
    const Status table = request_.csv.empty() ? Status() : write_whole(request_.csv, measurement_csv(measured));
    if (!written.ok()) static_cast<void>(write_whole("/dev/stderr", document));
    const Status printed = request_.out == "-" ? Status() : write_whole("-", measurement_summary(measured));
    for (const Status* each : {&written, &table, &printed})
      if (!each->ok()) return complain(command, each->error().message, exit_failure);
    const std::string missing = missing_words(measured);
    if (missing.empty()) return exit_success;
    return complain(command,
                    text(missing, "; what was measured is in ", request_.out == "-" ? "stdout" : request_.out,
                         ", and --resume measures the rest"),
                    exit_failure);
  }

  const MeasureRequest& request_;
  runtime::JoinedMembers& joined_;
  bool is_first_;
  ProgressLine progress_;
  SteadyClock clock_;
  StolenCpu stolen_;
  runtime::ClockOffset offset_;
  CoordinatorParts parts_;
  std::unique_ptr<LaneMemory> memory_;
  std::unique_ptr<MeasureRank> member_;
  std::unique_ptr<MeasureCoordinator> coordinator_;
  std::size_t losses_ = 0;
  int spins_ = spins;
  bool blocks_ = false;
  Status written_;
};

int exit_code_of(const Error& error) {
  if (error.code == Code::invalid_argument) return exit_usage;
  return error.code == Code::malformed ? exit_data : exit_failure;
}

}  // namespace

int measure_in_session(const MeasureRequest& request) {
  const Result<LogLevel> level = log_level();
  if (!level.ok()) return complain(command, level.error().message, exit_usage);
  set_log_sink(*level, [](LogLevel, std::string_view line) { complain(command, std::string(line), 0); });
  auto joined = runtime::join_members({});
  if (!joined.ok()) return complain(command, joined.error().message, exit_code_of(joined.error()));
  if (joined->settings.rank_count < 2) {
    return complain(command,
                    "measures between the ranks of a job, and this process is alone: start it on all of them, as in "
                    "`gossamer run -n 8 -- gossamer topo measure --out measured.json`",
                    exit_usage);
  }
  Run run(request, *joined);
  const Status prepared = run.prepare();
  if (prepared.ok()) return run.measure();
  return complain(command, prepared.error().message, exit_code_of(prepared.error()));
}

}  // namespace gossamer::tools
