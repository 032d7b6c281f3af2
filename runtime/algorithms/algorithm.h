// A gradient compression algorithm: what is sent, and what every rank makes of the sum.
//
//   compress (caller) ─► stages (engine and driver) ─► update (caller)
//
// One object belongs to one rank and one compressor. `compress` and `update` are the caller's, with
// no operation in flight; the rest is Work. Nothing allocates after `make_algorithm`.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/parts/context.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/algorithms/parts/update.h"
#include "runtime/engine/work.h"

namespace gossamer::runtime {

class Algorithm : public Work {
 public:
  explicit Algorithm(AlgorithmContext context) : context_(std::move(context)) {}

  [[nodiscard]] const Layout& layout() const { return context_.shape.layout; }
  [[nodiscard]] std::span<const Stage> stages() const final { return stages_; }
  // Of the latest operation that ended done.
  [[nodiscard]] const Update& update() const { return update_; }

  // Takes the gradients, one pointer a tensor, in memory of the shape's kind; they are the caller's again on return. A
  // non-finite one is flagged in the payload instead of taken. An error is about the memory, and nothing was taken.
  virtual Result<GradientScan> compress(const float* const* gradients) = 0;
  // weights[tensor][i] += scale * value; weights and values in memory of the shape's kind. The caller's.
  virtual Status apply_to(float* const* weights, const Update& update, float scale);
  // Accumulated and not yet sent, in the layout's order; empty where there is none. For tests and checkpoints.
  [[nodiscard]] virtual std::span<const float> residual() const { return {}; }

 protected:
  Status add_stage(Result<Stage> stage) {
    GOSSAMER_TRY(stage);
    stages_.push_back(std::move(*stage));
    return {};
  }

  AlgorithmContext context_;
  Update update_;

 private:
  std::vector<Stage> stages_;
};

[[nodiscard]] Result<std::unique_ptr<Algorithm>> make_algorithm(AlgorithmContext context);

}  // namespace gossamer::runtime
