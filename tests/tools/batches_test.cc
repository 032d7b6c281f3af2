#include "tools/train/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace gossamer::tools {
namespace {

// Goal: every sample is trained on exactly once, also where ranks do not divide the batch or exceed it. Method: all
// rank counts to 9 with all totals to 40; the shares laid end to end are the whole.
TEST(Batches, SharesOfAllRanksCoverEachSampleExactlyOnce) {
  for (std::uint32_t ranks = 1; ranks <= 9; ++ranks) {
    for (std::uint64_t total = 0; total <= 40; ++total) {
      std::uint64_t next = 0;
      for (std::uint32_t rank = 0; rank < ranks; ++rank) {
        const Share share = share_of(total, rank, ranks);
        EXPECT_EQ(share.first, next);
        EXPECT_EQ(share.count, total / ranks + (rank < total % ranks ? 1 : 0));
        next += share.count;
      }
      EXPECT_EQ(next, total) << ranks << " ranks";
    }
  }
}

// Goal: an epoch uses the last, smaller batch too. Method: sizes around a multiple of the batch.
TEST(Batches, BatchesOfAnEpochCoverAllSamples) {
  for (const std::uint64_t samples : {1u, 127u, 128u, 129u, 256u, 1000u}) {
    std::uint64_t next = 0;
    for (std::uint64_t i = 0; i < batch_count(samples, 128); ++i) {
      const Share batch = batch_at(samples, 128, i);
      EXPECT_EQ(batch.first, next);
      EXPECT_GE(batch.count, 1u);
      EXPECT_LE(batch.count, 128u);
      next += batch.count;
    }
    EXPECT_EQ(next, samples);
  }
}

// Goal: all ranks draw the same order and epochs differ. Method: it is a permutation, equal for equal arguments.
TEST(Batches, OrderOfAnEpochIsASeededPermutation) {
  std::vector<std::uint32_t> order = epoch_order(1000, 7, 2);
  EXPECT_EQ(order, epoch_order(1000, 7, 2));
  EXPECT_NE(order, epoch_order(1000, 7, 3));
  EXPECT_NE(order, epoch_order(1000, 8, 2));
  std::sort(order.begin(), order.end());
  std::vector<std::uint32_t> all(1000);
  std::iota(all.begin(), all.end(), 0u);
  EXPECT_EQ(order, all);
}

// Goal: the rate falls from its start towards 0 and never rises. Method: all steps of a short run.
TEST(Batches, CosineRateFallsFromTheStartToZero) {
  EXPECT_DOUBLE_EQ(cosine_rate(0.1, 0, 100), 0.1);
  EXPECT_NEAR(cosine_rate(0.1, 50, 100), 0.05, 1e-12);
  EXPECT_NEAR(cosine_rate(0.1, 100, 100), 0, 1e-12);
  for (std::uint64_t step = 0; step < 100; ++step)
    EXPECT_GT(cosine_rate(0.1, step, 100), cosine_rate(0.1, step + 1, 100));
}

}  // namespace
}  // namespace gossamer::tools
