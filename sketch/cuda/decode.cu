// Decoding: estimates, and the selection of the largest.
//
//   sample -> threshold -> one pass of estimates that lists the survivors -> exact threshold and ties among them
//
// Everything stays in the stream: if the survivors are too few or do not fit, the kernels after the pass see that in
// `survivors` and go through all coordinates instead of the list. Where a chunk's survivors stand in the list depends
// on the order in which blocks came; what is selected does not.
#include "sketch/cuda/device.cuh"
#include "sketch/cuda/launch.h"
#include "sketch/cuda/median.cuh"

namespace gossamer::sketch::cuda {
namespace {

__device__ inline std::uint32_t key_of(float value) { return __float_as_uint(value) & 0x7fffffffu; }

// ---- estimates -------------------------------------------------------------------------------

template <std::uint32_t rows>
__device__ __noinline__ float estimate_with(const LoadedRows& loaded, std::uint64_t coordinate) {
  const SegmentHash hash = segment_hash(loaded.seed, coordinate / loaded.length);
  const auto position = static_cast<std::uint32_t>(coordinate % loaded.length);
  const std::uint32_t bits = sign_bits(hash, position);
  float values[rows];
#pragma unroll
  for (std::uint32_t row = 0; row < rows; ++row) {
    const std::uint32_t column = segment_offset(hash, row, loaded.columns) + position;
    values[row] = with_sign(loaded.cells[std::uint64_t{row} * loaded.width + column], bits, row);
  }
  return median_of<rows>(values) + 0.0f;  // never -0
}

// One coordinate by itself, hashes included: for samples, and where segments are short.
__device__ float estimate_one(const LoadedRows& loaded, std::uint64_t coordinate) {
  switch (loaded.rows) {
    case 1:
      return estimate_with<1>(loaded, coordinate);
    case 3:
      return estimate_with<3>(loaded, coordinate);
    case 5:
      return estimate_with<5>(loaded, coordinate);
    case 7:
      return estimate_with<7>(loaded, coordinate);
    case 9:
      return estimate_with<9>(loaded, coordinate);
    case 11:
      return estimate_with<11>(loaded, coordinate);
    case 13:
      return estimate_with<13>(loaded, coordinate);
    default:
      return estimate_with<15>(loaded, coordinate);
  }
}

// The block's chunk: estimates[step] is that of coordinate chunk_position(warp, step, lane); past the dimension it is
// anything. `rows` is 0 where segments are shorter than segment_length_max.
template <std::uint32_t rows>
__device__ __forceinline__ void estimate_chunk(const LoadedRows& loaded, std::uint64_t chunk, float* estimates) {
  const std::uint32_t lane = threadIdx.x % warp_size;
  const std::uint32_t warp = threadIdx.x / warp_size;
  if constexpr (rows == 0) {
#pragma unroll
    for (std::uint32_t step = 0; step < steps_per_warp; ++step) {
      const std::uint64_t coordinate = chunk * chunk_coordinates + chunk_position(warp, step, lane);
      estimates[step] = coordinate < loaded.dimension ? estimate_one(loaded, coordinate) : 0.0f;
    }
  } else {
    __shared__ std::uint32_t keys[chunk_segments][2];
    __shared__ std::uint32_t offsets[chunk_segments][rows];
    for (std::uint32_t item = threadIdx.x; item < chunk_segments * (rows + 1); item += block_threads) {
      const std::uint32_t segment = item / (rows + 1);
      const std::uint32_t row = item % (rows + 1);
      const SegmentHash hash = segment_hash(loaded.seed, chunk * chunk_segments + segment);
      if (row == rows) {
        keys[segment][0] = hash.sign_key_first;
        keys[segment][1] = hash.sign_key_second;
      } else {
        offsets[segment][row] = segment_offset(hash, row, loaded.columns);
      }
    }
    __syncthreads();
    const std::uint32_t segment = warp / warps_per_segment;
    const std::uint32_t first = chunk_position(warp, 0, lane) % segment_length_max;
    const SegmentHash hash{0, keys[segment][0], keys[segment][1]};
    const float* windows[rows];
#pragma unroll
    for (std::uint32_t row = 0; row < rows; ++row) {
      windows[row] = loaded.cells + std::uint64_t{row} * loaded.width + offsets[segment][row] + first;
    }
#pragma unroll
    for (std::uint32_t step = 0; step < steps_per_warp; ++step) {
      const std::uint32_t bits = sign_bits(hash, first + step * warp_size);
      float values[rows];
#pragma unroll
      for (std::uint32_t row = 0; row < rows; ++row) {
        values[row] = with_sign(__ldg(windows[row] + step * warp_size), bits, row);
      }
      estimates[step] = median_of<rows>(values) + 0.0f;
    }
  }
}

template <std::uint32_t rows>
inline constexpr int blocks_together = rows <= 7 ? 2 : 1;  // of 512 threads: 64 or 128 registers each

template <std::uint32_t rows>
__global__ void __launch_bounds__(block_threads, blocks_together<rows>)
    estimate_chunks(LoadedRows loaded, std::uint64_t first, float* __restrict__ out, std::uint64_t count) {
  const std::uint64_t chunk = first / chunk_coordinates + blockIdx.x;
  float estimates[steps_per_warp];
  estimate_chunk<rows>(loaded, chunk, estimates);
#pragma unroll
  for (std::uint32_t step = 0; step < steps_per_warp; ++step) {
    const std::uint64_t coordinate =
        chunk * chunk_coordinates + chunk_position(threadIdx.x / warp_size, step, threadIdx.x % warp_size);
    if (coordinate >= first && coordinate - first < count) out[coordinate - first] = estimates[step];
  }
}

// ---- selection -------------------------------------------------------------------------------

__global__ void sample_keys(SelectWork work) {
  const std::uint32_t item = blockIdx.x * blockDim.x + threadIdx.x;
  if (item >= work.sample.size()) return;
  const std::uint64_t coordinate = work.sample.begin(item / warp_size) + item % warp_size;
  work.sample_keys[item] = key_of(estimate_one(work.rows, coordinate));
}

__global__ void start_states(SelectWork work) {
  work.states[0].wanted = work.sample_rank;
  work.states[1].wanted = work.count;
}

__device__ inline bool is_listed(const SelectWork& work) {
  const std::uint32_t survivors = *work.survivors;
  return survivors >= work.count && survivors <= work.survivors_max;
}

// The last block of each pass fixes a digit: of the keys with the prefix so far, `wanted` largest are sought.
__device__ void fix_digit(DigitState& state, std::uint32_t pass) {
  constexpr std::uint32_t each = digits / block_threads;
  std::uint32_t counts[each];
  std::uint32_t sum = 0;
  const std::uint32_t wanted = state.wanted;
  for (std::uint32_t i = 0; i < each; ++i) {  // from the largest digit down
    counts[i] = __ldcg(&state.counts[pass][digits - 1 - (threadIdx.x * each + i)]);
    sum += counts[i];
  }
  std::uint32_t total = 0;
  std::uint32_t above = sum_before<block_threads>(sum, total);
  for (std::uint32_t i = 0; i < each; ++i) {
    if (above < wanted && wanted <= above + counts[i]) {
      const std::uint32_t digit = digits - 1 - (threadIdx.x * each + i);
      state.prefix |= digit << digit_of(pass).shift;
      state.wanted = wanted - above;
    }
    above += counts[i];
  }
}

// Counts the digits of one pass; `state` 0 is that of the sample, 1 that of the survivors.
__global__ void __launch_bounds__(block_threads)
    count_digits(SelectWork work, std::uint32_t which, std::uint32_t pass) {
  __shared__ std::uint32_t counts[digits];
  __shared__ std::uint32_t is_last;
  DigitState& state = work.states[which];
  for (std::uint32_t i = threadIdx.x; i < digits; i += block_threads) counts[i] = 0;
  __syncthreads();
  const bool is_sample = which == 0;
  const bool listed = is_sample || is_listed(work);
  const std::uint32_t* const keys = is_sample ? work.sample_keys : work.list_keys;
  const std::uint64_t items = is_sample ? work.sample.size() : listed ? *work.survivors : work.rows.dimension;
  const std::uint32_t prefix = state.prefix;
  const std::uint32_t above = digit_of(pass).above;
  const std::uint64_t step = std::uint64_t{gridDim.x} * block_threads;
  for (std::uint64_t i = std::uint64_t{blockIdx.x} * block_threads + threadIdx.x; i < items; i += step) {
    const std::uint32_t key = listed ? keys[i] : key_of(estimate_one(work.rows, i));
    if (key >> above == prefix >> above) atomicAdd(&counts[digit_at(key, pass)], 1u);
  }
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < digits; i += block_threads) {
    if (counts[i] != 0) atomicAdd(&state.counts[pass][i], counts[i]);
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) is_last = atomicAdd(&state.blocks_done[pass], 1u) == gridDim.x - 1 ? 1 : 0;
  __syncthreads();
  if (is_last != 0) {
    __threadfence();
    fix_digit(state, pass);
  }
}

template <std::uint32_t rows>
__global__ void __launch_bounds__(block_threads, blocks_together<rows>) list_survivors(SelectWork work) {
  __shared__ std::uint32_t warp_sums[block_warps];
  __shared__ std::uint32_t block_begin;
  const std::uint32_t lane = threadIdx.x % warp_size;
  const std::uint32_t warp = threadIdx.x / warp_size;
  const std::uint64_t chunk = blockIdx.x;
  const std::uint32_t least = work.sample.groups == 0 ? 0 : work.states[0].prefix;
  float estimates[steps_per_warp];
  estimate_chunk<rows>(work.rows, chunk, estimates);
  const std::uint64_t chunk_begin = chunk * chunk_coordinates;
  const std::uint64_t rest = work.rows.dimension - chunk_begin;

  std::uint32_t warp_sum = 0;
#pragma unroll
  for (std::uint32_t step = 0; step < steps_per_warp; ++step) {
    const bool keep = key_of(estimates[step]) >= least && chunk_position(warp, step, lane) < rest;
    warp_sum += static_cast<std::uint32_t>(__popc(__ballot_sync(all_lanes, keep)));
  }
  if (lane == 0) warp_sums[warp] = warp_sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    std::uint32_t total = 0;
    for (std::uint32_t w = 0; w < block_warps; ++w) total += warp_sums[w];
    block_begin = atomicAdd(work.survivors, total);
    work.chunk_begin[chunk] = block_begin;
    work.chunk_size[chunk] = total;
  }
  __syncthreads();
  std::uint32_t place = block_begin;
  for (std::uint32_t w = 0; w < warp; ++w) place += warp_sums[w];
  if (place + warp_sum > work.survivors_max) return;
#pragma unroll
  for (std::uint32_t step = 0; step < steps_per_warp; ++step) {
    const std::uint32_t key = key_of(estimates[step]);
    const std::uint32_t position = chunk_position(warp, step, lane);
    const bool keep = key >= least && position < rest;
    const std::uint32_t mask = __ballot_sync(all_lanes, keep);
    if (keep) {
      const auto own = place + static_cast<std::uint32_t>(__popc(mask & ((1u << lane) - 1)));
      work.list_indices[own] = static_cast<std::uint32_t>(chunk_begin) + position;
      work.list_keys[own] = key;
    }
    place += static_cast<std::uint32_t>(__popc(mask));
  }
}

