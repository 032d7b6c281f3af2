// A gradient compression algorithm: what is sent, and what every rank makes of the sum.
//
//   compress (caller) ─► stages (engine and driver) ─► update (caller)
//
// One object belongs to one rank and one compressor. `compress` and `update` are the caller's, with
// no operation in flight; the rest is Work. Nothing allocates after `make_algorithm`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/parts/context.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/algorithms/parts/update.h"
#include "runtime/engine/work.h"

namespace gossamer::runtime {

// Vectors that outlive a step: what a checkpoint holds.
enum class Kept : std::uint8_t { residual, momentum };
struct KeptVectors {
  bool residual = false;
  bool momentum = false;
  bool is_momentum_shared =
      false;  // the mean's: the same on every rank. Else each rank has its own, as of the residual
};

class Algorithm : public Work {
 public:
  explicit Algorithm(AlgorithmContext context) : context_(std::move(context)) {}

  [[nodiscard]] const AlgorithmContext& context() const { return context_; }
  [[nodiscard]] const Layout& layout() const { return context_.shape.layout; }
  [[nodiscard]] std::span<const Stage> stages() const final { return stages_; }
  // Of the latest operation that ended done.
  [[nodiscard]] const Update& update() const { return update_; }

  // Takes the gradients, one pointer a tensor, in memory of the shape's kind; they are the caller's again on return. A
  // non-finite one is flagged in the payload instead of taken. An error is about the memory, and nothing was taken.
  virtual Result<GradientScan> compress(const float* const* gradients) = 0;
  // weights[tensor][i] += scale * value; weights and values in memory of the shape's kind. The caller's.
  virtual Status apply_to(float* const* weights, const Update& update, float scale);

  // What outlives a step. All of it, with `step`: what is not here is made anew in each. The caller's, with no
  // operation in flight; one tensor at a time, `layout().tensor(i).count` values. `unavailable`: a device refuses the
  // copy. Here: that of an algorithm which keeps it in its feedback.
  [[nodiscard]] virtual KeptVectors kept() const;
  virtual Status read_kept(Kept which, std::size_t tensor, std::span<float> values);
  virtual Status write_kept(Kept which, std::size_t tensor, std::span<const float> values);
  // How many operations were started, where what is done depends on it; the same on every rank.
  [[nodiscard]] virtual std::uint64_t step() const { return 0; }
  virtual void set_step(std::uint64_t) {}
  // Accumulated and not yet sent, in the layout's order; empty where there is none. For tests.
  [[nodiscard]] std::span<const float> residual() const {
    return kept_in_ != nullptr ? kept_in_->residual() : std::span<const float>();
  }
  // Feedback::sent_squares, of an algorithm which has that.
  [[nodiscard]] std::optional<double> sent_squares() const {
    return kept_in_ != nullptr ? kept_in_->sent_squares() : std::nullopt;
  }

 protected:
  Status add_stage(Result<Stage> stage) {
    GOSSAMER_TRY(stage);
    stages_.push_back(std::move(*stage));
    return {};
  }

  void keep_in(Feedback& feedback) { kept_in_ = &feedback; }

  AlgorithmContext context_;
  Update update_;

 private:
  std::vector<Stage> stages_;
  Feedback* kept_in_ = nullptr;  // null: elsewhere
};

[[nodiscard]] Result<std::unique_ptr<Algorithm>> make_algorithm(AlgorithmContext context);

}  // namespace gossamer::runtime
