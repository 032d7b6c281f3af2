// Sums that go beyond the range of their numbers, though each rank's gradient is finite.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/runtime/cluster_fixture.h"
#include "tests/runtime/device_cluster.h"

namespace gossamer::runtime {
namespace {

using sketch::CellType;
using testing::ClusterCase;
using ::testing::HasSubstr;
using testing::TestCluster;

struct OverflowCase {
  ClusterCase cluster;
  float big = 2e38f;  // on ranks 0 and 1
  bool names_a_coordinate = true;
};
void PrintTo(const OverflowCase& c, std::ostream* out) { *out << testing::case_name(c.cluster); }

constexpr std::size_t exact_tensor = 1;  // of small_model
constexpr std::uint64_t exact_outer = 3000;

class Overflow : public ::testing::TestWithParam<OverflowCase> {};

// Everyone's gradient of `step`, with `big` at one place on ranks 0 and 1.
void start(TestCluster& test, std::uint32_t step, std::size_t tensor, std::size_t index, float big) {
  for (std::uint32_t r = 0; r < test.rank_count(); ++r) {
    auto g = test.gradients(r, step);
    if (r < 2) g[tensor][index] = big;
    test.compress(r, g);
  }
  test.reduce_all();
}

// Goal: a sum that overflows ends the step on every rank with the coordinate and no rank, and is nowhere afterwards.
// Method: a cluster with such a step, in a tensor that is compressed and in an exact one, against one whose steps
// failed by a NaN, which is known to leave no trace; the steps after it are equal, and finite.
TEST_P(Overflow, EndsTheStepEverywhereAndLeavesNoTrace) {
  const OverflowCase& c = GetParam();
  TestCluster with(c.cluster);
  TestCluster without(c.cluster);
  for (TestCluster* test : {&with, &without}) ASSERT_NO_FATAL_FAILURE(test->step(0));
  for (const std::size_t tensor : {std::size_t{0}, exact_tensor}) {
    // An exact tensor is in no sketch: it is summed as it is, and 16 bits of levels cannot overflow.
    const bool is_exact = tensor == exact_tensor;
    const float big = is_exact ? 2e38f : c.big;
    start(with, 50, tensor, 5, big);
    for (const auto& outcome : with.run()) {
      ASSERT_EQ(outcome.code, Code::not_finite) << outcome.error.message;
      EXPECT_FALSE(outcome.error.rank.has_value());
      if (!is_exact && !c.names_a_coordinate) continue;
      EXPECT_EQ(outcome.error.index, is_exact ? exact_outer + 5 : 5u);
      EXPECT_THAT(outcome.error.message, HasSubstr(is_exact ? "index 5 of tensor \"b1\" (coordinate 3005)"
                                                            : "index 5 of tensor \"w1\" (coordinate 5)"));
    }
    start(without, 50, 0, 5, std::nanf(""));
    for (const auto& outcome : without.run()) ASSERT_EQ(outcome.code, Code::not_finite);
    EXPECT_FALSE(with.compressors[0]->update().ok());
  }
  for (std::uint32_t step = 1; step < 3; ++step) {
    for (TestCluster* test : {&with, &without}) ASSERT_NO_FATAL_FAILURE(test->step(step));
    for (const float value : with.dense_update(1)) ASSERT_TRUE(std::isfinite(value));
    ASSERT_EQ(with.dense_update(1), without.dense_update(1));
    ASSERT_EQ(with.dense_update(2), with.dense_update(1));
  }
}
INSTANTIATE_TEST_SUITE_P(
    Sums, Overflow,
    ::testing::Values(OverflowCase{{AlgorithmKind::dense, 4, {}}}, OverflowCase{{AlgorithmKind::shared_top_k, 4, {}}},
                      OverflowCase{{AlgorithmKind::top_k, 4, {}}},
                      OverflowCase{{AlgorithmKind::dense, 4, {}, CellType::f32, CellType::bf16}},
                      OverflowCase{{AlgorithmKind::dense, 4, {}, CellType::f32, CellType::f16}, 2e5f},
                      // The sketch shows it first; which of the coordinates in a cell it was, nobody knows.
                      OverflowCase{{AlgorithmKind::gs_sgd, 4, {}}, 2e38f, false},
                      OverflowCase{{AlgorithmKind::gs_sgd, 4, {}, CellType::bf16}, 2e38f, false},
                      OverflowCase{{AlgorithmKind::gs_sgd, 4, {}, CellType::f16}, 4e4f, false}));

// Goal: with integers, whose sums are exact, a residual that overflows ends the step as well. Method: momentum pushes
// one coordinate of an exact tensor beyond f32 in two steps; the opposite gradient is an ordinary step again.
TEST(IntegerCells, AResidualBeyondF32EndsTheStep) {
  for (const CellType cells : {CellType::i8, CellType::f32}) {
    TestCluster test(ClusterCase{AlgorithmKind::gs_sgd, 3, {}, cells, CellType::i16});
    for (std::uint32_t step = 0; step < 3; ++step) {
      start(test, step, exact_tensor, 5, 3e38f);
      for (const auto& outcome : test.run())
        ASSERT_EQ(outcome.code, step == 0 ? Code::done : Code::not_finite) << outcome.error.message;
    }
    start(test, 3, exact_tensor, 5, -3e38f);
    for (const auto& outcome : test.run()) ASSERT_EQ(outcome.code, Code::done) << outcome.error.message;
    for (const float value : test.dense_update(0)) ASSERT_TRUE(std::isfinite(value));
  }
}

// Goal: a mean that f16 holds comes out as it is, however many ranks there are, and one that it does not hold is an
// error. Method: the same gradient on every rank.
TEST(DenseF16, GivesTheMeanOrAnError) {
  for (const std::uint32_t ranks : {2u, 4u, 32u}) {
    CompressorConfig config;
    config.algorithm = AlgorithmKind::dense;
    config.tensors = {{"w", 100, false}};
    config.values = CellType::f16;
    TestCluster test(ranks, config, 1);
    for (const float value : {3000.0f, 20'000.0f, 65'472.0f}) {
      for (std::uint32_t r = 0; r < ranks; ++r) test.compress(r, {std::vector<float>(100, value)});
      test.reduce_all();
      for (const auto& outcome : test.run()) ASSERT_EQ(outcome.code, Code::done) << outcome.error.message;
      for (const float mean : test.dense_update(ranks - 1)) ASSERT_NEAR(mean, value, value / 1000);
    }
    for (std::uint32_t r = 0; r < ranks; ++r) test.compress(r, {std::vector<float>(100, 7e4f)});
    test.reduce_all();
    for (const auto& outcome : test.run()) ASSERT_EQ(outcome.code, Code::not_finite);
  }
}

// Goal: momentum that overflows by itself is not kept. Method: one rank, 3e38 twice with momentum 0.9: the first is
// done, the second an error, and the ordinary step after it has the momentum of the first alone.
TEST(DenseMomentum, BeyondF32IsNotKept) {
  CompressorConfig config;
  config.algorithm = AlgorithmKind::dense;
  config.tensors = {{"w", 5000, false}};
  config.momentum = 0.5;
  TestCluster test(1, config, 1);
  std::vector<float> g(5000, 1.0f);
  const auto step = [&](float value) {
    g[4500] = value;
    test.compress(0, {g});
    test.reduce_all();
    return test.run()[0].code;
  };
  ASSERT_EQ(step(3e38f), Code::done);
  ASSERT_EQ(step(3e38f), Code::not_finite);
  ASSERT_EQ(step(1.0f), Code::done);
  EXPECT_EQ(test.dense_update(0)[0], 1.5f);
  EXPECT_EQ(test.dense_update(0)[4500], 1.5e38f);
}

// Goal: a device's sums end as those of a host. Method: dense on a fake device, with momentum and without; the step
// after the failed one is that of a cluster without it.
TEST(DeviceDense, ASumThatOverflowsLeavesNoTrace) {
  gossamer::testing::FakeDevice fake;
  const MemoryKind device = fake.kind();
  for (const double momentum : {0.0, 0.9}) {
    testing::DeviceClusterOptions options;
    options.cluster.rank_count = 2;
    options.memory = {device, MemoryKind::host};
    options.config = testing::dense_config(300'000);
    options.config.momentum = momentum;
    testing::DeviceCluster with(fake, options);
    testing::DeviceCluster without(fake, options);
    for (testing::DeviceCluster* test : {&with, &without}) ASSERT_NO_FATAL_FAILURE(test->step(0));
    for (std::uint32_t r = 0; r < 2; ++r) {
      auto g = with.gradients(r, 9);
      g[1][77] = 2e38f;
      ASSERT_TRUE(with.compress(r, g).ok());
      ASSERT_TRUE(with.compressors[r]->reduce().ok());
    }
    for (const Error& outcome : with.run()) {
      EXPECT_EQ(outcome.code, Code::not_finite) << outcome.message;
      EXPECT_EQ(outcome.index, 200'077u);
      EXPECT_THAT(outcome.message, HasSubstr("index 77 of tensor \"b\" (coordinate 200077)"));
    }
    for (testing::DeviceCluster* test : {&with, &without}) ASSERT_NO_FATAL_FAILURE(test->step(1));
    for (std::uint32_t r = 0; r < 2; ++r) EXPECT_EQ(with.applied(r), without.applied(0));
  }
}

}  // namespace
}  // namespace gossamer::runtime
