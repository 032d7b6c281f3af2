// The second pass that sparse algorithms share: exact values of coordinates that every rank knows.
//
//   payload   | v[H] | v[exact] | hash of H, ~hash of H |     summed; the words agree or the operation fails
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/base.h"
#include "runtime/agreement.h"
#include "runtime/algorithm.h"
#include "runtime/feedback.h"

namespace gossamer::runtime {

class ValueExchange {
 public:
  // `count_max`: most coordinates of the sparse range in one operation.
  [[nodiscard]] static Result<ValueExchange> make(const AlgorithmContext& context, std::uint64_t count_max);
  [[nodiscard]] Result<Stage> stage(const AlgorithmContext& context, std::string label) const;

  // Fills the payload with this rank's pending values of `indices` (ascending) and of the exact range,
  // and with the hash of what the ranks must agree on.
  StageSize fill(const Feedback& feedback, std::span<const std::uint32_t> indices, std::uint64_t agreed_hash);

  // Checks the agreement on the summed payload.
  [[nodiscard]] Status check() const;

  // Sums of the `count` coordinates, then of the exact range. Valid until the next fill.
  [[nodiscard]] std::span<float> values() const { return payload_cells(buffer_, shape_); }

 private:
  Buffer buffer_;
  std::uint64_t count_max_ = 0;
  std::uint64_t sparse_ = 0;
  std::uint64_t exact_ = 0;
  sketch::PayloadShape shape_;
  std::uint64_t hash_ = 0;
};

// Positions of the exact range in our vectors, for updates: sparse .. dimension - 1.
void append_exact_range(const Layout& layout, std::span<std::uint32_t> out);

}  // namespace gossamer::runtime
