#include "tools/bench/bincount_sketch.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/base.h"

namespace gossamer::tools {

BincountSketch::BincountSketch(std::uint64_t seed, std::uint64_t dimension, std::uint32_t rows, std::uint32_t columns)
    : dimension_(dimension),
      rows_(rows),
      columns_(columns),
      column_(dimension * rows),
      sign_(dimension * rows),
      weights_(dimension),
      estimates_(rows, std::vector<float>(dimension)),
      order_(dimension) {
  for (std::uint64_t i = 0; i < column_.size(); ++i) {
    const std::uint64_t random = mix64(seed, i);
    column_[i] = static_cast<std::int64_t>(((random >> 32) * columns) >> 32);
    sign_[i] = (random & 1) != 0 ? 1.0f : -1.0f;
  }
}

std::uint64_t BincountSketch::working_bytes(std::uint64_t dimension, std::uint32_t rows, std::uint32_t columns) {
  const std::uint64_t each = sizeof(std::int64_t) + 2 * sizeof(float);
  return dimension * rows * each + 2 * dimension * sizeof(float) + std::uint64_t{rows} * columns * sizeof(float);
}

void BincountSketch::encode(std::span<const float> vector, std::span<float> cells) {
  std::fill(cells.begin(), cells.end(), 0.0f);
  for (std::uint32_t row = 0; row < rows_; ++row) {
    const std::int64_t* const column = column_.data() + row * dimension_;
    const float* const sign = sign_.data() + row * dimension_;
    for (std::uint64_t i = 0; i < dimension_; ++i) weights_[i] = sign[i] * vector[i];
    float* const counts = cells.data() + std::size_t{row} * columns_;
    for (std::uint64_t i = 0; i < dimension_; ++i) counts[column[i]] += weights_[i];
  }
}

void BincountSketch::decode(std::span<const float> cells, std::span<std::uint32_t> indices) {
  for (std::uint32_t row = 0; row < rows_; ++row) {
    const std::int64_t* const column = column_.data() + row * dimension_;
    const float* const sign = sign_.data() + row * dimension_;
    const float* const table = cells.data() + std::size_t{row} * columns_;
    for (std::uint64_t i = 0; i < dimension_; ++i) estimates_[row][i] = table[column[i]] * sign[i];
  }
  const auto middle = [&](std::uint64_t i) {
    std::array<float, 15> values;
    for (std::uint32_t row = 0; row < rows_; ++row) values[row] = estimates_[row][i];
    std::nth_element(values.begin(), values.begin() + rows_ / 2, values.begin() + rows_);
    return values[rows_ / 2];
  };
  const auto median_of_3 = [](float a, float b, float c) {
    return std::max(std::min(a, b), std::min(std::max(a, b), c));
  };
  for (std::uint64_t i = 0; i < dimension_; ++i) {
    const auto e = [&](std::uint32_t row) { return estimates_[row][i]; };
    if (rows_ == 1) {
      weights_[i] = std::abs(e(0));
    } else if (rows_ == 3) {
      weights_[i] = std::abs(median_of_3(e(0), e(1), e(2)));
    } else if (rows_ == 5) {
      const float low = std::max(std::min(e(0), e(1)), std::min(e(2), e(3)));
      const float high = std::min(std::max(e(0), e(1)), std::max(e(2), e(3)));
      weights_[i] = std::abs(median_of_3(low, high, e(4)));
    } else {
      weights_[i] = std::abs(middle(i));
    }
  }
  std::iota(order_.begin(), order_.end(), std::uint32_t{0});
  std::nth_element(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(indices.size()), order_.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return weights_[a] > weights_[b]; });
  std::copy_n(order_.begin(), indices.size(), indices.begin());
  std::sort(indices.begin(), indices.end());
}

}  // namespace gossamer::tools
