// Encoding: partial cells of runs of segments, then their fold. layout.h says how the work is divided.
#include "sketch/cuda/cells.cuh"
#include "sketch/cuda/device.cuh"
#include "sketch/cuda/launch.h"

namespace gossamer::sketch::cuda {
namespace {

// Integer cells are unsigned here: their sums wrap.
template <typename Cell>
__device__ Cell term_of(float value, float scale);
template <>
__device__ float term_of<float>(float value, float) {
  return value;
}
template <>
__device__ std::uint32_t term_of<std::uint32_t>(float value, float scale) {
  return static_cast<std::uint32_t>(__float2int_rn(value * scale));
}

// ---- all rows in one block -------------------------------------------------------------------

// Hashes `count` segments from `first` on into the table, a thread for each offset.
__device__ void fill_table(const EncodeWork& work, std::uint32_t first, std::uint32_t count, std::uint32_t* table) {
  const std::uint32_t rows = work.shape.rows;
  for (std::uint32_t item = threadIdx.x; item < count * (rows + 1); item += block_threads) {
    const std::uint32_t segment = item / (rows + 1);
    const std::uint32_t row = item % (rows + 1);
    const SegmentHash hash = segment_hash(work.seed, first + segment);
    std::uint32_t* const entry = table + segment * table_words(rows);
    if (row == rows) {
      entry[0] = hash.sign_key_first;
      entry[1] = hash.sign_key_second;
    } else {
      entry[2 + row] = row * work.plan.width + segment_offset(hash, row, work.shape.columns);
    }
  }
}

// Adds one thread's terms of a segment. All reads come before all writes: these cells are distinct, which the compiler
// cannot know.
template <std::uint32_t rows, typename Cell>
__device__ __forceinline__ void add_terms(const uint4* entry, const Cell* terms, const std::uint32_t* bits,
                                          std::uint32_t length, Cell* cells) {
  constexpr std::uint32_t words = table_words(rows);
  std::uint32_t word[words];
#pragma unroll
  for (std::uint32_t i = 0; i < words / 4; ++i) {
    const uint4 group = entry[i];
    word[4 * i] = group.x;
    word[4 * i + 1] = group.y;
    word[4 * i + 2] = group.z;
    word[4 * i + 3] = group.w;
  }
  Cell sums[positions_per_thread][rows];
#pragma unroll
  for (std::uint32_t place = 0; place < positions_per_thread; ++place) {
    const std::uint32_t position = threadIdx.x + place * block_threads;
#pragma unroll
    for (std::uint32_t row = 0; row < rows; ++row) {
      sums[place][row] = position < length ? cells[word[2 + row] + position] : Cell{0};
    }
  }
#pragma unroll
  for (std::uint32_t place = 0; place < positions_per_thread; ++place) {
    const std::uint32_t position = threadIdx.x + place * block_threads;
#pragma unroll
    for (std::uint32_t row = 0; row < rows; ++row) {
      const Cell sum = sums[place][row] + with_sign(terms[place], bits[place], row);
      if (position < length) cells[word[2 + row] + position] = sum;
    }
  }
}

// The same for any number of rows.
template <typename Cell>
__device__ __forceinline__ void add_terms(const std::uint32_t* entry, std::uint32_t rows, const Cell* terms,
                                          const std::uint32_t* bits, std::uint32_t length, Cell* cells) {
#pragma unroll
  for (std::uint32_t place = 0; place < positions_per_thread; ++place) {
    const std::uint32_t position = threadIdx.x + place * block_threads;
    if (position >= length) continue;
    for (std::uint32_t row = 0; row < rows; ++row) {
      cells[entry[2 + row] + position] += with_sign(terms[place], bits[place], row);
    }
  }
}

// `fixed_rows` is the number of rows, or 0 where the loop over them is not unrolled.
template <typename Cell, std::uint32_t fixed_rows>
__global__ void __launch_bounds__(block_threads) encode_whole_rows(EncodeWork work, const float* __restrict__ vector) {
  const std::uint32_t rows = fixed_rows != 0 ? fixed_rows : work.shape.rows;
  const EncodePlan& plan = work.plan;
  const std::uint32_t words = table_words(rows);
  auto* const table = reinterpret_cast<std::uint32_t*>(block_memory());
  auto* const cells = reinterpret_cast<Cell*>(table + table_segments * words);
  for (std::uint32_t i = threadIdx.x; i < rows * plan.width; i += block_threads) cells[i] = Cell{0};

  const std::uint32_t begin = plan.part_begin(blockIdx.x);
  const std::uint32_t end = plan.part_end(blockIdx.x);
  std::uint32_t place_end[positions_per_thread] = {};
  float ahead[segments_ahead][positions_per_thread];
  const auto value_at = [&](std::uint32_t segment, std::uint32_t place) {
    const float* const values = vector + std::uint64_t{segment} * plan.length;
    return segment < place_end[place] ? values[threadIdx.x + place * block_threads] : 0.0f;
  };
#pragma unroll
  for (std::uint32_t place = 0; place < positions_per_thread; ++place) {
    place_end[place] = segments_with(threadIdx.x + place * block_threads, plan, work.shape.dimension, end);
#pragma unroll
    for (std::uint32_t slot = 0; slot < segments_ahead; ++slot) ahead[slot][place] = value_at(begin + slot, place);
  }

  for (std::uint32_t batch = begin; batch < end; batch += table_segments) {
    const std::uint32_t count = end - batch < table_segments ? end - batch : table_segments;
    fill_table(work, batch, count, table);
    __syncthreads();
    for (std::uint32_t i = 0; i < count; i += segments_ahead) {
#pragma unroll
      for (std::uint32_t slot = 0; slot < segments_ahead; ++slot) {
        if (i + slot >= count) break;
        const std::uint32_t* const entry = table + (i + slot) * words;
        const SegmentHash hash{0, entry[0], entry[1]};
        Cell terms[positions_per_thread];
        std::uint32_t bits[positions_per_thread];
#pragma unroll
        for (std::uint32_t place = 0; place < positions_per_thread; ++place) {
          terms[place] = term_of<Cell>(ahead[slot][place], work.scale);
          bits[place] = sign_bits(hash, threadIdx.x + place * block_threads);
          ahead[slot][place] = value_at(batch + i + slot + segments_ahead, place);
        }
        if constexpr (fixed_rows != 0) {
          add_terms<fixed_rows>(reinterpret_cast<const uint4*>(entry), terms, bits, plan.length, cells);
        } else {
          add_terms(entry, rows, terms, bits, plan.length, cells);
        }
        __syncthreads();  // the next segment may hit these cells from other threads
      }
    }
  }

  auto* const out = static_cast<Cell*>(work.partials) + std::uint64_t{blockIdx.x} * rows * plan.partial_columns;
  for (std::uint32_t row = 0; row < rows; ++row) {
    const Cell* const from = cells + row * plan.width;
    for (std::uint32_t b = threadIdx.x; b < work.shape.columns; b += block_threads) {
      out[row * plan.partial_columns + b] = b < plan.length ? from[b] + from[work.shape.columns + b] : from[b];
    }
  }
}

// ---- tiles of one row ------------------------------------------------------------------------

__global__ void fill_offsets(EncodeWork work) {
  const std::uint64_t items = std::uint64_t{work.plan.segments} * work.shape.rows;
  const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t item = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; item < items; item += step) {
    const auto row = static_cast<std::uint32_t>(item / work.plan.segments);
    const std::uint64_t segment = item % work.plan.segments;
    work.offsets[item] = segment_offset(segment_hash(work.seed, segment), row, work.shape.columns);
  }
}

// A segment that touches the tile, as x: segment, y: offset in the padded row, z and w: sign keys.
template <typename Cell>
__device__ void add_listed(const EncodeWork& work, const float* __restrict__ vector, const uint4* list,
                           std::uint32_t listed, const Columns& own, std::uint32_t row, Cell* tile,
                           std::uint32_t tile_begin) {
  constexpr std::uint32_t at_once = 4;
  const std::uint32_t lane = threadIdx.x % warp_size;
  const std::uint32_t length = work.plan.length;
  for (std::uint32_t base = 0; base < listed; base += warp_size) {
    const bool is_ours = base + lane < listed && touches(list[base + lane].y, length, own.begin, own.end - own.begin);
    for (std::uint32_t mask = __ballot_sync(all_lanes, is_ours); mask != 0; mask &= mask - 1) {
      const uint4 entry = list[base + static_cast<std::uint32_t>(__ffs(static_cast<int>(mask))) - 1];
      const std::uint32_t count = coordinates_in(entry.x, length, work.shape.dimension);
      const Columns hit = common(own, {entry.y, entry.y + count});
      const float* const values = vector + std::uint64_t{entry.x} * length;
      const SegmentHash hash{0, entry.z, entry.w};
      for (std::uint32_t first = hit.begin + lane; first < hit.end; first += at_once * warp_size) {
        float value[at_once];
#pragma unroll
        for (std::uint32_t i = 0; i < at_once; ++i) {
          const std::uint32_t column = first + i * warp_size;
          value[i] = column < hit.end ? values[column - entry.y] : 0.0f;
        }
#pragma unroll
        for (std::uint32_t i = 0; i < at_once; ++i) {
          const std::uint32_t column = first + i * warp_size;
          const std::uint32_t bits = sign_bits(hash, column - entry.y);
          if (column < hit.end) tile[column - tile_begin] += with_sign(term_of<Cell>(value[i], work.scale), bits, row);
        }
      }
      __syncwarp();  // the next segment may hit these cells from other lanes
    }
  }
}

template <typename Cell>
__global__ void __launch_bounds__(block_threads, 2) encode_tiles(EncodeWork work, const float* __restrict__ vector) {
  const EncodePlan& plan = work.plan;
  uint4* const list = block_memory();
  auto* const tile = reinterpret_cast<Cell*>(list + list_max);
  const std::uint32_t row = blockIdx.y;
  const std::uint32_t part = blockIdx.z;
  const std::uint32_t tile_begin = blockIdx.x * plan.tile_columns;
  const Columns own = warp_columns(tile_begin, plan.tile_columns, threadIdx.x / warp_size);
  const std::uint32_t* const offsets = work.offsets + std::uint64_t{row} * plan.segments;
  for (std::uint32_t i = threadIdx.x; i < plan.tile_columns; i += block_threads) tile[i] = Cell{0};

  const std::uint32_t end = plan.part_end(part);
  std::uint32_t listed = 0;
  for (std::uint64_t round = plan.part_begin(part); round < end; round += list_round) {
    const std::uint64_t first = round + 2 * threadIdx.x;
    std::uint32_t offset[2] = {};
    bool is_hit[2] = {};
    for (std::uint32_t i = 0; i < 2; ++i) {
      if (first + i < end) {
        offset[i] = offsets[first + i];
        is_hit[i] = touches(offset[i], plan.length, tile_begin, plan.tile_columns);
      }
    }
    std::uint32_t total = 0;
    std::uint32_t place = listed + sum_before<block_threads>(is_hit[0] + is_hit[1], total);
    for (std::uint32_t i = 0; i < 2; ++i) {
      if (is_hit[i]) list[place++] = {static_cast<std::uint32_t>(first) + i, offset[i], 0, 0};
    }
    listed += total;
    if (listed > list_max - list_round || round + list_round >= end) {
      __syncthreads();
      for (std::uint32_t i = threadIdx.x; i < listed; i += block_threads) {
        const SegmentHash hash = segment_hash(work.seed, list[i].x);
        list[i].z = hash.sign_key_first;
        list[i].w = hash.sign_key_second;
      }
      __syncthreads();
      add_listed(work, vector, list, listed, own, row, tile, tile_begin);
      listed = 0;  // the next round's sum has barriers before the list is written again
    }
  }

  auto* const out = static_cast<Cell*>(work.partials) +
                    (std::uint64_t{part} * work.shape.rows + row) * plan.partial_columns + tile_begin;
  const std::uint32_t rest = plan.partial_columns - tile_begin;
  const std::uint32_t columns = rest < plan.tile_columns ? rest : plan.tile_columns;
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < columns; i += block_threads) out[i] = tile[i];
}

