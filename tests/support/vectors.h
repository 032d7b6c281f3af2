// Vectors drawn from a seed, for tests of any layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/base.h"

namespace gossamer {

// Values n / 8, |n| <= 64: sums of up to 100,000 of them are exact in f32, whatever their order.
inline std::vector<float> coarse_vector(std::uint64_t seed, std::size_t size) {
  Random random(seed);
  std::vector<float> values(size);
  for (float& value : values) value = (static_cast<float>(random.below(129)) - 64.0F) / 8.0F;
  return values;
}

// Heavy-tailed values of both signs whose sums do round: the cube of a normal.
inline std::vector<float> rough_vector(std::uint64_t seed, std::size_t size) {
  Random random(seed);
  std::vector<float> values(size);
  for (float& value : values) {
    const double x = random.normal();
    value = static_cast<float>(x * x * x);
  }
  return values;
}

}  // namespace gossamer
