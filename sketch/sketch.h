// The public header of `sketch`: gradients to payloads and back. It knows no ranks and no networks.
//
// All vectors are f32 in host memory, contiguous, of any alignment; sizes are in elements unless a
// name says bytes. Every function gives the same bits for the same input on every machine and with
// every SIMD target: sums have a fixed order, no multiply-add is contracted. One thread per object;
// free functions are reentrant. Nothing allocates except the makers, and a selection that is larger
// than its maker was told of. Sketches of vectors with NaN or infinity are not specified (look with
// first_non_finite before), but nothing goes out of bounds or on for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::sketch {

// Version of the frozen hash format below; peers must agree on it. Test vectors: tests/sketch.
inline constexpr std::uint32_t hash_version = 1;

struct SketchShape {
  std::uint64_t dimension = 0;  // d, length of the vector; 1 to 2^32 - 1
  std::uint32_t rows = 0;       // r, 1 to 15, odd
  std::uint32_t columns = 0;    // c, 1 to 2^28; may exceed d
  [[nodiscard]] std::uint64_t cells() const { return std::uint64_t{rows} * columns; }
  friend bool operator==(const SketchShape&, const SketchShape&) = default;
};

// The segment-shift Count-Sketch (Charikar, Chen, Farach-Colton 2002, with one offset for a whole
// segment): coordinate t of segment s adds sign(s, t, row) * v to cell (offset(s, row) + t) mod c of
// each row. Segments have length L = min(1024, c), so two coordinates of one segment never collide,
// and two of different segments collide with probability 1/c. An estimate is the median over rows of
// sign * cell: unbiased, with row variance at most |v|^2 / c.
class CountSketch {
 public:
  virtual ~CountSketch() = default;
  [[nodiscard]] virtual const SketchShape& shape() const = 0;
  // Bytes of working memory that this object holds: O(rows * columns + selected), never O(dimension).
  [[nodiscard]] virtual std::size_t working_bytes() const = 0;

  // Overwrites `cells` (rows * columns, row after row) with the sketch of `vector` (dimension).
  virtual void encode(std::uint64_t seed, std::span<const float> vector, std::span<float> cells) = 0;

  // Reads a (merged) sketch for the two functions below; `cells` may change afterwards.
  virtual void load(std::uint64_t seed, std::span<const float> cells) = 0;

  // Estimates of coordinates first, first + 1, ... of the loaded sketch.
  virtual void estimate(std::uint64_t first, std::span<float> estimates) const = 0;

  // The `indices.size()` coordinates (at most d) of the largest |estimate|, ties to the lower index,
  // in ascending order of index. No full sort of d: a sampled threshold, one pass of estimate and
  // select, then an exact cut among the survivors. The sample changes the speed, never the result.
  virtual void select_top(std::span<std::uint32_t> indices) = 0;

  // HEAVYMIX as published (gs-SGD, arXiv 2108.06004): all i with estimate^2 >= l^2 / k, where l^2 is
  // the median over rows of the squared row norm; cut to the largest, or filled up with seeded random
  // others, so that exactly indices.size() coordinates come out, ascending. `k` > 0.
  virtual void select_heavymix(std::uint64_t k, std::span<std::uint32_t> indices) = 0;
};

// Fails with invalid_argument for a shape out of range, out_of_resources without memory. Room for
// selections of up to `select_max` coordinates is made now; a larger one makes its own at its first use
// and stops the process if there is no memory.
[[nodiscard]] Result<std::unique_ptr<CountSketch>> make_count_sketch(const SketchShape& shape,
                                                                     std::uint64_t select_max = 0);

// The readable scalar reference of the same function; for tests, and for reading.
[[nodiscard]] Result<std::unique_ptr<CountSketch>> make_reference_count_sketch(const SketchShape& shape);

// ---- one pass over vectors -------------------------------------------------------------------

