// Passes over plain vectors.
#include "sketch/cuda/device.cuh"
#include "sketch/cuda/launch.h"

namespace gossamer::sketch::cuda {
namespace {

struct AccumulateVectors {
  const float* g;
  const float* u;
  const float* v;
  float* u_next;  // may be u, as v_next may be v
  float* v_next;
};

__global__ void accumulate_vectors(AccumulateVectors vectors, float scale, float momentum, std::uint64_t count) {
  for (std::uint64_t i = first_item(); i < count; i += item_step()) {
    const float next = momentum * vectors.u[i] + scale * vectors.g[i];
    vectors.v_next[i] = vectors.v[i] + next;
    vectors.u_next[i] = next;
  }
}

__global__ void take_values(const std::uint32_t* __restrict__ indices, std::uint64_t count, float* __restrict__ u,
                            float* __restrict__ v, float* __restrict__ out) {
  for (std::uint64_t i = first_item(); i < count; i += item_step()) {
    const std::uint32_t index = indices[i];
    out[i] = v[index];
    v[index] = 0.0f;
    u[index] = 0.0f;
  }
}

__global__ void take_levels(const std::uint32_t* __restrict__ indices, std::uint64_t count, float scale,
                            float* __restrict__ u, float* __restrict__ v, std::int16_t* __restrict__ out) {
  for (std::uint64_t i = first_item(); i < count; i += item_step()) {
    const std::uint32_t index = indices[i];
    const float value = v[index];
    const int nearest = __float2int_rn(value * scale);
    const int level = nearest > 32767 ? 32767 : nearest < -32767 ? -32767 : nearest;
    out[i] = static_cast<std::int16_t>(level);
    v[index] = value - static_cast<float>(level) / scale;
    u[index] = 0.0f;
  }
}

// ---- norms and scans -------------------------------------------------------------------------

// Adds pairs of threads, then pairs of pairs; thread 0 returns the block's.
__device__ NormPartial fold_block(NormPartial own) {
  __shared__ double sums[norm_threads];
  __shared__ std::uint32_t keys[norm_threads];
  sums[threadIdx.x] = own.sum_squares;
  keys[threadIdx.x] = own.key_max;
  for (std::uint32_t half = norm_threads / 2; half != 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
      const std::uint32_t other = keys[threadIdx.x + half];
      if (other > keys[threadIdx.x]) keys[threadIdx.x] = other;
    }
  }
  return {sums[0], keys[0]};
}

__global__ void __launch_bounds__(norm_threads)
    norms_of_blocks(const float* __restrict__ vector, std::uint64_t count, NormPartial* __restrict__ partials) {
  NormPartial own;
  const std::uint64_t step = std::uint64_t{norm_blocks} * norm_threads;
#pragma unroll 4
  for (std::uint64_t i = std::uint64_t{blockIdx.x} * norm_threads + threadIdx.x; i < count; i += step) {
    const float value = vector[i];
    const double x = value;
    own.sum_squares += x * x;
    const std::uint32_t key = __float_as_uint(value) & 0x7fffffffu;
    if (key > own.key_max) own.key_max = key;
  }
  const NormPartial sum = fold_block(own);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(norm_threads)
    fold_norms(const NormPartial* __restrict__ partials, VectorNorms* __restrict__ norms) {
  NormPartial own;
  for (std::uint32_t i = threadIdx.x; i < norm_blocks; i += norm_threads) {
    own.sum_squares += partials[i].sum_squares;
    if (partials[i].key_max > own.key_max) own.key_max = partials[i].key_max;
  }
  const NormPartial sum = fold_block(own);
  if (threadIdx.x != 0) return;
  norms->sum_squares = sum.sum_squares;
  norms->magnitude_max = __uint_as_float(sum.key_max);
}

__global__ void start_scan(std::uint64_t* index, std::uint64_t count) { *index = count; }

__global__ void scan_non_finite(const float* __restrict__ vector, std::uint64_t count, std::uint64_t* index) {
  std::uint64_t first = count;
#pragma unroll 4
  for (std::uint64_t i = first_item(); i < count; i += item_step()) {
    const bool is_finite = (__float_as_uint(vector[i]) & 0x7fffffffu) < 0x7f800000u;
    if (!is_finite && i < first) first = i;
  }
  if (first != count) atomicMin(reinterpret_cast<unsigned long long*>(index), static_cast<unsigned long long>(first));
}

}  // namespace

cudaError_t accumulate(const float* g, float scale, float momentum, const FeedbackVectors& from,
                       const NextFeedbackVectors& to, cudaStream_t stream) {
  const AccumulateVectors vectors{g, from.u.data(), from.v.data(), to.u.data(), to.v.data()};
  return launch(grid_for(from.u.size(), stream), accumulate_vectors, vectors, scale, momentum, from.u.size());
}

cudaError_t take(const std::uint32_t* indices, std::uint64_t count, const TakenFrom& from, float* out,
                 cudaStream_t stream) {
  return launch(grid_for(count, stream), take_values, indices, count, from.u.data(), from.v.data(), out);
}

cudaError_t take_quantised(const std::uint32_t* indices, std::uint64_t count, float scale, const TakenFrom& from,
                           std::int16_t* out, cudaStream_t stream) {
  return launch(grid_for(count, stream), take_levels, indices, count, scale, from.u.data(), from.v.data(), out);
}

cudaError_t norms(const float* vector, std::uint64_t count, NormPartial* partials, VectorNorms* norms,
                  cudaStream_t stream) {
  GOSSAMER_CUDA_TRY(launch({norm_blocks, norm_threads, 0, stream}, norms_of_blocks, vector, count, partials));
  return launch({1, norm_threads, 0, stream}, fold_norms, partials, norms);
}

cudaError_t first_non_finite(const float* vector, std::uint64_t count, std::uint64_t* index, cudaStream_t stream) {
  GOSSAMER_CUDA_TRY(launch({1, 1, 0, stream}, start_scan, index, count));
  return launch(grid_for(count / 4 + 1, stream), scan_non_finite, vector, count, index);
}

}  // namespace gossamer::sketch::cuda
