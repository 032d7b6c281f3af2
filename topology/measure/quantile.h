// Private to `topology/measure`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gossamer::topology {

// The value below which the part `q` of the others lies, from below; reorders them. At least one.
inline double quantile_of(std::vector<double>& values, double q) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

inline double median_of(std::vector<double>& values) { return quantile_of(values, 0.5); }

}  // namespace gossamer::topology
