// The public header of `sketch`: gradients to payloads and back, and user vectors (elements.h). It knows no ranks and
// no networks.
//
// All vectors are f32 in host memory, contiguous, of any alignment; sizes are in elements unless a
// name says bytes. Every function gives the same bits for the same input on every machine and with
// every SIMD target: sums have a fixed order, no multiply-add is contracted. One thread per object;
// free functions are reentrant. Nothing allocates except the makers, and a selection that is larger
// than its maker was told of. Sketches of vectors with NaN or infinity are not specified (look with
// first_non_finite before), but nothing goes out of bounds or on for ever.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "sketch/catalogue.h"
#include "sketch/elements.h"
#include "sketch/fixed_point.h"
#include "sketch/mix.h"

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

// ---- cells -----------------------------------------------------------------------------------

// Sums of integer cells have the same bits in any order; they wrap, and whoever chooses a FixedPoint leaves headroom
// for all contributions. bf16 and f16 are added in f32 and rounded to nearest after each merge, so their bits depend on
// the order, as those of f32 do.

// f32 to floating-point cells, to nearest, ties to even; beyond the range of f16 it is infinity.
void narrow(CellType type, std::span<const float> values, std::span<std::byte> cells);
// Cells of any type as f32 (i32 beyond 2^24 to nearest).
void widen(CellType type, std::span<const std::byte> cells, std::span<float> values);

// How a vector's sketch becomes cells. Floating-point ones use the type alone.
struct CellFormat {
  CellType type = CellType::f32;
  FixedPoint fixed;
  std::uint64_t stream = 0;  // ranks with different streams round independently
};

// Coordinates [first, first + length).
struct CoordinateRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};

// Chosen coordinates of a range, ascending, each with the key of its estimate: the bit pattern of |estimate| as an
// integer of at least 0, which orders as the magnitudes do.
struct KeyedCoordinates {
  std::span<const std::uint32_t> offsets;  // from the first coordinate of the range on
  std::span<const std::int32_t> keys;
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
  // Bytes of working memory that this object holds: O(threads * rows * columns + selected), never O(dimension).
  [[nodiscard]] virtual std::size_t working_bytes() const = 0;

  // Writes elements first, first + 1, ... of the vector that is being encoded, once each, before they are read, and the
  // same to `copy`, from which they are encoded: so that what computes the vector and what encodes it share one pass,
  // and the vector may go past the caches. Ascending within a thread; several threads of the pool may produce
  // different elements at once. Where L is 1,024, `first` is a multiple of it. Returns where it will read for the
  // elements after these: encoding fetches that meanwhile, so that memory and arithmetic do not wait for each other.
  // Null: nothing more. What it wrote late (is_read_late below) is finished here.
  struct Upcoming {
    std::array<const float*, 3> streams{};
  };
  using Produce = FunctionRef<Upcoming(std::uint64_t first, std::span<float> copy)>;

  // Overwrites `cells` (rows * columns, row after row) with the sketch of `vector` (dimension). The result depends
  // neither on the number of threads nor on `produce`.
  virtual void encode_cells(std::uint64_t seed, std::span<const float> vector, const CellFormat& format,
                            std::span<std::byte> cells, Produce produce) = 0;
  void encode(std::uint64_t seed, std::span<const float> vector, std::span<float> cells) {
    encode_cells(seed, vector, {}, std::as_writable_bytes(cells), nullptr);
  }

  // Reads a (merged) sketch for the functions below; `cells` may change afterwards. Integer cells count levels:
  // estimates are then in units of 2^shift / scale. Whether all are finite: where not, estimates mean nothing.
  virtual bool load_cells(std::uint64_t seed, CellType type, std::span<const std::byte> cells) = 0;
  bool load(std::uint64_t seed, std::span<const float> cells) {
    return load_cells(seed, CellType::f32, std::as_bytes(cells));
  }

  // Estimates of coordinates first, first + 1, ... of the loaded sketch.
  virtual void estimate(std::uint64_t first, std::span<float> estimates) const = 0;

  // The `indices.size()` coordinates (at most d) of the largest |estimate|, ties to the lower index,
  // in ascending order of index. No full sort of d: a sampled threshold, one pass of estimate and
  // select, then an exact cut among the survivors. The sample changes the speed, never the result.
  virtual void select_top(std::span<std::uint32_t> indices) = 0;

  // For select_top by several who share the coordinates of one sketch: a key that a little more than `count` of all
  // |estimate| are expected to exceed, -1 (every key does) where a sample does not pay. It follows from cells, seed,
  // dimension and `count` alone, so all who hold the same sketch find the same. Costs at most 32,768 estimates.
  [[nodiscard]] virtual std::int32_t sample_key(std::size_t count) = 0;

