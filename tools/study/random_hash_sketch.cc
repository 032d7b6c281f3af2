#include "tools/study/random_hash_sketch.h"

#include <algorithm>
#include <array>

#include "base/base.h"

namespace gossamer::tools {
namespace {

constexpr std::uint64_t rows_max = 15;
constexpr std::uint64_t chunk = 1024;  // coordinates whose values of all rows stay in the first-level cache

struct Place {
  std::uint32_t column;
  bool negated;
};

// The upper half of 64 random bits gives the column by multiply-high, the lowest bit the sign.
Place place_of(std::uint64_t row_key, std::uint64_t coordinate, std::uint32_t columns) {
  const std::uint64_t random = mix64(row_key, coordinate);
  return {static_cast<std::uint32_t>(((random >> 32) * columns) >> 32), (random & 1) != 0};
}

void check(bool ok) { GOSSAMER_CHECK(ok, "arguments that do not fit the sketch's shape"); }

}  // namespace

void encode_random_hash(const sketch::SketchShape& shape, std::uint64_t seed, std::span<const float> vector,
                        std::span<float> cells) {
  check(vector.size() == shape.dimension && cells.size() == shape.cells());
  std::fill(cells.begin(), cells.end(), 0.0F);
  for (std::uint32_t row = 0; row < shape.rows; ++row) {
    const std::uint64_t key = mix64(seed, row);
    float* const row_cells = cells.data() + std::size_t{row} * shape.columns;
    for (std::uint64_t t = 0; t < shape.dimension; ++t) {
      const Place place = place_of(key, t, shape.columns);
      row_cells[place.column] += place.negated ? -vector[t] : vector[t];
    }
  }
}

void estimate_random_hash(const sketch::SketchShape& shape, std::uint64_t seed, std::span<const float> cells,
                          std::span<float> estimates) {
  check(estimates.size() == shape.dimension && cells.size() == shape.cells() && shape.rows <= rows_max);
  std::array<std::array<float, rows_max>, chunk> values;
  for (std::uint64_t first = 0; first < shape.dimension; first += chunk) {
    const std::uint64_t count = std::min(chunk, shape.dimension - first);
    for (std::uint32_t row = 0; row < shape.rows; ++row) {
      const std::uint64_t key = mix64(seed, row);
      const float* const row_cells = cells.data() + std::size_t{row} * shape.columns;
      for (std::uint64_t i = 0; i < count; ++i) {
        const Place place = place_of(key, first + i, shape.columns);
        values[i][row] = place.negated ? -row_cells[place.column] : row_cells[place.column];
      }
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      std::sort(values[i].begin(), values[i].begin() + shape.rows);
      estimates[first + i] = values[i][shape.rows / 2];
    }
  }
}

}  // namespace gossamer::tools
