// The sketch layer on an NVIDIA GPU: the same function as sketch.h, over device memory, in the caller's stream.
//
// This header exists in every build and needs no CUDA header. Without CUDA (GOSSAMER_CUDA=OFF), or on a machine
// without a device, cuda_available and the maker say so; nothing else changes.
//
// All spans are device memory, except where a parameter is a value; sizes are in elements, alignment is that of the
// element; cells of any type come as bytes, aligned to their size. A call puts its work into the stream and returns:
// its inputs must stay as they are, its outputs and the object's working memory are busy, until the stream has done it.
// So one object is used by one stream at a time and one thread at a time, with the device current that was current in
// the maker. Errors: invalid_argument for sizes that do not fit, unavailable for what the CUDA runtime refuses (an
// earlier asynchronous failure included).
//
// Bits. No float is ever added by an atomic, so equal calls on equal devices give equal bits.
//   encode_fixed, round_cells, merges, narrow, widen, loads, estimate, select_top, accumulate, gathers,
//   first_non_finite: the CPU's bits, whatever the device. bf16 and f16 convert by the integer arithmetic of half.h and
//     add in f32, denormals included. Only what a NaN becomes may differ: processors make different ones.
//   encode (f32): the segments are cut into encode_order().parts runs of segments_per_part; the cells of each run are
//     those of the CPU, bit for bit; the runs are added in 8 groups of consecutive runs, each in ascending order, then
//     the groups in ascending order. With one part (large sketches, short vectors) the cells are the CPU's.
//   encode_cells (bf16, f16): the f32 cells of encode, narrowed; the CPU's bits where those of f32 are.
//   norms: thread i of 2^18 sums elements i, i + 2^18, ...; then pairs, then pairs of pairs. It depends on the length
//     alone, and is not the order of sum_squares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/base.h"
#include "sketch/fixed_point.h"
#include "sketch/sketch.h"

namespace gossamer::sketch {

// Succeeds where make_cuda_sketch can: built with CUDA, and a device that works is there. Else `unavailable`, with the
// reason.
[[nodiscard]] Status cuda_available();

// A cudaStream_t; null is the default stream. The caller's, before and after.
struct CudaStream {
  void* handle = nullptr;
};

// What `norms` writes. The maximum is NaN if any element is: NaN counts as above infinity.
struct VectorNorms {
  double sum_squares = 0;
  float magnitude_max = 0;
};

// How the f32 cells of one encode are summed; it depends on the shape and the model of the device.
struct EncodeOrder {
  std::uint32_t parts = 0;
  std::uint32_t segments_per_part = 0;  // the last part may have fewer
  std::uint32_t parts_per_group = 0;
};

// What leaves the vectors in the second pass: u[i] = 0, and v[i] loses what was taken.
struct TakenFrom {
  std::span<float> u;
  std::span<float> v;
};

class CudaSketch {
 public:
  virtual ~CudaSketch() = default;  // waits for the device
  [[nodiscard]] virtual const SketchShape& shape() const = 0;
  // Bytes of device memory that this object holds: O(rows * columns + selected), d / 1024 and less, and some 30 MB.
  [[nodiscard]] virtual std::size_t working_bytes() const = 0;
  [[nodiscard]] virtual EncodeOrder encode_order() const = 0;

  // Overwrites `cells` (rows * columns of f32, bf16 or f16) with the sketch of `vector` (dimension): sums in f32, then
  // rounded as by `narrow`.
  [[nodiscard]] virtual Status encode_cells(std::uint64_t seed, std::span<const float> vector, CellType type,
                                            std::span<std::byte> cells, CudaStream stream) = 0;
  [[nodiscard]] Status encode(std::uint64_t seed, std::span<const float> vector, std::span<float> cells,
                              CudaStream stream) {
    return encode_cells(seed, vector, CellType::f32, std::as_writable_bytes(cells), stream);
  }

  // The same with coordinates nearest(v * scale), ties to even, and sums mod 2^32 (fixed_point.h).
  [[nodiscard]] virtual Status encode_fixed(std::uint64_t seed, std::span<const float> vector, float scale,
                                            std::span<std::int32_t> sums, CudaStream stream) = 0;

