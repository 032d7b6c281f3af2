// The second pass that sparse algorithms share: exact values of coordinates that every rank knows.
//
//   payload   | v[H] | v[exact] | hash of H, ~hash of H |     summed; the words agree or the operation fails
//
// Values travel as f32, or as integers of one scale that all ranks share: then sums are exact and what a rank's own
// rounding cut off stays in its residual, so no gradient is lost.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/parts/agreement.h"
#include "runtime/algorithms/parts/context.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/algorithms/parts/stages.h"

namespace gossamer::runtime {

class ValueExchange {
 public:
  // `count_max`: most coordinates of the sparse range in one operation.
  [[nodiscard]] static Result<ValueExchange> make(const AlgorithmContext& context, std::uint64_t count_max);
  [[nodiscard]] Result<Stage> stage(const AlgorithmContext& context, std::string label) const;
  // Whether `fill` needs a magnitude that all ranks share.
  [[nodiscard]] bool needs_magnitude() const { return sketch::is_integer(type_); }

  // Fills the payload with this rank's pending values of `indices` (ascending) and of the exact range, and with the
  // hash of what the ranks must agree on. `magnitude`: no pending value of any rank is larger; the same on all.
  StageSize fill(const Feedback& feedback, std::span<const std::uint32_t> indices, std::uint64_t agreed_hash,
                 float magnitude = 0.0f);

  // Checks the agreement on the summed payload.
  [[nodiscard]] Status check() const;

  // Means over ranks of the coordinates filled, then of the exact range; once for each fill, after check. Valid
  // until the next fill. `not_finite` where a sum went beyond the range of f32. `indices`: as they were filled.
  [[nodiscard]] Result<std::span<float>> take_means(const Layout& layout, std::span<const std::uint32_t> indices);

  // How the wire rounded what was filled: for Feedback::commit.
  [[nodiscard]] const SentRounding& rounding() const { return rounding_; }

 private:
  Buffer buffer_;
  sketch::CellType type_ = sketch::CellType::f32;
  std::uint32_t rank_count_ = 1;
  std::uint64_t count_max_ = 0;
  std::uint64_t sparse_ = 0;
  std::uint64_t exact_ = 0;
  std::vector<float> values_;  // on their way to and from integers
  SentRounding rounding_;
  sketch::PayloadShape shape_;
  std::uint64_t hash_ = 0;
};

}  // namespace gossamer::runtime
