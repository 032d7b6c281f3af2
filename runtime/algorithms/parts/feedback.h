// Momentum correction and error feedback (Lin et al. 2018, "Deep Gradient Compression", eq. 4-5):
//
//   g = g * min(1, clip / |g|)     u = m * u + g     v = v + u
//   after the exchange: u[sent] = 0 (factor masking), v[sent] -= what was really sent
//
// The state has two generations: absorbing writes the next one, `commit` makes it the current one, and an
// operation that fails leaves the current one as it was, to be absorbed into again. So a failure leaves no trace, and
// what was sent can be rebuilt. Memory: four vectors of the dimension, two without momentum. Exact tensors keep their
// momentum (nothing is masked); what is left of them in v is what the wire rounded off.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/parts/layout.h"
#include "runtime/engine/buffer.h"
#include "sketch/sketch.h"

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
  enum class Measures : std::uint8_t { nothing, magnitude, extent };  // of what is pending
  [[nodiscard]] static Result<Feedback> make(const Layout& layout, float momentum, Measures measures, ThreadPool* pool);

  // Next generation from the current one and this step's gradients, one pointer for each tensor. With a
  // `first_non_finite` nothing is pending.
  [[nodiscard]] GradientScan absorb(const Layout& layout, const float* const* gradients, double clip);

  // The same in steps, for who reads what is pending in the same pass: `begin` (false: there is nothing to absorb, only
  // `end` may follow), every position once, `end`. With `clip` 0 that is all that reads the gradients.
  [[nodiscard]] bool begin(const Layout& layout, const float* const* gradients, double clip);
  // Positions [first, first + count), where `first` is a multiple of the alignment, or the thread's next position after
  // such a range. v goes to `copy` too, if that is not null; then the rest may be written late (sketch.h), and where
  // the next range will be read from comes back.
  static constexpr std::uint64_t range_alignment = 1024;
  sketch::CountSketch::Upcoming absorb_range(const Layout& layout, std::uint64_t first, std::uint64_t count,
                                             float* copy);
  [[nodiscard]] GradientScan end(const Layout& layout);

  // v of the next generation: what this operation may send. Valid between absorb and the next absorb or commit.
  [[nodiscard]] std::span<const float> pending() const { return v_[1 - current_].as<float>(dimension_); }
  // The current generation, in the layout's order. Momentum is empty where there is none.
  [[nodiscard]] std::span<float> residual() const { return v_[current_].as<float>(dimension_); }
  [[nodiscard]] std::span<float> momentum() const {
    return momentum_ == 0.0f ? std::span<float>() : u_[current_].as<float>(dimension_);
  }

  // Largest magnitude of everything pending, and the L2 norm of its sparse range; as far as they are measured.
  struct Extent {
    float magnitude = 0.0f;
    float norm = 0.0f;
  };
  [[nodiscard]] Extent pending_extent() const;

  // `sent` (ascending, in the sparse range) and all exact coordinates were applied, as rounded by the wire.
  void commit(std::span<const std::uint32_t> sent, const SentRounding& rounding);

  // By how much the last commit made the squares of v less: with those of the residual, the squares of what that step
  // could send. Nothing before the first, and where the residual has been written otherwise since.
  [[nodiscard]] std::optional<double> sent_squares() const { return sent_squares_; }
  void forget_sent() { sent_squares_.reset(); }

 private:
  // What the ranges that begin within one alignment came to.
  struct Measured {
    double gradient_squares = 0.0;
    double squares = 0.0;  // of what is pending in the sparse range
    float magnitude = 0.0f;
  };

  std::uint64_t dimension_ = 0;
  std::uint64_t sparse_ = 0;
  float momentum_ = 0.0f;
  Measures measures_ = Measures::nothing;
  ThreadPool* pool_ = nullptr;
  const float* const* gradients_ = nullptr;  // of the step that is absorbed
  GradientScan scan_;
  bool is_scanned_ = false;  // before it was absorbed
  std::vector<double> sums_;
  std::vector<Measured> measured_;
  std::optional<double> sent_squares_;
  Buffer u_[2];
  Buffer v_[2];
  int current_ = 0;
};

}  // namespace gossamer::runtime
