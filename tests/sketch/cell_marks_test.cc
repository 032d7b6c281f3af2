#include "sketch/cell_marks.h"

#include <algorithm>

#include "base/base.h"
#include "sketch/hash.h"
#include "tests/sketch/inputs.h"

namespace gossamer::sketch {
namespace {

// Loaded rows: cells, the copy of the first ones behind them, zeros.
struct LoadedRows {
  kernels::RowShape shape;
  std::vector<float> rows;
};

LoadedRows heavy_tailed_rows(std::uint32_t rows, std::uint32_t columns, bool of_few_levels) {
  const std::uint32_t length = segment_length(columns);
  const std::size_t stride = (columns + length + 2 * kernels::lanes_max - 1) / kernels::lanes_max * kernels::lanes_max;
  LoadedRows loaded{{.seed = 9, .rows = rows, .columns = columns, .row_stride = stride}, {}};
  loaded.rows.resize(rows * stride);
  Random random(rows + columns);
  for (std::uint32_t row = 0; row < rows; ++row) {
    float* const cells = loaded.rows.data() + row * stride;
    for (std::uint32_t b = 0; b < columns; ++b) {
      const double x = random.normal();
      cells[b] = static_cast<float>(of_few_levels ? std::nearbyint(2 * x) : x * x * x);
    }
    std::copy_n(cells, length, cells + columns);
  }
  return loaded;
}

// Goal: marks find what estimating everything finds, wherever a run begins, and say when they do not pay. Method: both,
// for all kinds of medians, for columns that are few and many, for bounds from none to most.
TEST(CellMarks, KeepWhatEstimatingEverythingKeeps) {
  constexpr std::uint64_t many = 1'000'000;
  std::size_t marked = 0;
  for (const std::uint32_t rows : {1u, 3u, 5u, 9u, 15u}) {
    for (const std::uint32_t columns : {1u, 63u, 700u, 1024u, 4001u}) {
      for (const bool of_few_levels : {false, true}) {
        const auto [shape, cells] = heavy_tailed_rows(rows, columns, of_few_levels);
        CellMarks marks;
        ASSERT_TRUE(marks.allocate(shape));
        for (const float bound : {0.0F, 0.7F, 1.0F, 2.0F, 3.5F, 6.0F, 1e9F}) {
          const std::int32_t above = kernels::key_of(bound);
          if (!marks.mark(shape, cells.data(), above, many)) continue;
          ++marked;
          for (const std::uint64_t first : {0u, 1u, 1000u, 5003u}) {
            for (const std::size_t count : {1u, 64u, 1000u, 9000u}) {
              std::vector<float> estimates(count);
              kernels::estimate_rows(shape, cells.data(), first, estimates.data(), count);
              std::vector<std::uint32_t> expected(count + 1), indices(count + 1);
              std::vector<std::int32_t> expected_keys(count + 1), keys(count + 1);
              for (const std::int32_t later : {above, above + 1}) {  // the bound may have risen meanwhile
                const std::size_t wanted =
                    kernels::keep_above(estimates.data(), count, 7, later, expected.data(), expected_keys.data());
                ASSERT_EQ(marks.keep_above(shape, cells.data(), first, count, 7, later, indices.data(), keys.data()),
                          wanted)
                    << rows << " rows, " << columns << " columns, bound " << bound;
                ASSERT_TRUE(std::equal(indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(wanted),
                                       expected.begin()));
                ASSERT_TRUE(std::equal(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(wanted),
                                       expected_keys.begin()));
              }
            }
          }
        }
        EXPECT_FALSE(marks.mark(shape, cells.data(), kernels::key_of(1e9F), columns));  // cells are as many
        EXPECT_FALSE(marks.mark(shape, cells.data(), -1, many));  // every coordinate would be estimated by itself
      }
    }
  }
  EXPECT_GT(marked, 100u);
}

}  // namespace
}  // namespace gossamer::sketch
