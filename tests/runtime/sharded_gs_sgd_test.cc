// gs-SGD with sharded decode gives the update of gs-SGD without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/runtime/cluster_fixture.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using ::testing::HasSubstr;
using testing::TestCluster;
using topology::ScheduleKind;

struct ClusterShape {
  std::uint32_t rank_count;
  ScheduleKind schedule;
  sketch::CellType cells;
};

void PrintTo(const ClusterShape& c, std::ostream* out) {
  *out << c.rank_count << " ranks, " << topology::schedule_kind_name(c.schedule) << ", "
       << sketch::cell_type_name(c.cells);
}

class ShardedCluster : public ::testing::TestWithParam<ClusterShape> {};

// Goal: with sharded decode every rank gets the update that whole decode gives, bit for bit. Method: both clusters
// over several steps; residuals too.
TEST_P(ShardedCluster, GivesTheUpdateOfWholeDecode) {
  const ClusterShape& c = GetParam();
  const auto values = c.cells == sketch::CellType::f32 ? sketch::CellType::f32 : sketch::CellType::i16;
  CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, c.rank_count, c.schedule, c.cells, values});
  TestCluster whole(c.rank_count, config, 5);
  config.decode = DecodeKind::sharded;
  TestCluster sharded(c.rank_count, config, 5);
  for (std::uint32_t step = 0; step < 4; ++step) {
    ASSERT_NO_FATAL_FAILURE(whole.step(step));
    ASSERT_NO_FATAL_FAILURE(sharded.step(step));
    const auto expected = whole.dense_update(0);
    for (std::uint32_t r = 0; r < c.rank_count; ++r) {
      ASSERT_EQ(sharded.dense_update(r), expected) << "rank " << r << ", step " << step;
      const auto kept = sharded.compressors[r]->residual();
      ASSERT_TRUE(std::ranges::equal(kept, whole.compressors[r]->residual())) << "rank " << r << ", step " << step;
    }
  }
}

std::vector<ClusterShape> cluster_shapes() {
  std::vector<ClusterShape> shapes;
  for (const ScheduleKind schedule : topology::all_schedules())
    for (const std::uint32_t p : {1u, 2u, 3u, 4u, 6u, 8u, 13u})
      for (const auto cells : {sketch::CellType::f32, sketch::CellType::i8}) shapes.push_back({p, schedule, cells});
  return shapes;
}

INSTANTIATE_TEST_SUITE_P(Cluster, ShardedCluster, ::testing::ValuesIn(cluster_shapes()), [](const auto& each) {
  std::string name = text(each.param.rank_count, "_", topology::schedule_kind_name(each.param.schedule), "_",
                          sketch::cell_type_name(each.param.cells));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Goal: gradients that are all zero, and models with fewer coordinates than ranks, go through. Method: whole decode
// beside it; zero gradients, then others.
TEST(ShardedGsSgd, GoesThroughZerosAndTinyModels) {
  for (const std::uint64_t d : {std::uint64_t{1}, std::uint64_t{5}, std::uint64_t{40'000}}) {
    CompressorConfig config;
    config.tensors = {{"w", d, false}};
    config.columns = static_cast<std::uint32_t>(std::min<std::uint64_t>(d, 700));
    config.density = 0.05;
    config.decode = DecodeKind::sharded;
    TestCluster sharded(8, config, 2);
    config.decode = DecodeKind::whole;
    TestCluster whole(8, config, 2);
    for (TestCluster* each : {&sharded, &whole}) {
      for (std::uint32_t r = 0; r < 8; ++r) each->compress(r, {std::vector<float>(d, 0.0f)});
      each->reduce_all();
      for (const auto& outcome : each->run()) ASSERT_EQ(outcome.code, Code::done) << outcome.error.message;
      ASSERT_NO_FATAL_FAILURE(each->step(1));
    }
    ASSERT_EQ(sharded.dense_update(3), whole.dense_update(3)) << d;
  }
}

// Goal: a non-finite gradient ends the operation on every rank before anything is decoded, and the next one works.
// Method: one NaN on one rank, f32 and i8 cells.
TEST(ShardedGsSgd, ANonFiniteGradientEndsItEverywhere) {
  for (const auto cells : {sketch::CellType::f32, sketch::CellType::i8}) {
    CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, 4, std::nullopt, cells});
    config.decode = DecodeKind::sharded;
    TestCluster test(4, config, 2);
    for (std::uint32_t r = 0; r < 4; ++r) {
      auto g = test.gradients(r, 0);
      if (r == 2) g[2][17] = std::numeric_limits<float>::quiet_NaN();
      test.compress(r, g);
    }
    test.reduce_all();
    for (const auto& outcome : test.run()) ASSERT_EQ(outcome.code, Code::not_finite);
    ASSERT_NO_FATAL_FAILURE(test.step(1));
  }
}

// Goal: sharded decode is refused where there is nothing to shard. Method: the other algorithms, and HEAVYMIX.
TEST(ShardedGsSgd, IsForGsSgdWithSelectionTop) {
  const auto message = [](AlgorithmKind algorithm, SelectionKind selection) {
    CompressorConfig config = testing::small_config({algorithm, 4, std::nullopt});
    config.selection = selection;
    config.decode = DecodeKind::sharded;
    const auto shape = resolve(config);
    return shape.ok() ? std::string("accepted") : shape.error().message;
  };
  EXPECT_EQ(message(AlgorithmKind::gs_sgd, SelectionKind::top), "accepted");
  EXPECT_EQ(message(AlgorithmKind::gs_sgd, SelectionKind::heavymix),
            "decode is sharded with selection heavymix, expected selection top, or decode whole");
  EXPECT_EQ(message(AlgorithmKind::dense, SelectionKind::top),
            "decode is sharded, but dense has no sketch: expected whole");
}

}  // namespace
}  // namespace gossamer::runtime
