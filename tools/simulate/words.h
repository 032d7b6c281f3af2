// Times of this room's tables.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/base.h"

namespace gossamer::tools {

// Any microseconds of at least 0; what is beyond 30 years is 30 years.
[[nodiscard]] inline std::string us_words(double us) {
  return format_duration(static_cast<std::uint64_t>(std::llround(std::min(us * 1e3, 1e18))));
}

}  // namespace gossamer::tools
