#include "tools/bench/bench_host.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <thread>

#include "runtime/runtime.h"
#include "sketch/sketch.h"
#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

using runtime::HostLayout;
using runtime::HostRun;

constexpr std::uint32_t host_ranks_max = 64;
constexpr std::uint64_t vector_bytes_max = std::uint64_t{1} << 30;
// Of each size: enough for a median, and for a p99 where it is short.
constexpr std::uint64_t moved_bytes = std::uint64_t{1} << 28;
constexpr std::uint64_t operations_min = 15;
constexpr std::uint64_t operations_max = 5'000;

void add(const void* /*context*/, std::byte* into, const std::byte* a, const std::byte* b, std::uint64_t /*offset*/,
         std::uint64_t bytes) {
  sketch::reduce_elements(sketch::ElementType::f32, sketch::ReduceOp::sum, into, a, b, bytes / sizeof(float));
}

// Areas of all ranks, in memory that forked processes share.
class SharedAreas {
 public:
  static Result<std::unique_ptr<SharedAreas>> make(std::uint32_t ranks, const HostLayout& layout) {
    std::unique_ptr<SharedAreas> self(new SharedAreas);
    self->each_bytes_ = (layout.area_bytes() + 4095) / 4096 * 4096;
    self->bytes_ = ranks * self->each_bytes_;
    void* const memory =
        ::mmap(nullptr, self->bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
      return Error{Code::out_of_resources, text("no ", format_bytes(self->bytes_), " of shared memory")};
    self->memory_ = static_cast<std::byte*>(memory);
    return self;
  }
  ~SharedAreas() {
    if (memory_ != nullptr) ::munmap(memory_, bytes_);
  }
  SharedAreas(const SharedAreas&) = delete;
  SharedAreas& operator=(const SharedAreas&) = delete;
  [[nodiscard]] std::byte* of(std::uint32_t rank) const { return memory_ + rank * each_bytes_; }

 private:
  SharedAreas() = default;
  std::byte* memory_ = nullptr;
  std::uint64_t each_bytes_ = 0;
  std::uint64_t bytes_ = 0;
};

struct Times {
  std::vector<double> operation_us;
  std::vector<double> copy_us;
};

// One rank's operations. `is_anyone_gone` is asked where nothing moves for long.
template <typename Ask>
Status run_rank(std::uint32_t rank, std::uint32_t ranks, const HostLayout& layout, const SharedAreas& areas,
                std::uint64_t bytes, Times& times, Ask is_anyone_gone) {
  HostRun::Setup setup{Rank{rank}, layout, areas.of(rank), {}};
  for (std::uint32_t i = 0; i < ranks; ++i) setup.areas.push_back(areas.of(i));
  GOSSAMER_ASSIGN(auto run, HostRun::make(std::move(setup)));
  const bool is_crowded = ranks > std::thread::hardware_concurrency();
  const std::uint32_t looks = is_crowded ? 20 : 20'000;
  const std::uint32_t yields = 200;
  const std::uint64_t count = bytes / sizeof(float);
  std::vector<float> input(count);
  std::vector<float> output(count);
  const SteadyClock clock;
  const auto since_us = [&](std::uint64_t before_ns) { return static_cast<double>(clock.now_ns() - before_ns) / 1e3; };
  const std::uint64_t operations = std::clamp(moved_bytes / bytes, operations_min, operations_max);
  const std::uint64_t ranks_sum = std::uint64_t{ranks} * (ranks - 1) / 2;
  for (std::uint64_t operation = 0; operation < operations; ++operation) {
    for (std::uint64_t i = 0; i < count; ++i) input[i] = static_cast<float>(rank + ((operation + i) & 7));
    std::uint64_t before_ns = clock.now_ns();
    run.begin({reinterpret_cast<const std::byte*>(input.data()),
               reinterpret_cast<std::byte*>(output.data()),
               bytes,
               operation + 1,
               {add, nullptr}});
    for (std::uint32_t idle = 0; !run.progress(); ++idle) {
      if (idle < looks) continue;
      if (idle < looks + yields) {
        sched_yield();
        continue;
      }
      run.sleep(1'000'000'000);
      if (is_anyone_gone()) return Error{Code::peer_lost, "a process of the benchmark has ended before its time"};
    }
    times.operation_us.push_back(since_us(before_ns));
    for (std::uint64_t i = 0; i < count; ++i)
      if (output[i] != static_cast<float>(ranks_sum + ranks * ((operation + i) & 7)))
        return Error{Code::internal, text("the sum of ", ranks, " ranks is wrong in element ", i, " of ", count)};
    for (std::uint64_t i = 0; i < count; ++i) input[i] = static_cast<float>(i & 7);
    before_ns = clock.now_ns();
    std::memcpy(output.data(), input.data(), bytes);
    times.copy_us.push_back(since_us(before_ns));
  }
  return {};
}

// The other ranks, as processes that end with this one.
class Others {
 public:
  ~Others() {
    for (const pid_t process : processes_) {
      ::kill(process, SIGKILL);
      ::waitpid(process, nullptr, 0);
    }
  }
  template <typename Body>
  Status start(Body body) {
    const pid_t parent = ::getpid();
    const pid_t process = ::fork();
    if (process < 0) return Error{Code::out_of_resources, "cannot start a process for each rank"};
    if (process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::_exit(::getppid() == parent && body().ok() ? 0 : 1);
    }
    processes_.push_back(process);
    return {};
  }
  // With a failure, that is. One that has done its part is waited for by nobody here.
  [[nodiscard]] bool has_failed() {
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      int status = 0;
      if (::waitpid(processes_[i], &status, WNOHANG) <= 0) continue;
      processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(i--));
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return true;
    }
    return false;
  }

