// A compressor of a session: an algorithm and the plan that runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/base.h"
#include "runtime/algorithms/algorithm.h"
#include "runtime/engine/plan.h"
#include "runtime/session/saved_state.h"

namespace gossamer::runtime {

struct CompressorStats : PlanStats {
  std::uint64_t compress_ns = 0;
  std::uint64_t applied = 0;  // coordinates in the last update
  double gradient_norm = 0;   // of this rank's last gradient, before clipping
  std::uint64_t clipped = 0;  // gradients that were cut
  std::uint64_t total_compress_ns = 0;
};

// One thread at a time, the session's. The driver outlives it.
class Compressor {
 public:
  // Its plan gets a number that all ranks have agreed on.
  [[nodiscard]] static Result<std::unique_ptr<Compressor>> make(AlgorithmContext context, const PlanDraw& draw,
                                                                Driver& driver, const Clock& clock);
  [[nodiscard]] Plan& plan() { return *plan_; }
  [[nodiscard]] const Layout& layout() const { return algorithm_->layout(); }
  [[nodiscard]] const std::string& name() const { return plan_->name(); }
  [[nodiscard]] AlgorithmKind algorithm() const { return algorithm_->context().shape.algorithm; }

  Status compress(const float* const* gradients);
  Status reduce();
  // As the plan's.
  Result<Code> test() { return plan_->test(); }
  Status wait(std::uint64_t limit_ns) { return plan_->wait(limit_ns); }
  Result<Update> update() const;
  // weights[tensor][i] += scale * value; weights and values in memory of the configured kind.
  Status apply_to(float* const* weights, const Update& update, float scale) {
    return algorithm_->apply_to(weights, update, scale);
  }
  [[nodiscard]] CompressorStats stats() const;
  [[nodiscard]] std::span<const float> residual() const { return algorithm_->residual(); }
  [[nodiscard]] std::optional<double> sent_squares() const { return algorithm_->sent_squares(); }

  // What outlives a step (saved_state.h), with no operation in flight. A payload that was not reduced is not in it.
  [[nodiscard]] std::size_t state_bytes() const { return saved_state_bytes(*algorithm_); }
  Status save(std::span<std::byte> bytes);
  // Local: what of the states is this rank's. `load` then takes it over, in place of what there was; the update and a
  // payload that was not reduced are gone.
  [[nodiscard]] Result<TakenState> take(std::span<const SavedState> states, bool allows_new) const;
  Status load(const TakenState& taken);
  [[nodiscard]] bool is_momentum_shared() const { return algorithm_->kept().is_momentum_shared; }

  // The plan with all memory that a transport may know, to be retired; the compressor is of no use without it.
  [[nodiscard]] std::unique_ptr<Plan> release_plan() { return std::move(plan_); }

 private:
  Compressor() = default;
  // In the last update that was seen.
  [[nodiscard]] std::uint64_t applied() const {
    return plan_->has_result() ? algorithm_->update().values.size() : applied_before_;
  }

  std::unique_ptr<Plan> plan_;
  Algorithm* algorithm_ = nullptr;  // the plan's work
  bool is_compressed_ = false;      // a payload waits for reduce
  std::uint64_t applied_before_ = 0;
  std::uint64_t compress_ns_ = 0;
  std::uint64_t total_compress_ns_ = 0;
  double gradient_norm_ = 0;
  std::uint64_t clipped_ = 0;
  const Clock* clock_ = nullptr;
};

}  // namespace gossamer::runtime
