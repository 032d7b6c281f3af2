// A started plan allocates nothing: global operator new counts.
#include <gtest/gtest.h>

#include "tests/runtime/cluster_fixture.h"
#include "tests/support/allocations.h"

namespace gossamer::runtime {
namespace {

// A network without bytes: every rank is alone, so only our own code runs.
// Goal: compress, reduce, wait and recover allocate nothing once warm. Method: P = 1, counted over twenty steps.
TEST(Allocation, AStartedPlanAllocatesNothing) {
  std::vector<CompressorConfig> configs;
  for (const AlgorithmKind kind :
       {AlgorithmKind::gs_sgd, AlgorithmKind::shared_top_k, AlgorithmKind::top_k, AlgorithmKind::dense})
    configs.push_back(testing::small_config({kind, 1, std::nullopt}));
  configs.push_back(configs[0]);
  configs.back().name = "gs-sgd, sharded";
  configs.back().decode = DecodeKind::sharded;
  for (const CompressorConfig& config : configs) {
    testing::TestCluster test(1, config, 1);
    const auto g = test.gradients(0, 0);
    const float* pointers[] = {g[0].data(), g[1].data(), g[2].data(), g[3].data()};
    Compressor& compressor = *test.compressors[0];
    Driver& driver = test.cluster->session(Rank{0}).driver();
    VirtualClock& clock = const_cast<VirtualClock&>(test.cluster->clock());
    const auto step = [&] {
      bool ok = compressor.compress(pointers).ok() && compressor.reduce().ok();
      for (int pass = 0; pass < 100 && driver.busy_until_ns() >= clock.now_ns(); ++pass) {
        clock.advance_to(driver.busy_until_ns() + 1);
        driver.progress();
      }
      const auto code = compressor.test();
      return ok && code.ok() && *code == Code::done && compressor.update().ok();
    };
    ASSERT_TRUE(step());
    ASSERT_TRUE(step());
    const std::uint64_t before = gossamer::testing::allocation_count();
    bool all = true;
    for (int i = 0; i < 20; ++i) all &= step();
    EXPECT_EQ(gossamer::testing::allocation_count(), before) << algorithm_name(config.algorithm) << " " << config.name;
    EXPECT_TRUE(all);
  }
}

}  // namespace
}  // namespace gossamer::runtime
