// Gradients on disk: what `gossamer train --dump-gradients` writes and `gossamer study sketch --gradients` reads.
//
//   gradient-STEP.f32    every tensor in the caller's order, f32, little-endian, nothing between
//   gradient-STEP.json   {"schema": "gossamer.gradient/1", "dimension", "tensors": [{"name", "count", "exact"}],
//                         "step", "seed", "algorithm", "ranks", "dataset"}
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct NamedVector {
  std::string name;
  std::vector<float> values;
};

struct GradientTensor {
  std::string name;
  std::uint64_t count = 0;
  bool exact = false;  // never sketched
};

// Where a gradient comes from. Steps count from 1.
struct GradientOrigin {
  std::uint64_t step = 0;
  std::uint64_t seed = 0;
  std::uint32_t ranks = 0;
  std::string algorithm;
  std::string dataset;
};

// Whether the gradient of `step` of `steps` is written: each multiple of `every`; with 0 the first step and those at
// 10, 50 and 90 % of the run.
[[nodiscard]] bool is_dump_step(std::uint64_t step, std::uint64_t steps, std::uint64_t every);

// Writes both files into the folder, over files of the same step. Errors: unavailable.
[[nodiscard]] Status write_gradient(const std::string& folder, const GradientOrigin& origin,
                                    const std::vector<GradientTensor>& tensors, std::span<const float> gradient);

// All gradients of the folder by ascending step, named "gradient-STEP", without their exact tensors: what a sketch
// sees. Errors: unavailable where there are none or a file cannot be read; malformed, also for a NaN or infinity.
[[nodiscard]] Result<std::vector<NamedVector>> read_gradients(const std::string& folder);

}  // namespace gossamer::tools
