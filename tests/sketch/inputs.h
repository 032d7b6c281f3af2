// Inputs and machinery that the tests of `sketch` share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "hwy/targets.h"
#include "sketch/kernels.h"
#include "sketch/sketch.h"
#include "tests/support/vectors.h"

namespace gossamer::sketch {

// Equal bit for bit: -0 is not +0, a NaN is itself.
inline ::testing::AssertionResult same_bits(const std::vector<float>& actual, const std::vector<float>& expected) {
  if (actual.size() != expected.size()) return ::testing::AssertionFailure() << "lengths differ";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::memcmp(&actual[i], &expected[i], sizeof(float)) != 0) {
      return ::testing::AssertionFailure() << "element " << i << " is " << actual[i] << ", not " << expected[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// Runs `body` once with each SIMD target that was compiled and that this machine has.
template <typename Body>
void with_each_target(const Body& body) {
  hwy::SetSupportedTargetsForTest(0);
  const std::int64_t all = hwy::SupportedTargets() & kernels::targets_compiled();
  for (std::int64_t rest = all; rest != 0; rest &= rest - 1) {
    const std::int64_t target = rest & -rest;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
    ASSERT_EQ(kernels::target_chosen(), target);
    SCOPED_TRACE(std::string("target ") + hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

inline std::vector<CellType> cell_types(CellKind kind) {
  std::vector<CellType> types;
  for (const CellType type : all_cell_types())
    if (row_of(type).kind == kind) types.push_back(type);
  return types;
}

inline std::unique_ptr<CountSketch> make_fast(const SketchShape& shape) {
  return std::move(make_count_sketch(shape)).value();
}

inline std::unique_ptr<CountSketch> make_reference(const SketchShape& shape) {
  return std::move(make_reference_count_sketch(shape)).value();
}

inline std::vector<float> encode_with(CountSketch& sketch, std::uint64_t seed, std::span<const float> vector) {
  std::vector<float> cells(sketch.shape().cells(), -1.0F);
  sketch.encode(seed, vector, cells);
  return cells;
}

inline std::vector<float> estimates_of(const CountSketch& sketch) {
  std::vector<float> estimates(sketch.shape().dimension);
  sketch.estimate(0, estimates);
  return estimates;
}

inline std::vector<std::uint32_t> top_of(CountSketch& sketch, std::size_t count) {
  std::vector<std::uint32_t> indices(count, 0xffffffffu);
  sketch.select_top(indices);
  return indices;
}

}  // namespace gossamer::sketch
