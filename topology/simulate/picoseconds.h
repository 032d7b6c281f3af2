// Private to `topology/simulate`: time that stops at a horizon instead of wrapping.
#pragma once

#include <algorithm>
#include <cmath>

#include "topology/simulate/simulate.h"

namespace gossamer::topology {

// 53 days. Two times below it have a sum that fits, and whoever reaches it reports it once, at the end.
inline constexpr Picoseconds horizon = Picoseconds{1} << 62;

[[nodiscard]] inline Picoseconds later(Picoseconds time, Picoseconds duration) {
  return std::min(time + duration, horizon);
}

// To the nearest picosecond: one multiplication and one rounding, alike on every machine.
[[nodiscard]] inline Picoseconds picoseconds(double nanoseconds) {
  const double value = nanoseconds * 1e3;
  return value < static_cast<double>(horizon) ? static_cast<Picoseconds>(std::llround(value)) : horizon;
}
[[nodiscard]] inline Picoseconds picoseconds(std::uint64_t bytes, double ns_per_byte) {
  return picoseconds(static_cast<double>(bytes) * ns_per_byte);
}

}  // namespace gossamer::topology
