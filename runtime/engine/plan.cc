#include "runtime/engine/plan.h"

#include <algorithm>
#include <utility>

namespace gossamer::runtime {

Plan::Plan(const PlanDraw& draw, std::string name, std::unique_ptr<Work> work, Driver& driver, const Clock& clock)
    : number_(draw.number), name_(std::move(name)), work_(std::move(work)), driver_(driver), clock_(clock) {
  for (const Stage& stage : work_->stages()) predicted_ns_ += stage.predicted_ns;
}

Result<std::unique_ptr<Plan>> Plan::make(const PlanDraw& draw, std::string name, std::unique_ptr<Work> work,
                                         Driver& driver, const Clock& clock) {
  std::unique_ptr<Plan> self(new Plan(draw, std::move(name), std::move(work), driver, clock));
  GOSSAMER_TRY(driver.add(draw.number, draw.ledger, self->name_, *self->work_));
  return self;
}

Status Plan::check_idle(std::string_view next) const {
  if (!is_in_flight_) return {};
  return Error{Code::busy, text(name_, " has an operation in flight: wait for it before the next ", next)};
}

Status Plan::start() {
  GOSSAMER_TRY(check_idle("start"));
  GOSSAMER_TRY(driver_.submit(number_));
  has_result_ = false;
  is_in_flight_ = true;
  return {};
}

Result<Code> Plan::settle(Code code) {
  if (code == Code::pending) return Code::pending;
  const PlanState& state = driver_.state(number_);
  if (is_in_flight_ && code == Code::done) {
    has_result_ = true;
    take_stats(state);
    compare_with_prediction();
  }
  is_in_flight_ = false;
  if (code != Code::done) return state.error;
  return Code::done;
}

void Plan::take_stats(const PlanState& state) {
  ++stats_.operations;
  stats_.bytes_sent = state.bytes_sent;
  stats_.total_bytes_sent += state.bytes_sent;
  stats_.exchange_ns = state.finished_ns - state.started_ns;
  stats_.compute_ns = std::min(state.compute_ns, stats_.exchange_ns);
  stats_.wire_ns = std::min(state.wire_ns, stats_.exchange_ns - stats_.compute_ns);
  stats_.waiting_ns = stats_.exchange_ns - stats_.compute_ns - stats_.wire_ns;
  stats_.total_exchange_ns += stats_.exchange_ns;
  stats_.total_waiting_ns += stats_.waiting_ns;
  stats_.total_wire_ns += stats_.wire_ns;
  stats_.total_compute_ns += stats_.compute_ns;
}

// A model that is far off chooses badly. Nothing allocates but the one line.
void Plan::compare_with_prediction() {
  if (stats_.operations > compared_count) return;
  exchanges_ns_[stats_.operations - 1] = stats_.waiting_ns + stats_.wire_ns;
  if (stats_.operations < compared_count || !is_log_enabled(LogLevel::info)) return;
  const auto median = exchanges_ns_.begin() + compared_count / 2;
  std::nth_element(exchanges_ns_.begin(), median, exchanges_ns_.end());
  log(LogLevel::info, text(name_, ": its exchange was predicted to take ",
                           format_duration(static_cast<std::uint64_t>(std::min(predicted_ns_, 1e18))),
                           ", and the median of ", compared_count, " took ", format_duration(*median),
                           " beside computing; where schedules should be chosen by other numbers, set GOSSAMER_COST"));
}

Result<Code> Plan::test() { return settle(driver_.test(number_)); }

Status Plan::wait(std::uint64_t limit_ns) {
  GOSSAMER_ASSIGN(const auto code, settle(driver_.wait(number_, limit_ns)));
  if (code != Code::pending) return {};
  return Error{Code::deadline, driver_.describe_wait(number_, clock_.now_ns() - driver_.state(number_).started_ns)};
}

}  // namespace gossamer::runtime