struct Candidate {
  std::uint32_t index = 0;
  std::uint32_t key = 0;
};

// The candidates of one chunk in ascending order of index, for one warp.
struct ChunkCandidates {
  const SelectWork& work;
  std::uint64_t chunk;
  bool listed;
  std::uint32_t count;

  __device__ ChunkCandidates(const SelectWork& select, std::uint64_t of_chunk)
      : work(select), chunk(of_chunk), listed(is_listed(select)) {
    const std::uint64_t rest = work.rows.dimension - chunk * chunk_coordinates;
    const std::uint32_t all = rest < chunk_coordinates ? static_cast<std::uint32_t>(rest) : chunk_coordinates;
    count = listed ? work.chunk_size[chunk] : all;
  }
  [[nodiscard]] __device__ Candidate operator[](std::uint32_t i) const {
    if (listed) {
      const std::uint32_t place = work.chunk_begin[chunk] + i;
      return {work.list_indices[place], work.list_keys[place]};
    }
    const std::uint64_t index = chunk * chunk_coordinates + i;
    return {static_cast<std::uint32_t>(index), key_of(estimate_one(work.rows, index))};
  }
};

// A warp for each chunk: how many of its keys are above the threshold, and equal to it.
__global__ void __launch_bounds__(block_threads) count_chosen(SelectWork work) {
  const std::uint64_t chunk = std::uint64_t{blockIdx.x} * block_warps + threadIdx.x / warp_size;
  const std::uint32_t lane = threadIdx.x % warp_size;
  if (chunk >= work.chunks) return;
  const std::uint32_t threshold = work.states[1].prefix;
  const ChunkCandidates candidates(work, chunk);
  std::uint32_t above = 0;
  std::uint32_t ties = 0;
  for (std::uint32_t base = 0; base < candidates.count; base += warp_size) {
    const bool is_there = base + lane < candidates.count;
    const std::uint32_t key = is_there ? candidates[base + lane].key : 0;
    above += static_cast<std::uint32_t>(__popc(__ballot_sync(all_lanes, is_there && key > threshold)));
    ties += static_cast<std::uint32_t>(__popc(__ballot_sync(all_lanes, is_there && key == threshold)));
  }
  if (lane == 0) {
    work.chunk_above[chunk] = above;
    work.chunk_ties[chunk] = ties;
  }
}

