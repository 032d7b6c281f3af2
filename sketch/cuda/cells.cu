// Cells of all types: merges, conversions, rounding, and the rows that estimates are read from.
#include "sketch/cuda/cells.cuh"
#include "sketch/cuda/device.cuh"
#include "sketch/cuda/launch.h"

namespace gossamer::sketch::cuda {
namespace {

// ---- merges ----------------------------------------------------------------------------------

// 16 bytes of cells at a time; the caller gives aligned memory.
template <typename Cell>
struct alignas(16) Packet {
  static constexpr std::uint32_t cells = 16 / sizeof(Cell);
  Cell cell[cells];
};

template <typename Cell>
__global__ void merge_packets(Packet<Cell>* __restrict__ into, const Packet<Cell>* __restrict__ from,
                              std::uint64_t packets) {
  for (std::uint64_t i = first_item(); i < packets; i += item_step()) {
    Packet<Cell> own = into[i];
    const Packet<Cell> other = from[i];
#pragma unroll
    for (std::uint32_t c = 0; c < Packet<Cell>::cells; ++c) own.cell[c] = merged(own.cell[c], other.cell[c]);
    into[i] = own;
  }
}

template <typename Cell>
__global__ void merge_single(Cell* __restrict__ into, const Cell* __restrict__ from, std::uint64_t count) {
  for (std::uint64_t i = first_item(); i < count; i += item_step()) into[i] = merged(into[i], from[i]);
}

__global__ void keep_less(std::uint64_t* __restrict__ into, const std::uint64_t* __restrict__ from,
                          std::uint64_t count) {
  for (std::uint64_t i = first_item(); i < count; i += item_step()) {
    if (from[i] < into[i]) into[i] = from[i];
  }
}

[[nodiscard]] bool is_packed(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory) % 16 == 0; }

template <typename Cell>
cudaError_t merge_as(void* into_cells, const void* from_cells, std::uint64_t count, cudaStream_t stream) {
  auto* const into = static_cast<Cell*>(into_cells);
  const auto* const from = static_cast<const Cell*>(from_cells);
  const std::uint64_t packets = is_packed(into) && is_packed(from) ? count / Packet<Cell>::cells : 0;
  if (packets != 0) {
    GOSSAMER_CUDA_TRY(launch(grid_for(packets, stream), merge_packets<Cell>, reinterpret_cast<Packet<Cell>*>(into),
                             reinterpret_cast<const Packet<Cell>*>(from), packets));
  }
  const std::uint64_t done = packets * Packet<Cell>::cells;
  if (done == count) return cudaSuccess;
  return launch(grid_for(count - done, stream), merge_single<Cell>, into + done, from + done, count - done);
}

// ---- conversions -----------------------------------------------------------------------------

template <typename Cell>
__global__ void narrow_values(const float* __restrict__ values, Cell* __restrict__ cells, std::uint64_t count) {
  for (std::uint64_t i = first_item(); i < count; i += item_step()) cells[i] = cell_of<Cell>(values[i]);
}

template <typename Cell>
__global__ void widen_cells(const Cell* __restrict__ cells, float* __restrict__ values, std::uint64_t count) {
  for (std::uint64_t i = first_item(); i < count; i += item_step()) values[i] = value_of(cells[i]);
}

template <typename Cell>
__global__ void round_sums(const std::int32_t* __restrict__ sums, RoundingKey key, std::uint32_t first_cell,
                           FixedPoint fixed, Cell* __restrict__ cells, std::uint64_t count) {
  for (std::uint64_t i = first_item(); i < count; i += item_step()) {
    const std::uint32_t bits = rounding_bits(key, first_cell + static_cast<std::uint32_t>(i));
    cells[i] = static_cast<Cell>(round_cell(sums[i], bits, fixed));
  }
}

template <typename Cell>
__global__ void pad_rows(LoadedRows rows, const Cell* __restrict__ cells, float level) {
  const std::uint32_t row = blockIdx.y;
  for (std::uint64_t i = first_item(); i < rows.width; i += item_step()) {
    const std::uint64_t column = i < rows.columns ? i : i - rows.columns;
    rows.cells[std::uint64_t{row} * rows.width + i] =
        value_of(cells[std::uint64_t{row} * rows.columns + column]) * level;
  }
}

}  // namespace

cudaError_t merge_cells(CellType type, void* into, const void* from, std::uint64_t count, cudaStream_t stream) {
  return with_any(type, [&](auto tag) {
    using Cell = typename decltype(tag)::Cell;
    return merge_as<Cell>(into, from, count, stream);
  });
}

cudaError_t keep_least(std::uint64_t* into, const std::uint64_t* from, std::uint64_t count, cudaStream_t stream) {
  return launch(grid_for(count, stream), keep_less, into, from, count);
}

cudaError_t narrow(CellType type, const float* values, void* cells, std::uint64_t count, cudaStream_t stream) {
  return with_float(type, [&](auto tag) {
    using Cell = typename decltype(tag)::Cell;
    return launch(grid_for(count, stream), narrow_values<Cell>, values, static_cast<Cell*>(cells), count);
  });
}

cudaError_t widen(CellType type, const void* cells, float* values, std::uint64_t count, cudaStream_t stream) {
  return with_any(type, [&](auto tag) {
    using Cell = typename decltype(tag)::Cell;
    return launch(grid_for(count, stream), widen_cells<Cell>, static_cast<const Cell*>(cells), values, count);
  });
}

cudaError_t round_cells(const std::int32_t* sums, const RoundingKey& key, std::uint32_t first_cell,
                        const FixedPoint& fixed, CellType type, void* cells, std::uint64_t count, cudaStream_t stream) {
  return with_integer(type, [&](auto tag) {
    using Cell = typename decltype(tag)::Cell;
    return launch(grid_for(count, stream), round_sums<Cell>, sums, key, first_cell, fixed, static_cast<Cell*>(cells),
                  count);
  });
}

cudaError_t load_rows(const LoadedRows& rows, CellType type, const void* cells, float level, cudaStream_t stream) {
  const dim3 blocks(std::min(divide_up(rows.width, 256u), 4096u), rows.rows);
  return with_any(type, [&](auto tag) {
    using Cell = typename decltype(tag)::Cell;
    return launch({blocks, 256, 0, stream}, pad_rows<Cell>, rows, static_cast<const Cell*>(cells), level);
  });
}

}  // namespace gossamer::sketch::cuda
