// Momentum correction and error feedback (Lin et al. 2018, "Deep Gradient Compression", eq. 4-5):
//
//   g = g * min(1, clip / |g|)     u = m * u + g     v = v + u
//   after the exchange: u[sent] = 0 (factor masking), v[sent] = 0
//
// The state has two generations: `absorb` writes the next one, `commit` makes it the current one,
// `drop` forgets it. So an operation that fails leaves no trace, and what it sent can be rebuilt.
// Memory: four vectors of the dimension. Exact tensors keep their momentum (nothing is masked) and
// have no residual.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/base.h"
#include "runtime/buffer.h"
#include "runtime/layout.h"

namespace gossamer::runtime {

// What one read of a rank's gradients tells.
struct GradientScan {
  float scale = 1.0f;                             // that cuts the norm to the bound
  std::optional<std::uint64_t> first_non_finite;  // position in the caller's order
};

// Reads every gradient once. `clip` 0: no bound. Tensors as in the layout.
[[nodiscard]] GradientScan scan_gradients(const Layout& layout, const float* const* gradients, double clip);

class Feedback {
 public:
  [[nodiscard]] static Result<Feedback> make(const Layout& layout);

  // Next generation from the current one and this step's gradients.
  void absorb(const Layout& layout, const float* const* gradients, float scale, float momentum);

  // v of the next generation: what this operation may send. Valid between absorb and commit or drop.
  [[nodiscard]] std::span<const float> pending() const { return v_[1 - current_].as<float>(dimension_); }
  [[nodiscard]] std::span<const float> residual() const { return v_[current_].as<float>(dimension_); }

  // `sent` (ascending, in the sparse range) and all exact coordinates were applied in full.
  void commit(std::span<const std::uint32_t> sent);
  void drop() {}

 private:
  std::uint64_t dimension_ = 0;
  std::uint64_t sparse_ = 0;
  Buffer u_[2];
  Buffer v_[2];
  int current_ = 0;
};

}  // namespace gossamer::runtime