// Sum of squares in f64, 16 interleaved partial sums added in a fixed order. Not finite exactly when
// some element is NaN or infinite.
[[nodiscard]] double sum_squares(std::span<const float> values);

// Index of the first NaN or infinity; values.size() if there is none.
[[nodiscard]] std::size_t first_non_finite(std::span<const float> values);

// Momentum u and residual v of one generation, and where the next one goes; it may be the same memory.
struct FeedbackVectors {
  std::span<const float> u;
  std::span<const float> v;
};
struct NextFeedbackVectors {
  std::span<float> u;
  std::span<float> v;
};

// to.u = momentum * from.u + scale * g; to.v = from.v + to.u; each operation rounded by itself.
void accumulate(std::span<const float> g, float scale, float momentum, const FeedbackVectors& from,
                const NextFeedbackVectors& to);

// into[i] += from[i]; the merge of f32 payloads.
void add(std::span<float> into, std::span<const float> from);

// The indices.size() coordinates of the largest |v|, ties to the lower index, ascending; by the same
// threshold method as CountSketch::select_top. indices.size() <= values.size().
class Selector {
 public:
  virtual ~Selector() = default;
  virtual void select_largest(std::span<const float> values, std::span<std::uint32_t> indices) = 0;
};
[[nodiscard]] Result<std::unique_ptr<Selector>> make_selector(std::uint64_t dimension, std::uint64_t count_max);

// out[i] = values[indices[i]].
void gather(std::span<const float> values, std::span<const std::uint32_t> indices, std::span<float> out);

// ---- payloads --------------------------------------------------------------------------------

// A merging payload: f32 cells that are added, then 64-bit words of which the minimum is kept, then
// nothing. The words carry what all ranks must agree on (a hash as h and ~h gives minimum and
// maximum) and flags (a non-finite input: rank and index of the first).
//
//   | cell 0 | cell 1 | ... | cell n-1 | 0 to 4 bytes of zero | word 0 | ... |
struct PayloadShape {
  std::uint64_t cells = 0;
  std::uint32_t words = 0;
  [[nodiscard]] std::uint64_t words_offset() const { return (cells * sizeof(float) + 7) / 8 * 8; }
  [[nodiscard]] std::uint64_t bytes() const { return words_offset() + std::uint64_t{words} * 8; }
  friend bool operator==(const PayloadShape&, const PayloadShape&) = default;
};

// Merges a part of a contribution: bytes [offset, offset + bytes) of the payload, both multiples of 8
// except that the part may end where the payload ends. `into` and `from` point at that part.
void merge(const PayloadShape& shape, std::uint64_t offset, std::byte* into, const std::byte* from,
           std::uint64_t bytes);

// An ascending index list as a concatenating payload: count, then gaps as LEB128 (7 bits a byte).
// 1 + 1..2 bytes an index at densities from 1/100 to 1/16,000.
[[nodiscard]] std::size_t index_list_bytes_max(std::uint64_t count, std::uint64_t dimension);
// Writes to `out` (at least index_list_bytes_max) and returns the bytes used.
[[nodiscard]] std::size_t encode_index_list(std::span<const std::uint32_t> indices, std::span<std::byte> out);
// Reads untrusted bytes into `indices` (count_max = indices.size()); returns how many. `malformed` if a
// list is longer, not strictly ascending, out of [0, dimension), cut short, or followed by other bytes.
[[nodiscard]] Result<std::size_t> decode_index_list(std::span<const std::byte> bytes, std::uint64_t dimension,
                                                    std::span<std::uint32_t> indices);

// XXH3 64-bit (xxHash), for comparing indices, weights and event logs between ranks.
[[nodiscard]] std::uint64_t hash_bytes(std::span<const std::byte> bytes);

// What SIMD target runs here ("AVX2", ...), and all that were compiled in.
[[nodiscard]] std::string simd_target();
[[nodiscard]] std::vector<std::string> simd_targets_compiled();

}  // namespace gossamer::sketch
