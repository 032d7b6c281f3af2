// The median of a few values in registers.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace gossamer::sketch::cuda {

__device__ __forceinline__ void order(float& a, float& b) {
  const float low = fminf(a, b);
  b = fmaxf(a, b);
  a = low;
}

// Of any n = (count + 1) / 2 + 1 values the least and the greatest cannot be the median of all: drop both, take in the
// next, repeat; as in row_kernels.cc. values[begin ... begin + n) are in play, values[next ...) have not come in.
template <std::uint32_t n, std::uint32_t begin, std::uint32_t next>
__device__ __forceinline__ float median_among(float* values) {
  if constexpr (n == 1) {
    return values[begin];
  } else {
#pragma unroll
    for (std::uint32_t i = 0; i < n / 2; ++i) order(values[begin + i], values[begin + n - 1 - i]);
#pragma unroll
    for (std::uint32_t i = 1; i < (n + 1) / 2; ++i) {
      order(values[begin], values[begin + i]);
      order(values[begin + n - 1 - i], values[begin + n - 1]);
    }
    if constexpr (n == 3) {
      return values[begin + 1];
    } else {
      values[begin + n - 1] = values[next];
      return median_among<n - 1, begin + 1, next + 1>(values);
    }
  }
}

// Of an odd `count`; reorders the values. A zero may come out with either sign.
template <std::uint32_t count>
__device__ __forceinline__ float median_of(float* values) {
  constexpr std::uint32_t first = count == 1 ? 1 : (count + 1) / 2 + 1;
  return median_among<first, 0, first>(values);
}

}  // namespace gossamer::sketch::cuda