// ---- fold ------------------------------------------------------------------------------------

template <typename Cell>
__device__ inline Cell folded_as(float sum) {
  return cell_of<Cell>(sum);
}
template <typename Cell>
__device__ inline Cell folded_as(std::uint32_t sum) {
  return sum;
}

// Thread (x, y) adds group y of the partial sums of one column; then the groups of a column are added, and what comes
// out is made a cell.
template <typename Sum, typename Cell>
__global__ void __launch_bounds__(warp_size* fold_groups) fold_parts(EncodeWork work, Cell* __restrict__ cells) {
  __shared__ Sum sums[fold_groups][warp_size];
  const EncodePlan& plan = work.plan;
  const std::uint32_t column = blockIdx.x * warp_size + threadIdx.x;
  const std::uint32_t row = blockIdx.y;
  const bool is_there = column < work.shape.columns;
  const bool has_pad = plan.partial_columns == plan.width && column < plan.length;
  const std::uint64_t step = std::uint64_t{work.shape.rows} * plan.partial_columns;
  const std::uint32_t begin = threadIdx.y * plan.parts_per_group();
  const std::uint32_t end = begin + plan.parts_per_group() < plan.parts ? begin + plan.parts_per_group() : plan.parts;
  Sum sum{0};
  if (is_there) {
    const Sum* from =
        static_cast<const Sum*>(work.partials) + begin * step + std::uint64_t{row} * plan.partial_columns + column;
#pragma unroll 8
    for (std::uint32_t part = begin; part < end; ++part, from += step) {
      sum += has_pad ? from[0] + from[work.shape.columns] : from[0];
    }
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || !is_there) return;
  for (std::uint32_t group = 1; group < fold_groups; ++group) sum += sums[group][threadIdx.x];
  cells[std::uint64_t{row} * work.shape.columns + column] = folded_as<Cell>(sum);
}