 private:
  std::vector<pid_t> processes_;
};

Result<nlohmann::json> measure(std::uint32_t ranks, std::uint64_t bytes) {
  const HostLayout layout = HostLayout::make(topology::Collective::all_reduce, ranks, Rank{0}, bytes);
  GOSSAMER_ASSIGN(const auto areas, SharedAreas::make(ranks, layout));
  Others others;
  Times times;
  for (std::uint32_t rank = 1; rank < ranks; ++rank)
    GOSSAMER_TRY(
        others.start([&] { return run_rank(rank, ranks, layout, *areas, bytes, times, [] { return false; }); }));
  GOSSAMER_TRY(run_rank(0, ranks, layout, *areas, bytes, times, [&] { return others.has_failed(); }));
  return nlohmann::json{{"ranks", ranks},
                        {"bytes", bytes},
                        {"p50_us", percentile(times.operation_us, 0.5)},
                        {"p99_us", percentile(times.operation_us, 0.99)},
                        {"copy_us", percentile(times.copy_us, 0.5)},
                        {"passes", layout.cut(bytes).passes}};
}

}  // namespace

Status check_host_bench(const HostBenchConfig& config) {
  const auto wrong = [](auto... parts) { return Error{Code::invalid_argument, text(parts...)}; };
  if (config.ranks.empty()) return wrong("--ranks: expected at least one number");
  if (config.bytes.empty()) return wrong("--bytes: expected at least one size");
  for (const std::uint32_t ranks : config.ranks)
    if (ranks < 1 || ranks > host_ranks_max) return wrong("--ranks ", ranks, ": expected 1 to ", host_ranks_max);
  for (const std::uint64_t bytes : config.bytes)
    if (bytes < 4 || bytes > vector_bytes_max || bytes % 4 != 0)
      return wrong("--bytes ", bytes, ": expected a multiple of 4, from 4 to ", vector_bytes_max);
  return {};
}

Result<nlohmann::json> bench_host(const HostBenchConfig& config) {
  nlohmann::json rows = nlohmann::json::array();
  for (const std::uint32_t ranks : config.ranks)
    for (const std::uint64_t bytes : config.bytes) {
      GOSSAMER_ASSIGN(auto row, measure(ranks, bytes));
      rows.push_back(std::move(row));
    }
  return rows;
}

std::string host_bench_table(const nlohmann::json& rows) {
  std::vector<std::vector<std::string>> table = {{"ranks", "bytes", "passes", "p50 us", "p99 us", "memcpy us"}};
  const auto number = [](const nlohmann::json& row, const char* key, int digits) {
    return format_number(row.at(key).get<double>(), digits);
  };
  for (const nlohmann::json& row : rows)
    table.push_back({number(row, "ranks", 0), number(row, "bytes", 0), number(row, "passes", 0),
                     number(row, "p50_us", 2), number(row, "p99_us", 2), number(row, "copy_us", 2)});
  return format_table(table);
}

}  // namespace gossamer::tools