  // The `count` largest keys above `above` among the coordinates of `range`, fewer if there are fewer; ties to the
  // lower index. What it returns is this object's, valid until the next selection or sample. One pass over the
  // range, shared by the pool's threads where it is long.
  [[nodiscard]] virtual KeyedCoordinates select_range(const CoordinateRange& range, std::size_t count,
                                                      std::int32_t above) = 0;

  // HEAVYMIX as published (gs-SGD, arXiv 2108.06004): all i with estimate^2 >= l^2 / k, where l^2 is
  // the median over rows of the squared row norm; cut to the largest, or filled up with seeded random
  // others, so that exactly indices.size() coordinates come out, ascending. `k` > 0.
  virtual void select_heavymix(std::uint64_t k, std::span<std::uint32_t> indices) = 0;
};

// Fails with invalid_argument for a shape out of range, out_of_resources without memory. Room for
// selections of up to `select_max` coordinates is made now; a larger one makes its own at its first use
// and stops the process if there is no memory. `pool` may be null: then the caller's thread does it all.
[[nodiscard]] Result<std::unique_ptr<CountSketch>> make_count_sketch(const SketchShape& shape,
                                                                     std::uint64_t select_max = 0,
                                                                     ThreadPool* pool = nullptr);

// The scale for integer cells of sketches whose vectors, on every rank, have no element above `magnitude` and no
// L2 norm above `norm`. A cell's range is magnitude + 4 norm / sqrt(columns): what a heavy coordinate and four
// standard deviations of noise can reach; beyond it a cell is cut. Sums of 32 bits cannot overflow. Deterministic:
// ranks that agree on the arguments agree on the result. `level_max` > 0.
[[nodiscard]] FixedPoint choose_fixed_point(const SketchShape& shape, std::int32_t level_max, float norm,
                                            float magnitude);

// The readable scalar reference of the same function; for tests, and for reading.
[[nodiscard]] Result<std::unique_ptr<CountSketch>> make_reference_count_sketch(const SketchShape& shape);

// ---- one pass over vectors -------------------------------------------------------------------

// Sum of squares in f64, 16 interleaved partial sums added in a fixed order. Not finite exactly when
// some element is NaN or infinite.
[[nodiscard]] double sum_squares(std::span<const float> values);

// Index of the first NaN or infinity; values.size() if there is none.
[[nodiscard]] std::size_t first_non_finite(std::span<const float> values);

// Momentum u and residual v of one generation, and where the next one goes; it may be the same memory. Without momentum
// both u are empty.
struct FeedbackVectors {
  std::span<const float> u;
  std::span<const float> v;
};
struct NextFeedbackVectors {
  std::span<float> u;
  std::span<float> v;
  std::span<float> copy = {};  // of v, for who reads it next; or empty
  bool is_read_late = false;   // u and v are written past the caches, for vectors that outgrow them
};

// to.u = momentum * from.u + scale * g; to.v = from.v + to.u; each operation rounded by itself. Without u, as if it
// had been 0. What is to be read late may be read by other threads after finish_late_writes() alone.
void accumulate(std::span<const float> g, float scale, float momentum, const FeedbackVectors& from,
                const NextFeedbackVectors& to);

void finish_late_writes();

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

// Moves the `count` entries of the largest keys to the front, ties to the one that comes first, in their order.
// Returns the least key that was kept. 0 < count <= keys.size(), which is offsets.size().
std::int32_t keep_largest(std::span<std::uint32_t> offsets, std::span<std::int32_t> keys, std::size_t count);

// out[i] = values[indices[i]].
void gather(std::span<const float> values, std::span<const std::uint32_t> indices, std::span<float> out);

// Levels for `values`: nearest(value * scale), ties to even, cut to [-level_max, level_max], as integer cells.
// scale * |value| must be below 2^31.
void quantise(std::span<const float> values, float scale, std::int32_t level_max, CellType type,
              std::span<std::byte> cells);
// The largest |value|; 0 of none. NaN is passed over.
[[nodiscard]] float largest_magnitude(std::span<const float> values);

// ---- payloads --------------------------------------------------------------------------------

// A merging payload: cells of one type that are added, then 64-bit words of which the minimum is kept, then
// nothing. The words carry what all ranks must agree on (a hash as h and ~h gives minimum and
// maximum) and flags (a non-finite input: rank and index of the first).
//
//   | cell 0 | cell 1 | ... | cell n-1 | 0 to 7 bytes of zero | word 0 | ... |
struct PayloadShape {
  std::uint64_t cells = 0;
  std::uint32_t words = 0;
  CellType type = CellType::f32;
  [[nodiscard]] std::uint64_t cells_bytes() const { return cells * cell_bytes(type); }
  [[nodiscard]] std::uint64_t words_offset() const { return (cells_bytes() + 7) / 8 * 8; }
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
