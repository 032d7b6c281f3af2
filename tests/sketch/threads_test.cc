// Several threads: the same bits as one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "inputs.h"

namespace gossamer::sketch {
namespace {

// Shapes whose f32 sums have many parts, few parts and one; and a vector too short to share.
constexpr SketchShape shapes[] = {{4'300'000, 3, 80'000}, {700'001, 3, 1000}, {700'001, 5, 4000},
                                  {300'000, 3, 20'000},   {900, 5, 64},       {70, 3, 9}};

// Goal: encoding gives the same bits for any number of threads, in all cell types. Method: against one thread;
// the vector is produced while it is encoded, and every element exactly once.
TEST(Threads, EncodeTheSameBits) {
  for (const std::uint32_t threads : {2u, 3u, 5u}) {
    const auto pool = std::move(ThreadPool::make({threads, false})).value();
    for (const SketchShape& shape : shapes) {
      const std::vector<float> source = rough_vector(threads, shape.dimension);
      const auto alone = make_fast(shape);
      const auto shared = std::move(make_count_sketch(shape, 0, pool.get())).value();
      for (const CellType type : {CellType::f32, CellType::bf16, CellType::i8, CellType::i16}) {
        CellFormat format{type, {}, 1};
        format.fixed = choose_fixed_point(shape, 31, static_cast<float>(std::sqrt(sum_squares(source))),
                                          largest_magnitude(source));
        std::vector<std::byte> expected(shape.cells() * cell_bytes(type));
        alone->encode_cells(3, source, format, expected, nullptr);
        std::vector<float> vector(shape.dimension, NAN);
        std::vector<std::uint8_t> produced(shape.dimension, 0);
        std::vector<std::byte> cells(expected.size());
        shared->encode_cells(3, vector, format, cells, [&](std::uint64_t first, std::span<float> copy) {
          for (std::size_t i = first; i < first + copy.size(); ++i) {
            copy[i - first] = vector[i] = source[i];
            ++produced[i];
          }
          return CountSketch::Upcoming{{source.data() + first, nullptr, nullptr}};
        });
        ASSERT_EQ(cells, expected) << threads << " threads, " << cell_type_name(type) << ", d = " << shape.dimension;
        ASSERT_EQ(produced, std::vector<std::uint8_t>(shape.dimension, 1));
      }
    }
  }
}

// Goal: selection finds the same coordinates for any number of threads, wherever the heavy ones are. Method: heavy
// everywhere, all in one run (more than a thread's share of memory), and all equal; against one thread.
TEST(Threads, SelectTheSameCoordinates) {
  const SketchShape shape{700'001, 3, 30'000};
  std::vector<std::vector<float>> vectors = {rough_vector(1, shape.dimension),
                                             std::vector<float>(shape.dimension, 1.0F),
                                             std::vector<float>(shape.dimension, 0.0F)};
  for (std::size_t i = 0; i < 60'000; ++i) vectors[2][300'000 + i] = static_cast<float>(i % 97) + 1;
  for (const std::uint32_t threads : {2u, 3u, 5u}) {
    const auto pool = std::move(ThreadPool::make({threads, false})).value();
    for (const std::vector<float>& vector : vectors) {
      const auto alone = make_fast(shape);
      const auto shared = std::move(make_count_sketch(shape, 7000, pool.get())).value();
      const std::vector<float> cells = encode_with(*alone, 3, vector);
      alone->load(3, cells);
      shared->load(3, cells);
      for (const std::size_t count : {std::size_t{1}, std::size_t{700}, std::size_t{7000}, std::size_t{500'000}}) {
        ASSERT_EQ(top_of(*shared, count), top_of(*alone, count)) << threads << " threads, " << count;
        ASSERT_EQ(shared->sample_key(count), alone->sample_key(count));
        for (const std::int32_t above : {-1, alone->sample_key(count)}) {
          const KeyedCoordinates one = alone->select_range({1234, 600'000}, count, above);
          const KeyedCoordinates several = shared->select_range({1234, 600'000}, count, above);
          ASSERT_TRUE(std::ranges::equal(several.offsets, one.offsets)) << threads << " threads, " << count;
          ASSERT_TRUE(std::ranges::equal(several.keys, one.keys)) << threads << " threads, " << count;
        }
      }
      std::vector<std::uint32_t> one(3000);
      std::vector<std::uint32_t> several(3000);
      alone->select_heavymix(2000, one);
      shared->select_heavymix(2000, several);
      ASSERT_EQ(several, one);
    }
  }
}

// Goal: working memory is O(threads * rows * columns + selected). Method: four threads against one.
TEST(Threads, WorkingBytesGrowWithThreadsNotWithTheDimension) {
  const auto pool = std::move(ThreadPool::make({4, false})).value();
  const auto bytes_of = [&](std::uint64_t dimension) {
    return std::move(make_count_sketch({dimension, 3, 10'000}, 1000, pool.get())).value()->working_bytes();
  };
  const std::size_t rows_bytes = std::size_t{3} * 11'040 * sizeof(float);
  EXPECT_LT(bytes_of(1 << 20), 7 * rows_bytes + (1 << 20));
  EXPECT_LT(bytes_of(std::uint64_t{1} << 30), bytes_of(1 << 20) + rows_bytes + (1 << 18));
}

}  // namespace
}  // namespace gossamer::sketch
