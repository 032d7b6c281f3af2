// The mean of a vector, as a sum that is divided: by whoever gives a part of it, or by whoever has the whole.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/engine/payload.h"

namespace gossamer::runtime {

// Sums of f16 would leave its range long before their mean does.
[[nodiscard]] constexpr bool divides_before(const ElementVector& vector) {
  return vector.type == sketch::ElementType::f16;
}

// For the first `count` elements at `data`: before this rank's part is merged with others', and after. Nothing where
// the operator is another.
inline void begin_mean(const ElementVector& vector, std::uint32_t rank_count, std::byte* data, std::uint64_t count) {
  if (vector.op == sketch::ReduceOp::mean && divides_before(vector))
    sketch::scale_elements(vector.type, 1.0 / rank_count, data, count);
}
inline void end_mean(const ElementVector& vector, std::uint32_t rank_count, std::byte* data, std::uint64_t count) {
  if (vector.op == sketch::ReduceOp::mean && !divides_before(vector))
    sketch::scale_elements(vector.type, 1.0 / rank_count, data, count);
}

}  // namespace gossamer::runtime
