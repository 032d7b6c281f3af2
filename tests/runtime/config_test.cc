#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/runtime/cluster_fixture.h"

namespace gossamer::runtime {
namespace {

using ::testing::HasSubstr;

CompressorConfig valid() {
  CompressorConfig config;
  config.tensors = {{"w", 10'000, false}, {"b", 10, true}};
  return config;
}

// Goal: every wrong value is refused with its name, its value and what is expected. Method: one change each.
TEST(CompressorConfigCheck, RefusesEachWrongValueByName) {
  struct Case {
    void (*change)(CompressorConfig&);
    std::vector<std::string> words;
  };
  const std::vector<Case> cases = {
      {[](CompressorConfig& c) { c.density = 1.5; }, {"density is 1.5", "(0, 1]"}},
      {[](CompressorConfig& c) { c.density = -0.1; }, {"density is -0.1"}},
      {[](CompressorConfig& c) { c.density = std::nan(""); }, {"density is"}},
      {[](CompressorConfig& c) { c.rows = 2; }, {"rows is 2", "odd"}},
      {[](CompressorConfig& c) { c.rows = 17; }, {"rows is 17"}},
      {[](CompressorConfig& c) { c.columns = 10'001; }, {"columns is 10001", "10000"}},
      {[](CompressorConfig& c) { c.oversampling = 0.5; }, {"oversampling is 0.5", "at least 1"}},
      {[](CompressorConfig& c) { c.momentum = 1.0; }, {"momentum is 1", "[0, 1)"}},
      {[](CompressorConfig& c) { c.density = 1.0000001; }, {"density is 1.0000001"}},
      {[](CompressorConfig& c) { c.momentum = -5.0; }, {"momentum is -5", "-1 for the default"}},
      {[](CompressorConfig& c) { c.momentum = -std::numeric_limits<double>::infinity(); }, {"momentum is -inf"}},
      {[](CompressorConfig& c) { c.momentum = std::nan(""); }, {"momentum is nan"}},
      {[](CompressorConfig& c) { c.momentum = 0.99999999999; }, {"momentum is 0.99999999999", "below 1 as f32"}},
      {[](CompressorConfig& c) { c.oversampling = std::nan(""); }, {"oversampling is nan"}},
      {[](CompressorConfig& c) { c.clip = -2.0; }, {"clip is -2"}},
      {[](CompressorConfig& c) { c.clip = 1e-320; }, {"clip is 1e-320", "at least 1.18e-38"}},
      {[](CompressorConfig& c) { c.clip = std::nan(""); }, {"clip is nan"}},
      {[](CompressorConfig& c) { c.clip = std::numeric_limits<double>::infinity(); }, {"clip is inf"}},
      {[](CompressorConfig& c) { c.tensors.clear(); }, {"at least one tensor"}},
      {[](CompressorConfig& c) { c.tensors[0].count = 0; }, {"\"w\" has no elements"}},
      {[](CompressorConfig& c) { c.tensors[1].name = "w"; }, {"two tensors are named \"w\""}},
      {[](CompressorConfig& c) { c.tensors[0].count = std::uint64_t{1} << 33; }, {"more than 4294967295"}},
      {[](CompressorConfig& c) { c.tensors[0].exact = true; }, {"every tensor is exact"}},
  };
  for (const Case& c : cases) {
    CompressorConfig config = valid();
    c.change(config);
    const auto shape = resolve(config);
    ASSERT_FALSE(shape.ok()) << c.words[0];
    EXPECT_EQ(shape.error().code, Code::invalid_argument);
    for (const std::string& word : c.words) EXPECT_THAT(shape.error().message, HasSubstr(word));
  }
}

// Goal: dense is a plain mean unless more is asked for, and the others train. Method: what -1 becomes, and numbers.
TEST(CompressorConfigCheck, DefaultsOfMomentumAndClipGoByTheAlgorithm) {
  for (const AlgorithmKind kind : all_algorithms()) {
    CompressorConfig config = valid();
    config.algorithm = kind;
    const bool is_dense = kind == AlgorithmKind::dense;
    auto shape = resolve(config);
    ASSERT_TRUE(shape.ok());
    EXPECT_EQ(shape->momentum, is_dense ? 0.0f : 0.3f);
    EXPECT_EQ(shape->clip, is_dense ? 0.0 : 1.0);
    config.momentum = 0.5;
    config.clip = 2.0;
    shape = resolve(config);
    ASSERT_TRUE(shape.ok());
    EXPECT_EQ(shape->momentum, 0.5f);
    EXPECT_EQ(shape->clip, 2.0);
  }
}

// Goal: the defaults keep gs-SGD at ten times fewer values than dense. Method: the count for the model of the README.
TEST(CompressorConfigCheck, DefaultsOfGsSgdSendATenthOrLess) {
  CompressorConfig config;
  config.tensors = {{"w1", 784 * 512, false}, {"b1", 512, true},   {"w2", 512 * 256, false},
                    {"b2", 256, true},        {"w3", 2560, false}, {"b3", 10, true}};
  const auto shape = resolve(config);
  ASSERT_TRUE(shape.ok());
  const std::uint64_t values = std::uint64_t{shape->rows} * shape->columns + shape->candidates + shape->layout.exact();
  EXPECT_LE(values * 10, shape->layout.dimension());
  EXPECT_EQ(shape->rows, 3u);
  EXPECT_EQ(shape->candidates, 2 * shape->k);
}

// Goal: positions translate between our order, exact tensors last, and the caller's. Method: a small layout by hand.
TEST(LayoutOrder, ExactTensorsComeLastInsideAndKeepTheirPlaceOutside) {
  const auto layout = Layout::make({{"a", 3, false}, {"b", 2, true}, {"c", 4, false}});
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->sparse(), 7u);
  EXPECT_EQ(layout->exact(), 2u);
  const std::vector<std::uint32_t> inner = {0, 2, 3, 6, 7, 8};
  std::vector<std::uint32_t> outer(inner.size());
  layout->to_outer(inner, outer);
  EXPECT_EQ(outer, (std::vector<std::uint32_t>{0, 2, 5, 8, 3, 4}));
}

// Goal: a position is named by its tensor. Method: the borders of a small layout, from both orders.
TEST(LayoutOrder, FindsTheTensorAtAPosition) {
  const auto layout = Layout::make({{"a", 3, false}, {"b", 2, true}, {"c", 4, false}});
  ASSERT_TRUE(layout.ok());
  const std::vector<std::pair<std::size_t, std::uint64_t>> expected = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1},
                                                                       {2, 0}, {2, 1}, {2, 2}, {2, 3}};
  for (std::uint64_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(layout->place_outside(i).tensor, expected[i].first) << i;
    EXPECT_EQ(layout->place_outside(i).offset, expected[i].second) << i;
  }
  const std::vector<std::uint64_t> outer = {0, 1, 2, 5, 6, 7, 8, 3, 4};
  for (std::uint64_t i = 0; i < outer.size(); ++i) EXPECT_EQ(layout->to_outer(i), outer[i]);
}

// Goal: an update lands in the right tensor, with and without indices. Method: by hand.
TEST(ApplyUpdate, AddsToTheRightTensors) {
  const auto layout = Layout::make({{"a", 3, false}, {"b", 2, true}, {"c", 4, false}});
  ASSERT_TRUE(layout.ok());
  std::vector<float> a(3), b(2), c(4);
  float* weights[] = {a.data(), b.data(), c.data()};
  const std::vector<std::uint32_t> indices = {0, 5, 8, 3};
  const std::vector<float> values = {1, 2, 3, 4};
  apply_update(*layout, indices, values, weights, -0.5f);
  EXPECT_EQ(a, (std::vector<float>{-0.5f, 0, 0}));
  EXPECT_EQ(b, (std::vector<float>{-2, 0}));
  EXPECT_EQ(c, (std::vector<float>{-1, 0, 0, -1.5f}));
  const std::vector<float> all = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  apply_update(*layout, {}, all, weights, 0.5f);
  EXPECT_EQ(a, (std::vector<float>{0, 0.5f, 0.5f}));
  EXPECT_EQ(c, (std::vector<float>{-0.5f, 0.5f, 0.5f, -1}));
}

}  // namespace
}  // namespace gossamer::runtime
