// Momentum correction and error feedback (Lin et al. 2018, "Deep Gradient Compression", eq. 4-5):
//
//   g = g * min(1, clip / |g|)     u = m * u + g     v = v + u
//   after the exchange: u[sent] = 0 (factor masking), v[sent] -= what was really sent
//
// The state has two generations: absorbing writes the next one, `commit` makes it the current one, and an
// operation that fails leaves the current one as it was, to be absorbed into again. So a failure leaves no trace, and
// what was sent can be rebuilt. Memory: four vectors of the dimension. Exact tensors keep their momentum (nothing is
// masked); what is left of them in v is what the wire rounded off.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/parts/layout.h"
#include "runtime/engine/buffer.h"

namespace gossamer::runtime {

// What one read of a rank's gradients tells.
struct GradientScan {
  float scale = 1.0f;       // that cuts the norm to the bound
  double norm = 0.0;        // L2, of all tensors together, before that; NaN or infinite as they are
  bool is_clipped = false;  // the norm was above the bound
  std::optional<std::uint64_t> first_non_finite;  // position in the caller's order

  void cut_to(double clip);  // sets scale and is_clipped from the norm; 0: no bound
};

// Reads every gradient once. `clip` 0: no bound. Tensors as in the layout. `sums`: scan_pieces_max values of scratch.
[[nodiscard]] GradientScan scan_gradients(const Layout& layout, const float* const* gradients, double clip,
                                          ThreadPool* pool, std::span<double> sums);
[[nodiscard]] std::size_t scan_pieces_max(const Layout& layout);

// How a wire of integers rounds what is sent: to whole levels. A scale of 0: it does not round.
struct SentRounding {
  float scale = 0.0f;  // level = nearest(value * scale)
  std::int32_t level_max = 0;
};

// One thread at a time; the pool, if there is one, shares the work and never changes a bit of the result.
class Feedback {
 public:
  [[nodiscard]] static Result<Feedback> make(const Layout& layout, ThreadPool* pool);

  // What is absorbed: a rank's gradients, one pointer for each tensor, times `scale`.
  struct Input {
    const float* const* gradients = nullptr;
    float scale = 1.0f;
    float momentum = 0.0f;
  };

  [[nodiscard]] GradientScan scan(const Layout& layout, const float* const* gradients, double clip) {
    return scan_gradients(layout, gradients, clip, pool_, sums_);
  }

  // Next generation from the current one and this step's gradients: all of it, or positions [first, first + count).
  void absorb(const Layout& layout, const Input& input);
  void absorb_range(const Layout& layout, const Input& input, std::uint64_t first, std::uint64_t count);

  // v of the next generation: what this operation may send. Valid between absorb and the next absorb or commit.
  [[nodiscard]] std::span<const float> pending() const { return v_[1 - current_].as<float>(dimension_); }
  [[nodiscard]] std::span<const float> residual() const { return v_[current_].as<float>(dimension_); }

  // Largest magnitude of everything pending, and the L2 norm of its sparse range.
  struct Extent {
    float magnitude = 0.0f;
    float norm = 0.0f;
  };
  [[nodiscard]] Extent pending_extent();

  // `sent` (ascending, in the sparse range) and all exact coordinates were applied, as rounded by the wire.
  void commit(std::span<const std::uint32_t> sent, const SentRounding& rounding);

 private:
  std::uint64_t dimension_ = 0;
  std::uint64_t sparse_ = 0;
  ThreadPool* pool_ = nullptr;
  std::vector<double> sums_;
  Buffer u_[2];
  Buffer v_[2];
  int current_ = 0;
};

}  // namespace gossamer::runtime
