// What is learned: samples of byte features with a class each, for training and for testing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

// Features are kept as bytes, a quarter of their size in memory as f32, since every peer holds them all.
struct Samples {
  std::uint32_t features = 0;
  std::vector<std::uint8_t> values;  // count() * features, sample after sample
  std::vector<std::uint8_t> labels;
  [[nodiscard]] std::size_t count() const { return labels.size(); }
  // Writes features of sample `index` to `out`, scaled to [0, 1].
  void copy(std::size_t index, float* out) const;
};

struct Dataset {
  std::string name;
  std::uint32_t classes = 0;
  Samples train;
  Samples test;
};

// The four files of Fashion-MNIST in `folder`. Errors: unavailable and malformed, with the file, what was
// expected and found, and the Debian package that brings them.
[[nodiscard]] Result<Dataset> load_fashion_mnist(const std::string& folder);

struct SyntheticOptions {
  std::uint32_t train_count = 4'000;
  std::uint32_t test_count = 1'000;
  std::uint32_t features = 64;
  std::uint32_t classes = 10;
  std::uint64_t seed = 1;
};

// A mixture of Gaussians, one centre a class, the same on every machine for one seed. Errors: invalid_argument.
[[nodiscard]] Result<Dataset> make_synthetic(const SyntheticOptions& options);

}  // namespace gossamer::tools
