// The SIMD kernels behind the public functions. Each is compiled for every target that Highway knows on
// this architecture and picked at run time; all targets give the same bits.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "sketch/sketch.h"

namespace gossamer::sketch::kernels {

// The widest vector of any compiled target; rows have this much slack, so that a partial vector at the
// end of a segment can be processed as a whole one.
inline constexpr std::size_t lanes_max = 16;

// r rows of c columns, each followed by a pad of L columns and the slack, so that no segment wraps inside
// a vector:
//
//   | 0 ... c-1 | c ... c+L-1 | slack |     row_stride floats
//
// Encoding folds the pad onto columns 0 ... L-1; decoding holds a copy of them there. The slack only ever
// takes +0 and -0 or is read and thrown away.
struct RowShape {
  std::uint64_t seed = 0;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::size_t row_stride = 0;
};

// Which rows a kernel works on.
struct RowRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

// Adds coordinates first, first + 1, ... (any range) with these `values` to the rows, in ascending order.
void encode_rows(const RowShape& shape, const RowRange& range, const float* values, std::uint64_t first,
                 std::size_t count, float* rows);
// The same of values that are in cache; fetches `count` floats at each of these addresses meanwhile, whatever is there.
void encode_rows_fetching(const RowShape& shape, const RowRange& range, const float* values, std::uint64_t first,
                          std::size_t count, float* rows, const CountSketch::Upcoming& upcoming);
// The same for nearest(value * scale), mod 2^32. scale * |value| below 2^31.
void encode_rows_fixed(const RowShape& shape, float scale, const float* values, std::uint64_t first, std::size_t count,
                       std::int32_t* rows);

// cells[b] = row[b] + row[c + b] for b < L, row[b] for the others.
void fold_rows(const RowShape& shape, const float* rows, float* cells);
// The same in place, mod 2^32.
void fold_rows_fixed(const RowShape& shape, std::int32_t* rows);

// Rounds folded rows to integer cells as fixed_point.h says.
void round_rows(const RowShape& shape, const FixedPoint& fixed, std::uint64_t stream, const std::int32_t* rows,
                CellType type, std::byte* cells);

// Medians over rows for coordinates first, first + 1, ..., any range.
void estimate_rows(const RowShape& shape, const float* rows, std::uint64_t first, float* estimates, std::size_t count);

// The bit pattern of |value| as an integer of at least 0: it orders as the magnitude does, and puts NaN above
// infinity.
[[nodiscard]] inline std::int32_t key_of(float value) { return std::bit_cast<std::int32_t>(value) & 0x7fffffff; }

// Writes (index, key) of every value whose key is above `above`, ascending by index. Returns how many; what is
// written may be one entry more.
std::size_t keep_above(const float* values, std::size_t count, std::uint32_t first_index, std::int32_t above,
                       std::uint32_t* indices, std::int32_t* keys);

// Bit i of words[w] says whether the key of values[64 w + i] is above `above`; 64 * `count` values.
void mark_above(const float* values, std::size_t count, std::int32_t above, std::uint64_t* words);

// As in sketch.h: `u` and `u_next` may be null, and `copy`.
struct AccumulateTo {
  float* u_next = nullptr;
  float* v_next = nullptr;
  float* copy = nullptr;
  bool is_read_late = false;
};
void accumulate(const float* g, float scale, float momentum, const float* u, const float* v, const AccumulateTo& to,
                std::size_t count);
void finish_late_writes();
double sum_squares(const float* values, std::size_t count);
std::size_t first_non_finite(const float* values, std::size_t count);

float largest_magnitude(const float* values, std::size_t count);
// To integer cells.
void quantise(const float* values, float scale, std::int32_t level_max, CellType type, std::byte* cells,
              std::size_t count);

// into[i] += from[i] over `count` cells at addresses of any alignment.
void merge_cells(CellType type, std::byte* into, const std::byte* from, std::size_t count);
// To floating-point cells.
void narrow(CellType type, const float* values, std::byte* cells, std::size_t count);
void widen(CellType type, const std::byte* cells, float* values, std::size_t count);

// As in elements.h; an operator that fits the type, and a type that can be scaled.
void reduce_elements(ElementType type, ReduceOp op, std::byte* into, const std::byte* a, const std::byte* b,
                     std::size_t count);
void scale_elements(ElementType type, double factor, std::byte* values, std::size_t count);

// The HWY_TARGET bit of the kernels that run now, and of all that were compiled.
std::int64_t target_chosen();
std::int64_t targets_compiled();

}  // namespace gossamer::sketch::kernels