// One block: counts become sums over the chunks before.
__global__ void __launch_bounds__(block_threads) sum_chunks(SelectWork work) {
  std::uint32_t above_before = 0;
  std::uint32_t ties_before = 0;
  for (std::uint32_t base = 0; base < work.chunks; base += block_threads) {
    const std::uint32_t chunk = base + threadIdx.x;
    const bool is_there = chunk < work.chunks;
    const std::uint32_t above = is_there ? work.chunk_above[chunk] : 0;
    const std::uint32_t ties = is_there ? work.chunk_ties[chunk] : 0;
    std::uint32_t total = 0;
    const std::uint32_t above_sum = above_before + sum_before<block_threads>(above, total);
    above_before += total;
    const std::uint32_t ties_sum = ties_before + sum_before<block_threads>(ties, total);
    ties_before += total;
    if (is_there) {
      work.chunk_above[chunk] = above_sum;
      work.chunk_ties[chunk] = ties_sum;
    }
  }
}

__global__ void __launch_bounds__(block_threads) write_chosen(SelectWork work, std::uint32_t* __restrict__ indices) {
  const std::uint64_t chunk = std::uint64_t{blockIdx.x} * block_warps + threadIdx.x / warp_size;
  const std::uint32_t lane = threadIdx.x % warp_size;
  if (chunk >= work.chunks) return;
  const std::uint32_t threshold = work.states[1].prefix;
  const std::uint32_t ties_wanted = work.states[1].wanted;
  const ChunkCandidates candidates(work, chunk);
  std::uint32_t above_before = work.chunk_above[chunk];
  std::uint32_t ties_before = work.chunk_ties[chunk];
  for (std::uint32_t base = 0; base < candidates.count; base += warp_size) {
    const bool is_there = base + lane < candidates.count;
    const Candidate candidate = is_there ? candidates[base + lane] : Candidate{};
    const bool is_above = is_there && candidate.key > threshold;
    const bool is_tie = is_there && candidate.key == threshold;
    const std::uint32_t above = __ballot_sync(all_lanes, is_above);
    const std::uint32_t ties = __ballot_sync(all_lanes, is_tie);
    const std::uint32_t before = (1u << lane) - 1;
    const auto own_above = above_before + static_cast<std::uint32_t>(__popc(above & before));
    const auto own_ties = ties_before + static_cast<std::uint32_t>(__popc(ties & before));
    if (is_above || (is_tie && own_ties < ties_wanted)) {
      indices[chosen_place(own_above, own_ties, ties_wanted)] = candidate.index;
    }
    above_before += static_cast<std::uint32_t>(__popc(above));
    ties_before += static_cast<std::uint32_t>(__popc(ties));
  }
}

