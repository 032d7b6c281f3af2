// Which thread adds what to which cell: the index arithmetic of the kernels, for host and device.
//
// Encoding reads coordinates and adds to cells in fast memory; no cell is ever added to by two threads at a time, so
// there are no atomics and the order of sums is fixed. Rows are padded as on the CPU, so nothing wraps:
//
//   | 0 ... c-1 | c ... c+L-1 |     width = c + L columns; the pad is added to columns 0 ... L-1 at the end
//
// Rows that fit into the shared memory of one block (`whole_rows`; r = 5 to c = 10,400 on Hopper): a block has all
// rows and a run of consecutive segments. The vector is read once and each sign hash computed once for all rows.
// Thread i has positions i and i + 512; coordinates of one segment hit distinct cells, so one barrier a segment
// keeps the order.
//
//   block 0 | segments 0 ... n-1 |   -> partial cells 0 --+
//   block 1 | segments n ... 2n-1 |  -> partial cells 1 --+--> fold, in a fixed order -> cells
//
//   What a coordinate costs at r = 5, counted, in cycles of one H100 multiprocessor: shared memory 10 words of 32 a
//   cycle, .31; integer pipes about 20 operations of 64 a cycle, .31; memory 4 bytes of 13 a cycle, .3. Half the copy
//   bandwidth is 1.7 coordinates a cycle. Four segments are on their way from memory (16 KiB a block) while one is
//   added.
//
// Larger rows (`tiles`): a block has a tile of one padded row, and each of its warps a slice of the tile's columns.
// It looks through the table of offsets for the segments that touch the tile, in order, and each warp adds what falls
// into its slice, without barriers. All blocks walk the vector at the same pace, so it comes from memory once for
// each wave of blocks (one wave to r * c of about 5.9 million on H100), and r times from the L2 cache, which is the
// limit.
//
//   row    |  tile 0  |  tile 1  |  tile 2  |        a tile: | warp 0 | warp 1 | ... | warp 15 |
//   segment      [ s ]    [ t ]                              [   s   ] only its warps add
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "sketch/hash.h"
#include "sketch/sketch.h"

namespace gossamer::sketch::cuda {

inline constexpr std::uint32_t warp_size = 32;
inline constexpr std::uint32_t block_threads = 512;
inline constexpr std::uint32_t block_warps = block_threads / warp_size;

template <typename T>
[[nodiscard]] constexpr T divide_up(T a, T b) {
  return (a + b - 1) / b;
}

// ---- encode ----------------------------------------------------------------------------------

struct DeviceLimits {
  std::uint32_t multiprocessors = 0;
  std::uint64_t block_shared_bytes = 0;           // the most that a block may ask for
  std::uint64_t multiprocessor_shared_bytes = 0;  // for all its blocks, each with 1 KiB of the driver's
};

inline constexpr std::uint32_t table_segments = 64;  // segments hashed at a time
inline constexpr std::uint32_t segments_ahead = 4;   // on their way from memory
inline constexpr std::uint32_t positions_per_thread = segment_length_max / block_threads;
inline constexpr std::uint32_t list_round = 2 * block_threads;         // segments looked at in one round
inline constexpr std::uint32_t list_max = list_round + block_threads;  // segments listed before they are added
inline constexpr std::uint64_t list_entry_bytes = 4 * sizeof(std::uint32_t);
inline constexpr std::uint64_t static_shared_bytes = 1024;  // room for what kernels declare themselves
inline constexpr std::uint64_t driver_shared_bytes = 1024;
inline constexpr std::uint32_t fold_groups = 8;
static_assert(table_segments % segments_ahead == 0, "the places of prefetched values go round with the segments");

enum class EncodeKernel : std::uint8_t { whole_rows, tiles };

struct EncodePlan {
  EncodeKernel kernel = EncodeKernel::whole_rows;
  std::uint32_t length = 0;  // L
  std::uint32_t width = 0;   // c + L
  std::uint32_t segments = 0;
  std::uint32_t parts = 0;
  std::uint32_t segments_per_part = 0;
  std::uint32_t tiles = 1;            // of each row
  std::uint32_t tile_columns = 0;     // a multiple of block_threads
  std::uint32_t partial_columns = 0;  // of each row of partial cells: c, or the width with its pad still apart
  std::uint64_t shared_bytes = 0;

