// Moving a vector toward those of others: what a rank does with the parts of its neighbours.
#pragma once

#include <cstddef>
#include <span>

#include "sketch/elements.h"

namespace gossamer::sketch {

struct MixPart {
  const std::byte* values = nullptr;
  double share = 0;
};

// out[i] = z[i] + sum over the parts, in their order, of share * (part[i] - z[i]), in one pass that reads each vector
// once. So a part that is equal to z changes nothing. Floating-point types; any alignment, any count; `out` may be `z`,
// otherwise nothing overlaps. The same bits on every machine and with every SIMD target but for signs and payloads of
// what is not a number:
//
//   f64        in f64
//   f32        in f32, to which the shares are rounded first
//   bf16, f16  widened to f32, combined as f32, and rounded once, at the end
void mix(ElementType type, const std::byte* z, std::span<const MixPart> parts, std::byte* out, std::size_t count);

// Copies `count` floating-point elements, and says whether all of them are finite.
[[nodiscard]] bool copy_finite(ElementType type, const std::byte* from, std::byte* to, std::size_t count);

}  // namespace gossamer::sketch
