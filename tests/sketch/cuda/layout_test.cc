// The division of the work, for the limits of real devices: every thread of a grid is walked through on the host.
#include "sketch/cuda/layout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "../inputs.h"
#include "sketch/cuda/cuda_sketch.h"

namespace gossamer::sketch::cuda {
namespace {

constexpr DeviceLimits a100{
    .multiprocessors = 108, .block_shared_bytes = 163 << 10, .multiprocessor_shared_bytes = 164 << 10};
constexpr DeviceLimits h100{
    .multiprocessors = 132, .block_shared_bytes = 227 << 10, .multiprocessor_shared_bytes = 228 << 10};
constexpr DeviceLimits small{
    .multiprocessors = 20, .block_shared_bytes = 99 << 10, .multiprocessor_shared_bytes = 100 << 10};

const SketchShape shapes[] = {
    {.dimension = 300, .rows = 3, .columns = 1},
    {.dimension = 777, .rows = 5, .columns = 37},
    {.dimension = 50'003, .rows = 7, .columns = 1500},
    {.dimension = 300'000, .rows = 5, .columns = 8192},
    {.dimension = 1'000'001, .rows = 3, .columns = 10'716},
    {.dimension = 100, .rows = 15, .columns = 40'000},
    {.dimension = 400'000, .rows = 5, .columns = 30'001},
    {.dimension = 200'000, .rows = 1, .columns = 300'000},
};

struct Input {
  const SketchShape& shape;
  const EncodePlan& plan;
  std::vector<std::uint32_t> levels;
};

std::uint32_t signed_level(const Input& input, const SegmentHash& hash, std::uint32_t row, std::uint32_t segment,
                           std::uint32_t position) {
  const std::uint32_t level = input.levels[std::size_t{segment} * input.plan.length + position];
  return is_negated(sign_bits(hash, position), row) ? 0 - level : level;
}

using Partials = std::vector<std::uint32_t>;  // parts * rows * partial_columns

// As encode_whole_rows: a block for each part, its threads' places, a barrier after each segment.
void walk_whole_rows(const Input& input, std::uint32_t part, Partials& partials) {
  const EncodePlan& plan = input.plan;
  const SketchShape& shape = input.shape;
  const std::uint32_t end = plan.part_end(part);
  std::vector<std::uint32_t> cells(std::size_t{shape.rows} * plan.width);
  std::vector<std::uint32_t> hit_by(cells.size());  // the last segment that hit a cell, + 1
  for (std::uint32_t segment = plan.part_begin(part); segment < end; ++segment) {
    const SegmentHash hash = segment_hash(5, segment);
    for (std::uint32_t thread = 0; thread < block_threads; ++thread) {
      for (std::uint32_t place = 0; place < positions_per_thread; ++place) {
        const std::uint32_t position = thread + place * block_threads;
        if (segment >= segments_with(position, plan, shape.dimension, end)) continue;
        for (std::uint32_t row = 0; row < shape.rows; ++row) {
          const std::size_t cell = row * plan.width + segment_offset(hash, row, shape.columns) + position;
          ASSERT_NE(hit_by.at(cell), segment + 1) << "two threads at one cell between barriers";
          hit_by[cell] = segment + 1;
          cells[cell] += signed_level(input, hash, row, segment, position);
        }
      }
    }
  }
  for (std::uint32_t row = 0; row < shape.rows; ++row) {
    for (std::uint32_t b = 0; b < shape.columns; ++b) {
      const std::size_t cell = std::size_t{row} * plan.width + b;
      partials[(std::size_t{part} * shape.rows + row) * plan.partial_columns + b] =
          cells[cell] + (b < plan.length ? cells[cell + shape.columns] : 0);
    }
  }
}

// As encode_tiles: a block for each tile of a row, its list, each warp's columns.
void walk_tile(const Input& input, std::uint32_t part, std::uint32_t row, std::uint32_t tile, Partials& partials) {
  const EncodePlan& plan = input.plan;
  const std::uint32_t begin = tile * plan.tile_columns;
  std::vector<std::uint32_t> cells(plan.tile_columns);
  for (std::uint32_t segment = plan.part_begin(part); segment < plan.part_end(part); ++segment) {
    const SegmentHash hash = segment_hash(5, segment);
    const std::uint32_t offset = segment_offset(hash, row, input.shape.columns);
    if (!touches(offset, plan.length, begin, plan.tile_columns)) continue;
    for (std::uint32_t warp = 0; warp < block_warps; ++warp) {
      const Columns own = warp_columns(begin, plan.tile_columns, warp);
      if (!touches(offset, plan.length, own.begin, own.end - own.begin)) continue;
      const std::uint32_t count = coordinates_in(segment, plan.length, input.shape.dimension);
      const Columns hit = common(own, {offset, offset + count});
      for (std::uint32_t column = hit.begin; column < hit.end; ++column) {
        cells.at(column - begin) += signed_level(input, hash, row, segment, column - offset);
      }
    }
  }
  for (std::uint32_t i = 0; i < plan.tile_columns && begin + i < plan.width; ++i) {
    partials[(std::size_t{part} * input.shape.rows + row) * plan.partial_columns + begin + i] = cells[i];
  }
}

std::vector<std::uint32_t> fold(const Input& input, const Partials& partials) {
  const EncodePlan& plan = input.plan;
  std::vector<std::uint32_t> sums;
  for (std::uint32_t row = 0; row < input.shape.rows; ++row) {
    for (std::uint32_t b = 0; b < input.shape.columns; ++b) {
      std::uint32_t sum = 0;
      for (std::uint32_t part = 0; part < plan.parts; ++part) {
        const std::size_t cell = (std::size_t{part} * input.shape.rows + row) * plan.partial_columns + b;
        sum += partials[cell];
        if (plan.partial_columns == plan.width && b < plan.length) sum += partials[cell + input.shape.columns];
      }
      sums.push_back(sum);
    }
  }
  return sums;
}

std::vector<std::uint32_t> plain_sums(const Input& input) {
  std::vector<std::uint32_t> sums(input.shape.cells());
  for (std::uint64_t t = 0; t < input.shape.dimension; ++t) {
    const auto segment = static_cast<std::uint32_t>(t / input.plan.length);
    const auto position = static_cast<std::uint32_t>(t % input.plan.length);
    const SegmentHash hash = segment_hash(5, segment);
    for (std::uint32_t row = 0; row < input.shape.rows; ++row) {
      const std::uint32_t column = (segment_offset(hash, row, input.shape.columns) + position) % input.shape.columns;
      sums[std::size_t{row} * input.shape.columns + column] += signed_level(input, hash, row, segment, position);
    }
  }
  return sums;
}

// Goal: on real devices too, the grid adds each coordinate once to the right cell of each row, and no two threads meet
// at a cell between barriers. Method: integer cells of a walk through blocks, threads and warps with the kernels' own
// index functions, against the plain loop; limits of three devices, so that both kernels and many parts are seen.
TEST(CudaLayout, AWalkThroughTheGridGivesThePlainSums) {
  std::map<EncodeKernel, int> seen;
  for (const DeviceLimits& limits : {a100, h100, small}) {
    for (const SketchShape& shape : shapes) {
      SCOPED_TRACE(text("d = ", shape.dimension, ", r = ", shape.rows, ", c = ", shape.columns, " on ",
                        limits.multiprocessors, " multiprocessors"));
      const EncodePlan plan = encode_plan(shape, limits);
      ++seen[plan.kernel];
      Input input{shape, plan, std::vector<std::uint32_t>(std::size_t{plan.segments} * plan.length)};
      Random random(shape.dimension);
      for (std::uint64_t t = 0; t < shape.dimension; ++t) input.levels[t] = static_cast<std::uint32_t>(random.next());
      Partials partials(std::size_t{plan.parts} * shape.rows * plan.partial_columns, 0xffffffffu);
      for (std::uint32_t part = 0; part < plan.parts; ++part) {
        if (plan.kernel == EncodeKernel::whole_rows) {
          ASSERT_NO_FATAL_FAILURE(walk_whole_rows(input, part, partials));
        } else {
          for (std::uint32_t row = 0; row < shape.rows; ++row) {
            for (std::uint32_t tile = 0; tile < plan.tiles; ++tile) walk_tile(input, part, row, tile, partials);
          }
        }
      }
      ASSERT_EQ(fold(input, partials), plain_sums(input));
    }
  }
  EXPECT_GT(seen[EncodeKernel::whole_rows], 0);
  EXPECT_GT(seen[EncodeKernel::tiles], 0);
}

// Goal: a plan keeps to the device's limits for every shape. Method: shapes from end to end of each range; shared
// memory, the cover of segments by parts and of columns by tiles, the sizes of grids, bounded partial cells.
TEST(CudaLayout, PlansKeepToTheLimits) {
  for (const DeviceLimits& limits : {a100, h100, small}) {
    for (std::uint64_t dimension = 1; dimension < std::uint64_t{1} << 32; dimension = dimension * 13 + 1) {
      for (std::uint64_t columns = 1; columns <= std::uint64_t{1} << 28; columns = columns * 7 / 2 + 1) {
        for (const std::uint32_t rows : {1u, 5u, 15u}) {
          const SketchShape shape{dimension, rows, static_cast<std::uint32_t>(columns)};
          const EncodePlan plan = encode_plan(shape, limits);
          ASSERT_LE(plan.shared_bytes + static_shared_bytes, limits.block_shared_bytes);
          ASSERT_GE(std::uint64_t{plan.segments} * plan.length, dimension);
          ASSERT_GE(plan.parts, 1u);
          ASSERT_EQ(plan.part_end(plan.parts - 1), plan.segments);
          ASSERT_LT(plan.part_begin(plan.parts - 1), plan.segments);
          ASSERT_LE(plan.parts, 65'535u);
          ASSERT_GE(std::uint64_t{plan.parts_per_group()} * fold_groups, plan.parts);
          const std::uint64_t partial_bytes = std::uint64_t{plan.parts} * rows * plan.partial_columns * 4;
          const std::uint64_t device_bytes = limits.multiprocessors * limits.multiprocessor_shared_bytes;
          ASSERT_LE(partial_bytes, std::max(device_bytes, std::uint64_t{rows} * plan.width * 4));
          if (plan.kernel == EncodeKernel::whole_rows) continue;
          ASSERT_EQ(plan.tile_columns % block_threads, 0u);
          ASSERT_GE(std::uint64_t{plan.tiles} * plan.tile_columns, plan.width);
          ASSERT_LT(std::uint64_t{plan.tiles - 1} * plan.tile_columns, plan.width);
        }
      }
    }
  }
}

// Goal: every coordinate of a chunk belongs to one lane at one step, and every sample lies within the vector. Method:
// counts over a chunk; dimensions from 1 to 2^32 - 1.
TEST(CudaLayout, ChunksAndSamplesCoverWhatTheyShould) {
  std::vector<int> times(chunk_coordinates);
  for (std::uint32_t warp = 0; warp < block_warps; ++warp) {
    for (std::uint32_t step = 0; step < steps_per_warp; ++step) {
      for (std::uint32_t lane = 0; lane < warp_size; ++lane) ++times.at(chunk_position(warp, step, lane));
    }
  }
  EXPECT_EQ(times, std::vector<int>(chunk_coordinates, 1));
  for (std::uint64_t dimension = 1; dimension < std::uint64_t{1} << 32; dimension = dimension * 3 / 2 + 1) {
    const SampleGroups sample = sample_groups(dimension);
    for (std::uint32_t group = 0; group < sample.groups; ++group) {
      ASSERT_LE(sample.begin(group) + warp_size, dimension);
    }
    if (sample.groups == 0) {
      ASSERT_LE(dimension, survivors_max(0, dimension));  // all can be listed
      continue;
    }
    const std::uint64_t count = dimension / 100 + 1;
    ASSERT_GE(sample_rank(sample, count, dimension), 1u);
    ASSERT_LE(sample_rank(sample, count, dimension), sample.size());
  }
}

// Goal: three digits make up a key. Method: keys put together again from their digits.
TEST(CudaLayout, ThreeDigitsMakeUpAKey) {
  Random random(9);
  for (int i = 0; i < 1000; ++i) {
    const auto key = static_cast<std::uint32_t>(random.next() >> 33);
    std::uint32_t prefix = 0;
    for (std::uint32_t pass = 0; pass < digit_passes; ++pass) {
      EXPECT_EQ(key >> digit_of(pass).above, prefix >> digit_of(pass).above);
      ASSERT_LT(digit_at(key, pass), digits);
      prefix |= digit_at(key, pass) << digit_of(pass).shift;
    }
    EXPECT_EQ(prefix, key);
  }
}

#ifndef GOSSAMER_WITH_CUDA
// Goal: a build without CUDA says so, and how to change it. Method: the query and the maker.
TEST(CudaLayout, ABuildWithoutCudaSaysSo) {
  const std::string expected = "built without CUDA: configure with -DGOSSAMER_CUDA=ON";
  EXPECT_EQ(cuda_available().error().message, expected);
  const auto sketch = make_cuda_sketch({.dimension = 10, .rows = 1, .columns = 10}, 1);
  EXPECT_EQ(sketch.error().code, Code::unavailable);
  EXPECT_EQ(sketch.error().message, expected);
}
#endif

}  // namespace
}  // namespace gossamer::sketch::cuda
