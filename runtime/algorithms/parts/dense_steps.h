// What dense does to each element, wherever it lies; the same bits for the same input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/algorithms/parts/feedback.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

// Behind the cells: the flag, and the largest norm of any rank's gradient as it travels.
inline constexpr std::uint32_t dense_words = 2;
[[nodiscard]] std::uint64_t norm_word(const GradientScan& scan);

// How the mean over ranks is made of what travels.
//
//   range of f32 (bf16)    each rank sends g, and the sum is divided by P
//   a smaller one (f16)    each rank sends g / P: a sum of P gradients that fit fits, too
struct DenseWire {
  sketch::CellType type = sketch::CellType::f32;
  std::uint32_t rank_count = 1;

  // The largest magnitude that a sum may be expected to have: a half for what is rounded on the way, far more than P
  // roundings can add.
  [[nodiscard]] constexpr double sum_max() const { return sketch::row_of(type).most / 2; }
  [[nodiscard]] bool divides_first() const { return sum_max() < 0x1p126; }
  [[nodiscard]] float share() const { return 1.0f / static_cast<float>(rank_count); }
};

// cells = gradient * scale, as they travel. What goes beyond the range of f16 becomes infinity.
void make_dense_cells(const DenseWire& wire, std::span<const float> gradient, float scale, std::span<std::byte> cells);

// How large the momentum's elements can be, from the largest norm of any rank's gradient: no element is larger than its
// vector's norm, so neither is the mean, and u grows by no more in a step. Equal on all ranks, as what they agree on
// is.
class DenseBound {
 public:
  // With that norm, as it travels (scaled), the next step can go beyond the range of f32 or of the wire.
  [[nodiscard]] bool may_overflow(const DenseWire& wire, float momentum, float norm_max) const;
  void step(float momentum, float norm_max);
  // After a step that was looked at because it might: what u really holds.
  void measure(std::span<const float> u);

 private:
  double magnitude_ = 0.0;  // of u, at most
};

// u = momentum * u + mean of the summed cells; at momentum 0 u is not read.
void take_dense_cells(const DenseWire& wire, std::span<const std::byte> cells, float momentum, std::span<float> u);

// The first position where that would be NaN or infinite, u.size() if there is none. Writes nothing.
[[nodiscard]] std::size_t first_overflow(const DenseWire& wire, std::span<const std::byte> cells, float momentum,
                                         std::span<const float> u);

}  // namespace gossamer::runtime