  [[nodiscard]] constexpr std::uint32_t part_begin(std::uint32_t part) const { return part * segments_per_part; }
  [[nodiscard]] constexpr std::uint32_t part_end(std::uint32_t part) const {
    const std::uint64_t end = std::uint64_t{part + 1} * segments_per_part;
    return end < segments ? static_cast<std::uint32_t>(end) : segments;
  }
  [[nodiscard]] constexpr std::uint32_t parts_per_group() const { return divide_up(parts, fold_groups); }
};

// Words of one segment in the shared table: two sign keys, then the first cell of each row's window; whole
// 16-byte groups, which a warp reads as one.
[[nodiscard]] constexpr std::uint32_t table_words(std::uint32_t rows) { return divide_up(rows + 2, 4u) * 4; }

[[nodiscard]] constexpr std::uint64_t whole_rows_bytes(std::uint32_t rows, std::uint32_t width) {
  return std::uint64_t{table_segments} * table_words(rows) * 4 + std::uint64_t{rows} * width * 4;
}

// `parts` is what keeps the device busy, but each part has some work.
constexpr void divide_segments(EncodePlan& plan, std::uint64_t parts, std::uint32_t segments_min) {
  const std::uint64_t most = std::max<std::uint64_t>(1, plan.segments / segments_min);
  const std::uint64_t wanted = std::clamp<std::uint64_t>(parts, 1, most);
  plan.segments_per_part = static_cast<std::uint32_t>(divide_up<std::uint64_t>(plan.segments, wanted));
  plan.parts = static_cast<std::uint32_t>(divide_up<std::uint64_t>(plan.segments, plan.segments_per_part));
}

[[nodiscard]] constexpr EncodePlan encode_plan(const SketchShape& shape, const DeviceLimits& limits) {
  EncodePlan plan;
  plan.length = segment_length(shape.columns);
  plan.width = shape.columns + plan.length;
  plan.segments = static_cast<std::uint32_t>(divide_up<std::uint64_t>(shape.dimension, plan.length));
  plan.shared_bytes = whole_rows_bytes(shape.rows, plan.width);
  if (plan.shared_bytes + static_shared_bytes <= limits.block_shared_bytes) {
    plan.partial_columns = shape.columns;
    const std::uint64_t together =
        limits.multiprocessor_shared_bytes / (plan.shared_bytes + static_shared_bytes + driver_shared_bytes);
    divide_segments(plan, limits.multiprocessors * std::clamp<std::uint64_t>(together, 1, 4), 8);
    return plan;
  }
  plan.kernel = EncodeKernel::tiles;
  plan.partial_columns = plan.width;
  const std::uint64_t two_blocks = limits.multiprocessor_shared_bytes / 2 - driver_shared_bytes;
  const std::uint64_t cell_bytes =
      std::min(two_blocks, limits.block_shared_bytes) - static_shared_bytes - list_max * list_entry_bytes;
  const auto columns_max = static_cast<std::uint32_t>(cell_bytes / 4 / block_threads * block_threads);
  const std::uint32_t least_tiles = divide_up(plan.width, columns_max);
  plan.tile_columns = divide_up(divide_up(plan.width, least_tiles), block_threads) * block_threads;
  plan.tiles = divide_up(plan.width, plan.tile_columns);
  plan.shared_bytes = list_max * list_entry_bytes + std::uint64_t{plan.tile_columns} * 4;
  divide_segments(plan, 2 * limits.multiprocessors / (std::uint64_t{plan.tiles} * shape.rows), 64);
  return plan;
}

// Coordinates of a segment; the last one may be shorter.
[[nodiscard]] constexpr std::uint32_t coordinates_in(std::uint32_t segment, std::uint32_t length,
                                                     std::uint64_t dimension) {
  const std::uint64_t rest = dimension - std::uint64_t{segment} * length;
  return rest < length ? static_cast<std::uint32_t>(rest) : length;
}

// The first segment that has no coordinate at this position, or `end` if that comes before.
[[nodiscard]] constexpr std::uint32_t segments_with(std::uint32_t position, const EncodePlan& plan,
                                                    std::uint64_t dimension, std::uint32_t end) {
  if (position >= plan.length || position >= dimension) return 0;
  const std::uint64_t segments = (dimension - 1 - position) / plan.length + 1;
  return segments < end ? static_cast<std::uint32_t>(segments) : end;
}

// Whether columns [offset, offset + length) of a padded row and [begin, begin + columns) have one in common; by one
// comparison mod 2^32.
[[nodiscard]] constexpr bool touches(std::uint32_t offset, std::uint32_t length, std::uint32_t begin,
                                     std::uint32_t columns) {
  return offset + (length - 1) - begin < columns + (length - 1);
}

struct Columns {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

[[nodiscard]] constexpr Columns common(const Columns& a, const Columns& b) {
  return {a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
}

// The columns of the padded row that a warp of a tile's block adds to.
[[nodiscard]] constexpr Columns warp_columns(std::uint32_t tile_begin, std::uint32_t tile_columns, std::uint32_t warp) {
  const std::uint32_t each = tile_columns / block_warps;
  return {tile_begin + warp * each, tile_begin + (warp + 1) * each};
}

// ---- decode ----------------------------------------------------------------------------------

// A block estimates a chunk of 8 whole segments, a warp half a segment: row windows are contiguous, so a warp reads
// 128 bytes at a time of each row, 16 times, from addresses that differ by constants. Only survivors of a sampled
// threshold are written; r reads of cells (L1 to some 200 KiB of cells, L2 beyond) and the median are the cost:
// at r = 5 about .6 cycles of one multiprocessor a coordinate.
inline constexpr std::uint32_t chunk_segments = 8;
inline constexpr std::uint32_t chunk_coordinates = chunk_segments * segment_length_max;
inline constexpr std::uint32_t warp_coordinates = chunk_coordinates / block_warps;
inline constexpr std::uint32_t steps_per_warp = warp_coordinates / warp_size;
inline constexpr std::uint32_t warps_per_segment = segment_length_max / warp_coordinates;

// Coordinate, relative to the chunk, of a lane at a step.
[[nodiscard]] constexpr std::uint32_t chunk_position(std::uint32_t warp, std::uint32_t step, std::uint32_t lane) {
  return warp * warp_coordinates + step * warp_size + lane;
}

// The threshold's sample: groups of 32 consecutive coordinates, spread evenly, each at a random place in its stride.
struct SampleGroups {
  std::uint32_t groups = 0;  // 0: no sample, keep everything
  std::uint64_t stride = 0;
  [[nodiscard]] constexpr std::uint32_t size() const { return groups * warp_size; }
  [[nodiscard]] constexpr std::uint64_t begin(std::uint32_t group) const {
    return group * stride + mix64(group) % (stride - warp_size + 1);
  }
};
inline constexpr std::uint32_t sample_groups_max = 4096;

[[nodiscard]] constexpr SampleGroups sample_groups(std::uint64_t dimension) {
  const auto groups =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(dimension / (32 * warp_size), sample_groups_max));
  return {groups, groups == 0 ? 0 : dimension / groups};
}

// Rank (from 1) of the sample's key that becomes the threshold: four standard deviations beyond the expected one, so
// that fewer than `count` survivors are rare.
[[nodiscard]] inline std::uint32_t sample_rank(const SampleGroups& sample, std::uint64_t count,
                                               std::uint64_t dimension) {
  const double expected = static_cast<double>(count) * sample.size() / static_cast<double>(dimension);
  const double rank = expected + 4 * std::sqrt(expected) + 5;
  return static_cast<std::uint32_t>(std::min<double>(rank, sample.size()));
}

// Survivors that there is room for when `count` are sought.
[[nodiscard]] constexpr std::uint64_t survivors_max(std::uint64_t count, std::uint64_t dimension) {
  return std::min<std::uint64_t>(4 * count + 16384, dimension);
}

// Keys have 31 bits; a radix selection finds them in three digits, the highest first.
inline constexpr std::uint32_t digit_passes = 3;
inline constexpr std::uint32_t digits = 2048;
struct Digit {
  std::uint32_t shift = 0;  // of this digit
  std::uint32_t above = 0;  // shift of what was found before: prefix = key >> above
};
[[nodiscard]] constexpr Digit digit_of(std::uint32_t pass) {
  return pass == 0 ? Digit{20, 31} : pass == 1 ? Digit{10, 20} : Digit{0, 10};
}
[[nodiscard]] constexpr std::uint32_t digit_at(std::uint32_t key, std::uint32_t pass) {
  return (key >> digit_of(pass).shift) & (pass == 0 ? 2047u : 1023u);
}

// Place in the ascending result of a chosen coordinate: after all above the threshold and all chosen ties before it.
[[nodiscard]] constexpr std::uint32_t chosen_place(std::uint32_t above_before, std::uint32_t ties_before,
                                                   std::uint32_t ties_wanted) {
  return above_before + (ties_before < ties_wanted ? ties_before : ties_wanted);
}

// ---- norms -----------------------------------------------------------------------------------

inline constexpr std::uint32_t norm_blocks = 1024;
inline constexpr std::uint32_t norm_threads = 256;

}  // namespace gossamer::sketch::cuda
