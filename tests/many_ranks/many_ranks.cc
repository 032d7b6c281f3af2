// One rank of a session of many, under `gossamer run`: what joining, being idle and a small all-reduce cost, and that
// the sum is right. Rank 0 prints one line for all.
//
//   many_ranks control|session IDLE_S     the control mesh alone, or all that gossamer_init makes
//   many_ranks die|stop RANK              RANK ends without a word, or stops; every other one must name it in time
//   many_ranks gather BYTES               so much from each rank through the control mesh
#include <gossamer.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runtime/control/mesh.h"

namespace {

using namespace gossamer;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t limit_ns = 60'000'000'000;

[[noreturn]] void fail(const std::string& what) {
  std::printf("failed: %s\n", what.c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Of all threads of this process.
double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double status_mib(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == name && status >> kib) return kib / 1024;
  }
  return 0;
}

double open_descriptors() {
  double count = -1;  // the folder's own
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) fail(text(name, " is not set: this program is for gossamer run"));
  return value;
}

// What each rank measures; the largest and the mean of all are printed.
struct Figures {
  double join_s;
  double descriptors;
  double private_mib;
  double shared_mib;
  double idle_cpu_percent;
  double first_us;
  double step_us;
};

void be_idle(double idle_s, Figures& mine) {
  const double begun_s = processor_seconds();
  const auto begin = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(idle_s));
  if (idle_s > 0) mine.idle_cpu_percent = 100 * (processor_seconds() - begun_s) / seconds_since(begin);
  mine.descriptors = open_descriptors();
  mine.private_mib = status_mib("RssAnon:");
  mine.shared_mib = status_mib("RssShmem:");
}

void print(std::string_view mode, const std::vector<Figures>& all) {
  Figures most{};
  double cpu = 0;
  double memory = 0;
  for (const Figures& each : all) {
    most.join_s = std::max(most.join_s, each.join_s);
    most.descriptors = std::max(most.descriptors, each.descriptors);
    most.private_mib = std::max(most.private_mib, each.private_mib);
    most.shared_mib = std::max(most.shared_mib, each.shared_mib);
    most.first_us = std::max(most.first_us, each.first_us);
    most.step_us = std::max(most.step_us, each.step_us);
    cpu += each.idle_cpu_percent;
    memory += each.private_mib;
  }
  const auto ranks = static_cast<double>(all.size());
  std::printf(
      "%s ranks %zu: joined within %.2f s; a rank: %.0f descriptors, %.1f MiB of its own (mean %.1f), %.1f MiB shared, "
      "%.3f %% of a core idle (%.1f %% all)",
      std::string(mode).c_str(), all.size(), most.join_s, most.descriptors, most.private_mib, memory / ranks,
      most.shared_mib, cpu / ranks, cpu);
  if (most.step_us > 0) std::printf("; all-reduce first %.0f us, then %.0f us", most.first_us, most.step_us);
  std::printf("\n");
}

runtime::MeshOptions options_of_launcher() {
  runtime::MeshOptions options;
  options.rank = Rank{static_cast<std::uint32_t>(std::atoi(variable("GOSSAMER_RANK").c_str()))};
  options.rank_count = static_cast<std::uint32_t>(std::atoi(variable("GOSSAMER_RANK_COUNT").c_str()));
  options.rendezvous = variable("GOSSAMER_RENDEZVOUS");
  options.job = variable("GOSSAMER_JOB");
  options.deadline_ns = limit_ns;
  if (options.rank.value == 0) options.rendezvous_descriptor = std::atoi(variable("GOSSAMER_RENDEZVOUS_FD").c_str());
  const auto secret = runtime::Secret::read(variable("GOSSAMER_SECRET"));
  if (!secret.ok()) fail(secret.error().message);
  options.secret = *secret;
  return options;
}

// This process stands still, all its threads.
void stop_for(std::uint64_t duration_ns) {
  const pid_t self = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(duration_ns));
    ::kill(self, SIGCONT);
    std::_Exit(0);
  }
  ::kill(self, SIGSTOP);
}

std::unique_ptr<runtime::Control> join_control(const runtime::MeshOptions& options) {
  auto control = runtime::make_control_mesh(options, {});
  if (!control.ok()) fail(control.error().message);
  return std::move(*control);
}

void run_control(double idle_s) {
  const runtime::MeshOptions options = options_of_launcher();
  Figures mine{};
  const auto begin = Clock::now();
  const auto control = join_control(options);
  mine.join_s = seconds_since(begin);
  // Nobody is idle before all are.
  if (const Status together = control->agree("joined", {}, limit_ns); !together.ok()) fail(together.error().message);
  be_idle(idle_s, mine);
  runtime::Blob blob(sizeof mine);
  std::memcpy(blob.data(), &mine, sizeof mine);
  const auto blobs = control->all_gather("figures", blob, limit_ns);
  if (!blobs.ok()) fail(blobs.error().message);
  std::vector<Figures> all(blobs->size());
  for (std::size_t r = 0; r < all.size(); ++r) std::memcpy(&all[r], (*blobs)[r].data(), sizeof(Figures));
  if (options.rank.value == 0) print("control", all);
}