// ---- launches --------------------------------------------------------------------------------

using EncodeKernelPointer = void (*)(EncodeWork, const float*);

template <typename Cell>
EncodeKernelPointer kernel_for(const EncodePlan& plan, std::uint32_t rows) {
  if (plan.kernel == EncodeKernel::tiles) return encode_tiles<Cell>;
  switch (rows) {
    case 1:
      return encode_whole_rows<Cell, 1>;
    case 3:
      return encode_whole_rows<Cell, 3>;
    case 5:
      return encode_whole_rows<Cell, 5>;
    case 7:
      return encode_whole_rows<Cell, 7>;
    default:
      return encode_whole_rows<Cell, 0>;
  }
}

template <typename Sum, typename Cell>
cudaError_t encode_as(const EncodeWork& work, const float* vector, Cell* cells, cudaStream_t stream) {
  const EncodePlan& plan = work.plan;
  dim3 blocks(plan.parts);
  if (plan.kernel == EncodeKernel::tiles) {
    GOSSAMER_CUDA_TRY(launch({1024, 256, 0, stream}, fill_offsets, work));
    blocks = dim3(plan.tiles, work.shape.rows, plan.parts);
  }
  GOSSAMER_CUDA_TRY(
      launch({blocks, block_threads, plan.shared_bytes, stream}, kernel_for<Sum>(plan, work.shape.rows), work, vector));
  const dim3 columns(divide_up(work.shape.columns, warp_size), work.shape.rows);
  return launch({columns, dim3(warp_size, fold_groups), 0, stream}, fold_parts<Sum, Cell>, work, cells);
}

template <typename Cell>
cudaError_t allow_shared_bytes(const EncodePlan& plan, std::uint32_t rows) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel_for<Cell>(plan, rows)),
                              cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(plan.shared_bytes));
}

}  // namespace

cudaError_t prepare_encode(const EncodePlan& plan, std::uint32_t rows) {
  GOSSAMER_CUDA_TRY(allow_shared_bytes<float>(plan, rows));
  return allow_shared_bytes<std::uint32_t>(plan, rows);
}

cudaError_t encode(const EncodeWork& work, const float* vector, CellType type, void* cells, cudaStream_t stream) {
  return with_float(type, [&](auto tag) {
    using Cell = typename decltype(tag)::Cell;
    return encode_as<float>(work, vector, static_cast<Cell*>(cells), stream);
  });
}

cudaError_t encode_fixed(const EncodeWork& work, const float* vector, std::int32_t* sums, cudaStream_t stream) {
  return encode_as<std::uint32_t>(work, vector, reinterpret_cast<std::uint32_t*>(sums), stream);
}

}  // namespace gossamer::sketch::cuda
