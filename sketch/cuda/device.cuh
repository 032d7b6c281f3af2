// What the kernels share: launching, walking over items, scans over a block, signs.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "sketch/cuda/block_memory.cuh"
#include "sketch/cuda/layout.h"
#include "sketch/hash.h"

namespace gossamer::sketch::cuda {

inline constexpr std::uint32_t all_lanes = 0xffffffffu;

struct Grid {
  dim3 blocks;
  dim3 threads;
  std::uint64_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
};

template <typename... Parameters, typename... Arguments>
[[nodiscard]] cudaError_t launch(const Grid& grid, void (*kernel)(Parameters...), const Arguments&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = grid.stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

// One thread for each item up to a full device, then several: item first_item(), then every item_step()-th.
[[nodiscard]] inline Grid grid_for(std::uint64_t items, cudaStream_t stream) {
  constexpr std::uint32_t threads = 256;
  const std::uint64_t blocks = divide_up<std::uint64_t>(items, threads);
  return {static_cast<std::uint32_t>(std::clamp<std::uint64_t>(blocks, 1, 8192)), threads, 0, stream};
}
__device__ inline std::uint64_t first_item() { return std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ inline std::uint64_t item_step() { return std::uint64_t{gridDim.x} * blockDim.x; }

#define GOSSAMER_CUDA_TRY(expression)                                                                 \
  do {                                                                                                \
    if (const cudaError_t cuda_error_ = (expression); cuda_error_ != cudaSuccess) return cuda_error_; \
  } while (false)

// +-value in the arithmetic of the cells: f32, or 32 bits that wrap.
__device__ inline float with_sign(float value, std::uint32_t bits, std::uint32_t row) {
  return __uint_as_float(__float_as_uint(value) ^ ((bits << row) & 0x80000000u));
}
__device__ inline std::uint32_t with_sign(std::uint32_t value, std::uint32_t bits, std::uint32_t row) {
  const std::uint32_t mask = 0u - ((bits << row) >> 31);
  return (value ^ mask) - mask;
}

// Sum of `value` over the threads before this one; all threads of the block call it. `total` gets the block's sum.
template <std::uint32_t threads>
__device__ std::uint32_t sum_before(std::uint32_t value, std::uint32_t& total) {
  constexpr std::uint32_t warps = threads / warp_size;
  __shared__ std::uint32_t warp_sums[warps];
  const std::uint32_t lane = threadIdx.x % warp_size;
  const std::uint32_t warp = threadIdx.x / warp_size;
  std::uint32_t sum = value;
  for (std::uint32_t step = 1; step < warp_size; step *= 2) {
    const std::uint32_t other = __shfl_up_sync(all_lanes, sum, step);
    if (lane >= step) sum += other;
  }
  __syncthreads();  // an earlier call's sums have been read
  if (lane == warp_size - 1) warp_sums[warp] = sum;
  __syncthreads();
  std::uint32_t before = 0;
  total = 0;
  for (std::uint32_t w = 0; w < warps; ++w) {
    if (w < warp) before += warp_sums[w];
    total += warp_sums[w];
  }
  return before + sum - value;
}

}  // namespace gossamer::sketch::cuda