  // cells[i] = round_cell(sums[i], rounding_bits(key, first_cell + i), fixed), as i8, i16 or i32; level_max must fit
  // the cell.
  [[nodiscard]] virtual Status round_cells(std::span<const std::int32_t> sums, const RoundingKey& key,
                                           std::uint32_t first_cell, const FixedPoint& fixed, CellType type,
                                           std::span<std::byte> cells, CudaStream stream) = 0;

  // As sketch::narrow and sketch::widen.
  [[nodiscard]] virtual Status narrow(CellType type, std::span<const float> values, std::span<std::byte> cells,
                                      CudaStream stream) = 0;
  [[nodiscard]] virtual Status widen(CellType type, std::span<const std::byte> cells, std::span<float> values,
                                     CudaStream stream) = 0;

  // Reads a (merged) sketch for `estimate` and `select_top`, of any type. Cells are widened and multiplied
  // by `level`: the value of one level of integer cells; 1 leaves what they are, which selects the same coordinates.
  [[nodiscard]] virtual Status load_cells(std::uint64_t seed, CellType type, std::span<const std::byte> cells,
                                          float level, CudaStream stream) = 0;
  [[nodiscard]] Status load(std::uint64_t seed, std::span<const float> cells, CudaStream stream) {
    return load_cells(seed, CellType::f32, std::as_bytes(cells), 1.0f, stream);
  }

  // Estimates of coordinates first, first + 1, ... of the loaded sketch.
  [[nodiscard]] virtual Status estimate(std::uint64_t first, std::span<float> estimates, CudaStream stream) = 0;

  // As CountSketch::select_top; at most select_max indices. One pass over the coordinates, no host in between.
  // Where a sample misjudges the threshold (few distinct values, heavy ones in clusters) it takes five slower passes.
  [[nodiscard]] virtual Status select_top(std::span<std::uint32_t> indices, CudaStream stream) = 0;

  // Merges cells of any type, any number: f32 adds, bf16 and f16 add in f32 and round, integers wrap.
  [[nodiscard]] virtual Status merge_cells(CellType type, std::span<std::byte> into, std::span<const std::byte> from,
                                           CudaStream stream) = 0;
  // As sketch::merge: a part of a payload, cells and words; `into` and `from` are aligned to 8.
  [[nodiscard]] virtual Status merge(const PayloadShape& shape, std::uint64_t offset, std::byte* into,
                                     const std::byte* from, std::uint64_t bytes, CudaStream stream) = 0;

  // As sketch::accumulate, with momentum and without a copy.
  [[nodiscard]] virtual Status accumulate(std::span<const float> g, float scale, float momentum,
                                          const FeedbackVectors& from, const NextFeedbackVectors& to,
                                          CudaStream stream) = 0;

  // out[i] = v[indices[i]], then u and v are 0 there. Indices are distinct and within the vectors.
  [[nodiscard]] virtual Status take(std::span<const std::uint32_t> indices, const TakenFrom& from, std::span<float> out,
                                    CudaStream stream) = 0;

  // q = nearest(v * scale), ties to even, cut to [-32767, 32767]; v keeps v - q / scale, each operation rounded by
  // itself; u is 0 there. scale > 0. Indices as above.
  [[nodiscard]] virtual Status take_quantised(std::span<const std::uint32_t> indices, float scale,
                                              const TakenFrom& from, std::span<std::int16_t> out,
                                              CudaStream stream) = 0;

  // Writes one VectorNorms in device memory.
  [[nodiscard]] virtual Status norms(std::span<const float> vector, VectorNorms* norms, CudaStream stream) = 0;

  // Writes the index of the first NaN or infinity in device memory; vector.size() if there is none.
  [[nodiscard]] virtual Status first_non_finite(std::span<const float> vector, std::uint64_t* index,
                                                CudaStream stream) = 0;
};

// Makes the object on the current device. invalid_argument for a shape out of range or select_max > dimension,
// unavailable as cuda_available, out_of_resources without device memory.
[[nodiscard]] Result<std::unique_ptr<CudaSketch>> make_cuda_sketch(const SketchShape& shape, std::uint64_t select_max);

}  // namespace gossamer::sketch
