#include "tools/bench/bench_engine.h"

#include <algorithm>
#include <array>
#include <span>

#include "runtime/control/alone.h"
#include "runtime/runtime.h"
#include "tools/bench/free_transport.h"
#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

using topology::ScheduleKind;

constexpr std::array plan_schedules = {ScheduleKind::butterfly, ScheduleKind::star};
constexpr std::size_t operations_a_round = 10'000;
constexpr std::uint64_t wait_limit_ns = 1'000'000'000;

// One all-reduce, and nothing computed before and after it.
class SumWork final : public runtime::Work {
 public:
  SumWork(topology::RankSchedule schedule, std::uint64_t bytes)
      : shape_{bytes / sizeof(float), 0}, payload_(bytes), stage_{"sum", std::move(schedule)} {
    stage_.bytes_max = shape_.bytes();
    stage_.buffer = payload_.data();
  }

  [[nodiscard]] std::span<const runtime::Stage> stages() const override { return {&stage_, 1}; }
  Result<runtime::StageSize> prepare(std::size_t, std::span<const std::uint64_t>) override {
    return runtime::StageSize{shape_, 0};
  }
  void drop() override {}

  [[nodiscard]] std::size_t step_count() const {
    std::size_t steps = 0;
    for (const topology::Round& round : stage_.schedule.program.rounds) steps += round.steps.size();
    return steps;
  }

 private:
  const sketch::PayloadShape shape_;
  std::vector<std::byte> payload_;
  runtime::Stage stage_;
};

class StartedPlans {
 public:
  static Result<std::unique_ptr<StartedPlans>> make(const EngineBenchConfig& config) {
    std::unique_ptr<StartedPlans> self(new StartedPlans(config));
    GOSSAMER_ASSIGN(self->driver_, runtime::Driver::make(self->engine_, self->transport_, *self->control_, self->clock_,
                                                         runtime::Patience{}));
    self->driver_->count_waits(*std::max_element(config.ranks.begin(), config.ranks.end()));
    return self;
  }

  Result<nlohmann::json> measure(ScheduleKind kind, std::uint32_t ranks) {
    GOSSAMER_ASSIGN(auto schedule,
                    topology::make_rank_schedule({kind, topology::Collective::all_reduce, ranks, Rank{0}}, Rank{0}));
    auto work = std::make_unique<SumWork>(std::move(schedule), config_.bytes);
    const std::size_t steps = work->step_count();
    GOSSAMER_ASSIGN(auto plan, runtime::Plan::make({}, "sum", std::move(work), *driver_, clock_));
    std::vector<double> operation_ns;
    std::vector<double> idle_ns;
    for (std::uint32_t round = 0; round <= config_.rounds; ++round) {
      GOSSAMER_ASSIGN(const double took_ns, time_operations(*plan));
      GOSSAMER_ASSIGN(const double idled_ns, steps > 0 ? time_idling(*plan) : Result<double>(0.0));
      if (round == 0) continue;  // to warm up
      operation_ns.push_back(took_ns);
      idle_ns.push_back(idled_ns);
    }
    GOSSAMER_CHECK(plan->retire(0), "nothing is under way");
    nlohmann::json row = {{"schedule", topology::schedule_kind_name(kind)},
                          {"ranks", ranks},
                          {"bytes", config_.bytes},
                          {"steps", steps},
                          {"operation_ns", percentile(operation_ns, 0.5)}};
    if (steps > 0) row["idle_ns"] = percentile(idle_ns, 0.5);
    return row;
  }

 private:
  explicit StartedPlans(const EngineBenchConfig& config) : config_(config) {}

  // Each, in a row.
  Result<double> time_operations(runtime::Plan& plan) {
    const std::uint64_t before_ns = clock_.now_ns();
    for (std::size_t i = 0; i < operations_a_round; ++i) {
      GOSSAMER_TRY(plan.start());
      GOSSAMER_TRY(plan.wait(wait_limit_ns));
    }
    return static_cast<double>(clock_.now_ns() - before_ns) / operations_a_round;
  }

  Result<double> time_idling(runtime::Plan& plan) {
    transport_.hold(true);
    GOSSAMER_TRY(plan.start());
    const std::uint64_t before_ns = clock_.now_ns();
    for (std::size_t i = 0; i < operations_a_round; ++i) GOSSAMER_TRY(plan.test());
    const std::uint64_t took_ns = clock_.now_ns() - before_ns;
    transport_.hold(false);
    GOSSAMER_TRY(plan.wait(wait_limit_ns));
    return static_cast<double>(took_ns) / operations_a_round;
  }

  const EngineBenchConfig& config_;
  SteadyClock clock_;
  FreeTransport transport_;
  std::unique_ptr<runtime::Control> control_ = runtime::make_control_alone();
  runtime::Engine engine_{Rank{0}, Epoch{1}};
  std::unique_ptr<runtime::Driver> driver_;
};

}  // namespace

Status check_engine_bench(const EngineBenchConfig& config) {
  const auto wrong = [](auto... parts) { return Error{Code::invalid_argument, text(parts...)}; };
  if (config.ranks.empty()) return wrong("--ranks: expected at least one number");
  for (const std::uint32_t ranks : config.ranks)
    if (ranks < 1 || ranks > runtime::session_ranks_max)
      return wrong("--ranks ", ranks, ": expected 1 to ", runtime::session_ranks_max);
  if (config.bytes < 4 || config.bytes > 1u << 30 || config.bytes % 4 != 0)
    return wrong("--bytes ", config.bytes, ": expected a multiple of 4, from 4 to 2^30");
  if (config.rounds < 1 || config.rounds > 1'000) return wrong("--rounds ", config.rounds, ": expected 1 to 1000");
  return {};
}

Result<nlohmann::json> bench_engine(const EngineBenchConfig& config) {
  GOSSAMER_ASSIGN(const auto bench, StartedPlans::make(config));
  GOSSAMER_ASSIGN(const auto bare, bench->measure(plan_schedules[0], 1));
  nlohmann::json rows = nlohmann::json::array();
  for (const ScheduleKind kind : plan_schedules)
    for (const std::uint32_t ranks : config.ranks) {
      GOSSAMER_ASSIGN(auto row, bench->measure(kind, ranks));
      const auto steps = row.at("steps").get<double>();
      if (steps > 0)
        row["step_ns"] = (row.at("operation_ns").get<double>() - bare.at("operation_ns").get<double>()) / steps;
      rows.push_back(std::move(row));
    }
  return rows;
}

std::string engine_bench_table(const nlohmann::json& rows) {
  std::vector<std::vector<std::string>> table = {
      {"schedule", "ranks", "bytes", "steps", "ns an operation", "ns a step", "ns an idle test"}};
  const auto number = [](const nlohmann::json& row, const char* key, int digits) {
    return row.contains(key) ? format_number(row.at(key).get<double>(), digits) : std::string("-");
  };
  for (const nlohmann::json& row : rows)
    table.push_back({row.at("schedule").get<std::string>(), number(row, "ranks", 0), number(row, "bytes", 0),
                     number(row, "steps", 0), number(row, "operation_ns", 0), number(row, "step_ns", 1),
                     number(row, "idle_ns", 1)});
  return format_table(table);
}

}  // namespace gossamer::tools