// Who is killed cannot say so: the others are told by its connections, or by the silence of one that is stopped.
void run_death(std::uint32_t victim, bool is_stop) {
  const runtime::MeshOptions options = options_of_launcher();
  const auto control = join_control(options);
  // Some may hear of the death before they hear that all have joined.
  const Status together = control->agree("joined", {}, limit_ns);
  if (!together.ok() && together.error().rank != Rank{victim}) fail(together.error().message);
  if (options.rank.value == victim) {
    if (is_stop) stop_for(3 * options.lease_ns);
    std::_Exit(0);
  }
  const auto begin = Clock::now();
  pollfd wait{control->event_descriptor(), POLLIN, 0};
  static_cast<void>(::poll(&wait, 1, 30'000));
  const auto loss = control->loss();
  if (!loss) fail("no loss in 30 s");
  if (loss->rank.value != victim || loss->left) fail(text("rank ", loss->rank.value, " is named: ", loss->reason));
  if (options.rank.value == (victim + 100) % options.rank_count)
    std::printf("rank %u: found after %.2f s: %s\n", victim, seconds_since(begin), loss->reason.c_str());
  // As long as the lease for one that is silent, and the time that so many processes need for their turns of two cores.
  const double limit_s = (is_stop ? 1e-9 * static_cast<double>(options.lease_ns) : 0) + 5;
  if (seconds_since(begin) > limit_s) fail(text("found only after ", seconds_since(begin), " s"));
  control->leave();
}

void run_gather(std::size_t bytes) {
  const runtime::MeshOptions options = options_of_launcher();
  const auto control = join_control(options);
  const auto byte_of = [](std::uint32_t rank) { return static_cast<std::byte>(rank * 7 + 1); };
  for (int turn = 0; turn < 2; ++turn) {
    const auto begin = Clock::now();
    const auto blobs = control->all_gather("blobs", runtime::Blob(bytes, byte_of(options.rank.value)), limit_ns);
    if (!blobs.ok()) fail(blobs.error().message);
    for (std::uint32_t r = 0; r < options.rank_count; ++r)
      if ((*blobs)[r] != runtime::Blob(bytes, byte_of(r))) fail(text("the blob of rank ", r, " is another"));
    if (options.rank.value == 0) {
      std::printf("gather of %zu B from each of %u ranks: %.1f ms; rank 0 had at most %.1f MiB resident\n", bytes,
                  options.rank_count, 1e3 * seconds_since(begin), status_mib("VmHWM:"));
    }
  }
  // Rank 0 stays until all have theirs.
  if (const Status all = control->agree("gathered", {}, limit_ns); !all.ok()) fail(all.error().message);
}

void expect(gossamer_status status, const char* what) {
  if (status != GOSSAMER_DONE) fail(text(what, ": ", gossamer_last_error()));
}

void run_session(double idle_s) {
  Figures mine{};
  const auto begin = Clock::now();
  gossamer_session* session = nullptr;
  gossamer_config config = GOSSAMER_CONFIG_INIT;
  config.init_timeout_ns = static_cast<std::int64_t>(limit_ns);
  expect(gossamer_init(&config, &session), "init");
  mine.join_s = seconds_since(begin);
  expect(gossamer_barrier(session, 0), "barrier");
  const int rank = gossamer_rank(session);
  const int ranks = gossamer_rank_count(session);

  // Through the control plane where it is small, over the data path where it is not.
  std::vector<std::int32_t> once(16, rank);
  expect(gossamer_all_reduce(session, once.data(), once.size(), GOSSAMER_I32, GOSSAMER_SUM, 0), "one-off");
  for (const std::int32_t each : once)
    if (each != ranks * (ranks - 1) / 2) fail("a one-off sum is wrong");

  constexpr std::uint64_t count = 5'000;
  std::vector<std::int64_t> input(count);
  std::vector<std::int64_t> output(count);
  gossamer_collective_config collective = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  collective.kind = GOSSAMER_ALL_REDUCE;
  collective.type = GOSSAMER_I64;
  collective.count = count;
  collective.input = input.data();
  collective.output = output.data();
  gossamer_collective* made = nullptr;
  expect(gossamer_collective_create(session, &collective, &made), "create");
  constexpr int turns = 6;
  double total_us = 0;
  for (int turn = 0; turn < turns; ++turn) {
    for (std::uint64_t i = 0; i < count; ++i) input[i] = rank * 1'000 + static_cast<std::int64_t>(i) * turn;
    expect(gossamer_barrier(session, 0), "barrier");
    const auto start = Clock::now();
    gossamer_operation* operation = nullptr;
    expect(gossamer_collective_start(made, &operation), "start");
    expect(gossamer_operation_wait(operation, 0), "wait");
    const double us = 1e6 * seconds_since(start);
    (turn == 0 ? mine.first_us : total_us) += us;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::int64_t sum =
          std::int64_t{1'000} * ranks * (ranks - 1) / 2 + static_cast<std::int64_t>(i) * turn * ranks;
      if (output[i] != sum) fail("a sum is wrong");
    }
  }
  mine.step_us = total_us / (turns - 1);
  be_idle(idle_s, mine);

  std::vector<Figures> figures(static_cast<std::size_t>(ranks));
  figures[static_cast<std::size_t>(rank)] = mine;
  const std::uint64_t numbers = figures.size() * sizeof(Figures) / sizeof(double);
  expect(gossamer_all_reduce(session, figures.data(), numbers, GOSSAMER_F64, GOSSAMER_SUM, 0), "figures");
  if (rank == 0) print("session", figures);
  gossamer_collective_destroy(made);
  gossamer_finalize(session);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) fail("expected: many_ranks control|session IDLE_S | die|stop RANK | gather BYTES");
  const std::string_view mode = argv[1];
  if (mode == "control") {
    run_control(std::atof(argv[2]));
  } else if (mode == "session") {
    run_session(std::atof(argv[2]));
  } else if (mode == "die") {
    run_death(static_cast<std::uint32_t>(std::atoi(argv[2])), false);
  } else if (mode == "stop") {
    run_death(static_cast<std::uint32_t>(std::atoi(argv[2])), true);
  } else if (mode == "gather") {
    run_gather(static_cast<std::size_t>(std::atoll(argv[2])));
  } else {
    fail(text("no mode ", mode));
  }
  return 0;
}