// ---- launches --------------------------------------------------------------------------------

// Calls body(constant) with the rows that kernels are made for.
template <typename Body>
cudaError_t with_rows(const LoadedRows& loaded, const Body& body) {
  if (loaded.length != segment_length_max) return body(std::integral_constant<std::uint32_t, 0>());
  switch (loaded.rows) {
    case 1:
      return body(std::integral_constant<std::uint32_t, 1>());
    case 3:
      return body(std::integral_constant<std::uint32_t, 3>());
    case 5:
      return body(std::integral_constant<std::uint32_t, 5>());
    case 7:
      return body(std::integral_constant<std::uint32_t, 7>());
    case 9:
      return body(std::integral_constant<std::uint32_t, 9>());
    case 11:
      return body(std::integral_constant<std::uint32_t, 11>());
    case 13:
      return body(std::integral_constant<std::uint32_t, 13>());
    default:
      return body(std::integral_constant<std::uint32_t, 15>());
  }
}

cudaError_t find_threshold(const SelectWork& work, std::uint32_t which, std::uint64_t items, cudaStream_t stream) {
  const auto blocks = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(items / (8 * block_threads), 1, 1024));
  for (std::uint32_t pass = 0; pass < digit_passes; ++pass) {
    GOSSAMER_CUDA_TRY(launch({blocks, block_threads, 0, stream}, count_digits, work, which, pass));
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t estimate(const LoadedRows& rows, std::uint64_t first, float* estimates, std::uint64_t count,
                     cudaStream_t stream) {
  const std::uint64_t chunks = (first + count - 1) / chunk_coordinates - first / chunk_coordinates + 1;
  return with_rows(rows, [&](auto fixed) {
    return launch({static_cast<std::uint32_t>(chunks), block_threads, 0, stream}, estimate_chunks<fixed()>, rows, first,
                  estimates, count);
  });
}

cudaError_t select_top(const SelectWork& work, std::uint32_t* indices, cudaStream_t stream) {
  GOSSAMER_CUDA_TRY(cudaMemsetAsync(work.states, 0, 2 * sizeof(DigitState), stream));
  GOSSAMER_CUDA_TRY(cudaMemsetAsync(work.survivors, 0, sizeof(*work.survivors), stream));
  GOSSAMER_CUDA_TRY(launch({1, 1, 0, stream}, start_states, work));
  if (work.sample.groups != 0) {
    GOSSAMER_CUDA_TRY(launch({divide_up(work.sample.size(), 128u), 128, 0, stream}, sample_keys, work));
    GOSSAMER_CUDA_TRY(find_threshold(work, 0, work.sample.size(), stream));
  }
  GOSSAMER_CUDA_TRY(with_rows(work.rows, [&](auto fixed) {
    return launch({work.chunks, block_threads, 0, stream}, list_survivors<fixed()>, work);
  }));
  GOSSAMER_CUDA_TRY(find_threshold(work, 1, work.survivors_max, stream));
  const std::uint32_t blocks = divide_up(work.chunks, block_warps);
  GOSSAMER_CUDA_TRY(launch({blocks, block_threads, 0, stream}, count_chosen, work));
  GOSSAMER_CUDA_TRY(launch({1, block_threads, 0, stream}, sum_chunks, work));
  return launch({blocks, block_threads, 0, stream}, write_chosen, work, indices);
}

}  // namespace gossamer::sketch::cuda
