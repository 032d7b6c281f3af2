#include "runtime/session/compressor.h"

#include <algorithm>

namespace gossamer::runtime {

Result<std::unique_ptr<Compressor>> Compressor::make(AlgorithmContext context, const PlanDraw& draw, Driver& driver,
                                                     const Clock& clock) {
  std::unique_ptr<Compressor> self(new Compressor(driver, clock));
  self->name_ = context.shape.name;
  auto algorithm = make_algorithm(std::move(context));
  GOSSAMER_TRY(algorithm);
  self->algorithm_ = std::move(*algorithm);
  for (const Stage& stage : self->algorithm_->stages()) self->predicted_ns_ += stage.predicted_ns;
  GOSSAMER_TRY(driver.add(draw.number, draw.ledger, self->name_, *self->algorithm_));
  self->plan_ = draw.number;
  return self;
}

Status Compressor::compress(const float* const* gradients) {
  if (in_flight_)
    return Error{Code::busy, text(name_, " has an operation in flight: wait for it before the next compress")};
  const std::uint64_t before_ns = clock_.now_ns();
  const auto scan = algorithm_->compress(gradients);
  GOSSAMER_TRY(scan);
  stats_.gradient_norm = scan->norm;
  stats_.clipped += scan->is_clipped ? 1u : 0u;
  stats_.compress_ns = clock_.now_ns() - before_ns;
  compressed_ = true;
  return {};
}

Status Compressor::reduce() {
  if (in_flight_)
    return Error{Code::busy, text(name_, " has an operation in flight: wait for it before the next reduce")};
  if (!compressed_)
    return Error{Code::invalid_argument,
                 text(name_, " has nothing to reduce: call compress first, once for each reduce")};
  GOSSAMER_TRY(driver_.submit(plan_));
  compressed_ = false;
  has_update_ = false;
  in_flight_ = true;
  return {};
}

Result<Code> Compressor::settle(Code code) {
  if (code == Code::pending) return Code::pending;
  const PlanState& state = driver_.state(plan_);
  if (in_flight_ && code == Code::done) {
    const Update update = algorithm_->update();
    has_update_ = true;
    ++stats_.operations;
    stats_.bytes_sent = state.bytes_sent;
    stats_.total_bytes_sent += state.bytes_sent;
    stats_.exchange_ns = state.finished_ns - state.started_ns;
    stats_.compute_ns = std::min(state.compute_ns, stats_.exchange_ns);
    stats_.wire_ns = std::min(state.wire_ns, stats_.exchange_ns - stats_.compute_ns);
    stats_.waiting_ns = stats_.exchange_ns - stats_.compute_ns - stats_.wire_ns;
    stats_.applied = update.values.size();
    compare_with_prediction();
  }
  in_flight_ = false;
  if (code != Code::done) return state.error;
  return Code::done;
}

// A model that is far off chooses badly. Nothing allocates but the one line.
void Compressor::compare_with_prediction() {
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

Result<Code> Compressor::test() { return settle(driver_.test(plan_)); }

Status Compressor::wait(std::uint64_t limit_ns) {
  const std::uint64_t before_ns = clock_.now_ns();
  const auto code = settle(driver_.wait(plan_, limit_ns));
  GOSSAMER_TRY(code);
  if (*code != Code::pending) return {};
  return Error{Code::deadline, driver_.describe_wait(plan_, clock_.now_ns() - before_ns)};
}

Result<Update> Compressor::update() const {
  if (in_flight_)
    return Error{Code::busy, text(name_, " has an operation in flight: wait for it, then recover its update")};
  if (!has_update_)
    return Error{Code::invalid_argument,
                 text(name_, " has no update: none of its operations has ended done since the last reduce")};
  return algorithm_->update();
}

}  // namespace gossamer::runtime
