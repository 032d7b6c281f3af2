// What the host side asks of the kernels. Every function puts work into the stream and returns the runtime's word on
// that; pointers are device memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "sketch/cuda/cuda_sketch.h"
#include "sketch/cuda/layout.h"

namespace gossamer::sketch::cuda {

// ---- encode.cu -------------------------------------------------------------------------------

struct EncodeWork {
  EncodePlan plan;
  SketchShape shape;
  std::uint64_t seed = 0;
  float scale = 0.0f;                // of fixed-point coordinates
  std::uint32_t* offsets = nullptr;  // rows * segments, for tiles only
  void* partials = nullptr;          // parts * rows * partial_columns cells
};

// Lets the kernels have the plan's shared memory; once for each device.
[[nodiscard]] cudaError_t prepare_encode(const EncodePlan& plan, std::uint32_t rows);
// `cells` are f32, bf16 or f16.
[[nodiscard]] cudaError_t encode(const EncodeWork& work, const float* vector, CellType type, void* cells,
                                 cudaStream_t stream);
[[nodiscard]] cudaError_t encode_fixed(const EncodeWork& work, const float* vector, std::int32_t* sums,
                                       cudaStream_t stream);

// ---- decode.cu -------------------------------------------------------------------------------

// Rows of the loaded sketch, padded to c + L columns with a copy of the first L.
struct LoadedRows {
  std::uint64_t seed = 0;
  std::uint64_t dimension = 0;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::uint32_t length = 0;
  std::uint32_t width = 0;
  float* cells = nullptr;
};

// One radix selection: `wanted` largest of the keys with this prefix are still to be found.
struct DigitState {
  std::uint32_t prefix = 0;
  std::uint32_t wanted = 0;
  std::uint32_t blocks_done[digit_passes] = {};
  std::uint32_t counts[digit_passes][digits] = {};
};

// Working memory of a selection; `states` and `survivors` are cleared for each.
struct SelectWork {
  LoadedRows rows;
  std::uint32_t count = 0;        // coordinates sought
  std::uint32_t sample_rank = 0;  // of the sample's key that becomes the threshold; from 1
  SampleGroups sample;            // 0 groups: no threshold
  std::uint32_t chunks = 0;
  std::uint32_t survivors_max = 0;
  DigitState* states = nullptr;           // [0] of the sample, [1] of the survivors
  std::uint32_t* survivors = nullptr;     // one number: how many, listed or not
  std::uint32_t* sample_keys = nullptr;   // sample.size()
  std::uint32_t* list_indices = nullptr;  // survivors_max each; a chunk's are together and ascend, chunks in any order
  std::uint32_t* list_keys = nullptr;
  std::uint32_t* chunk_begin = nullptr;  // chunks each: place in the list, length
  std::uint32_t* chunk_size = nullptr;
  std::uint32_t* chunk_above = nullptr;  // chunks each: keys above the final one and equal to it, then their sums
  std::uint32_t* chunk_ties = nullptr;   // over the chunks before
};

[[nodiscard]] cudaError_t estimate(const LoadedRows& rows, std::uint64_t first, float* estimates, std::uint64_t count,
                                   cudaStream_t stream);
[[nodiscard]] cudaError_t select_top(const SelectWork& work, std::uint32_t* indices, cudaStream_t stream);

// ---- cells.cu --------------------------------------------------------------------------------

// As in cuda_sketch.h; cells are aligned to their size.
[[nodiscard]] cudaError_t merge_cells(CellType type, void* into, const void* from, std::uint64_t count,
                                      cudaStream_t stream);
[[nodiscard]] cudaError_t keep_least(std::uint64_t* into, const std::uint64_t* from, std::uint64_t count,
                                     cudaStream_t stream);
[[nodiscard]] cudaError_t narrow(CellType type, const float* values, void* cells, std::uint64_t count,
                                 cudaStream_t stream);
[[nodiscard]] cudaError_t widen(CellType type, const void* cells, float* values, std::uint64_t count,
                                cudaStream_t stream);
[[nodiscard]] cudaError_t round_cells(const std::int32_t* sums, const RoundingKey& key, std::uint32_t first_cell,
                                      const FixedPoint& fixed, CellType type, void* cells, std::uint64_t count,
                                      cudaStream_t stream);
[[nodiscard]] cudaError_t load_rows(const LoadedRows& rows, CellType type, const void* cells, float level,
                                    cudaStream_t stream);

// ---- vectors.cu ------------------------------------------------------------------------------

struct NormPartial {
  double sum_squares = 0;
  std::uint32_t key_max = 0;
};

[[nodiscard]] cudaError_t accumulate(const float* g, float scale, float momentum, const FeedbackVectors& from,
                                     const NextFeedbackVectors& to, cudaStream_t stream);
[[nodiscard]] cudaError_t take(const std::uint32_t* indices, std::uint64_t count, const TakenFrom& from, float* out,
                               cudaStream_t stream);
[[nodiscard]] cudaError_t take_quantised(const std::uint32_t* indices, std::uint64_t count, float scale,
                                         const TakenFrom& from, std::int16_t* out, cudaStream_t stream);
// `partials` has norm_blocks entries.
[[nodiscard]] cudaError_t norms(const float* vector, std::uint64_t count, NormPartial* partials, VectorNorms* norms,
                                cudaStream_t stream);
[[nodiscard]] cudaError_t first_non_finite(const float* vector, std::uint64_t count, std::uint64_t* index,
                                           cudaStream_t stream);

}  // namespace gossamer::sketch::cuda
