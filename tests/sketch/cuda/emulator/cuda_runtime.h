// The part of CUDA C++ that the sketch's kernels use, for a host compiler; see emulator.h.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "cuda_runtime_api.h"
#include "emulator.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __shared__ static

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_of = 1, unsigned y_of = 1, unsigned z_of = 1) : x(x_of), y(y_of), z(z_of) {}
};

inline emulator::Index& threadIdx = emulator::here.thread;
inline emulator::Index& blockIdx = emulator::here.block;
inline emulator::Index& blockDim = emulator::here.threads;
inline emulator::Index& gridDim = emulator::here.blocks;

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments... arguments) {
  const emulator::Index blocks{config->gridDim.x, config->gridDim.y, config->gridDim.z};
  const emulator::Index threads{config->blockDim.x, config->blockDim.y, config->blockDim.z};
  const bool is_run =
      emulator::launch(blocks, threads, config->dynamicSmemBytes, [&] { kernel(Parameters(arguments)...); });
  return is_run ? cudaSuccess : cudaErrorInvalidValue;
}

// ---- device functions ------------------------------------------------------------------------

inline void __syncthreads() { emulator::meet_block(); }
inline void __syncwarp() { static_cast<void>(emulator::exchange(0)); }
inline void __threadfence() {}

inline unsigned __ballot_sync(unsigned, bool vote) {
  const auto votes = emulator::exchange(vote ? 1 : 0);
  unsigned mask = 0;
  for (unsigned lane = 0; lane < votes.size(); ++lane) mask |= votes[lane] << lane;
  return mask;
}
inline unsigned __shfl_up_sync(unsigned, unsigned value, unsigned step) {
  const unsigned lane = emulator::lane();
  const auto values = emulator::exchange(value);
  return lane < step ? value : values[lane - step];
}

inline int __popc(unsigned word) { return std::popcount(word); }
inline int __ffs(int word) { return word == 0 ? 0 : std::countr_zero(static_cast<unsigned>(word)) + 1; }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __uint_as_float(unsigned word) { return std::bit_cast<float>(word); }
inline int __float2int_rn(float value) {
  if (std::isnan(value)) return 0;
  return static_cast<int>(std::clamp<double>(std::nearbyint(value), -2147483648.0, 2147483647.0));
}
template <typename T>
T __ldg(const T* from) {
  return *from;
}
template <typename T>
T __ldcg(const T* from) {
  return *from;
}
inline unsigned atomicAdd(unsigned* at, unsigned value) {
  const unsigned old = *at;
  *at += value;
  return old;
}
inline unsigned long long atomicMin(unsigned long long* at, unsigned long long value) {
  const unsigned long long old = *at;
  *at = std::min(old, value);
  return old;
}
