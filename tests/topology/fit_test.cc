#include "topology/measure/fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/base.h"

namespace gossamer::topology {
namespace {

SizeSamples size_of(std::uint64_t bytes, double p50_ns, double half_width_ns) {
  SizeSamples size;
  size.bytes = bytes;
  size.count = 100;
  size.p50_ns = {p50_ns, p50_ns - half_width_ns, p50_ns + half_width_ns};
  return size;
}

// The ranks of the interval's ends are those of the published tables (for 10 samples the 2nd and the 9th).
TEST(Fit, TakesAMediansIntervalFromTheBinomialDistribution) {
  const auto ends_of = [](int count) {
    std::vector<double> samples;
    for (int i = count; i > 0; --i) samples.push_back(i);
    const Estimate estimate = median_estimate(samples);
    EXPECT_EQ(estimate.value, (count + 1) / 2.0);
    return std::pair(estimate.low, estimate.high);
  };
  EXPECT_EQ(ends_of(1), std::pair(1.0, 1.0));
  EXPECT_EQ(ends_of(6), std::pair(1.0, 6.0));
  EXPECT_EQ(ends_of(10), std::pair(2.0, 9.0));
  EXPECT_EQ(ends_of(20), std::pair(6.0, 15.0));
  EXPECT_EQ(ends_of(100), std::pair(40.0, 61.0));
  EXPECT_EQ(ends_of(10'000), std::pair(4'902.0, 5'099.0));
}

// Skewed samples, as times are: the true median is in the interval in 95 of 100 cases and more, from 6 samples on.
TEST(Fit, HoldsTheTrueMedianAsOftenAsItSays) {
  Random random(1);
  for (const int count : {6, 9, 50}) {
    int held = 0;
    for (int trial = 0; trial < 2'000; ++trial) {
      std::vector<double> samples;
      for (int i = 0; i < count; ++i) samples.push_back(-std::log(1.0 - random.uniform()));
      const Estimate estimate = median_estimate(samples);
      held += estimate.low <= std::log(2.0) && std::log(2.0) <= estimate.high ? 1 : 0;
    }
    EXPECT_GE(held, 1'890) << count;
  }
}

TEST(Fit, SummarizesBySortedRank) {
  std::vector<double> samples;
  for (int i = 1'000; i > 0; --i) samples.push_back(i);
  const SizeSamples size = summarize(64, samples);
  EXPECT_EQ(size.count, 1'000u);
  EXPECT_EQ(size.p50_ns.value, 500.5);
  EXPECT_EQ(size.min_ns, 1.0);
  EXPECT_EQ(size.p99_ns, 990.0);
  EXPECT_EQ(size.p999_ns, 999.0);
}

// A line gives itself; one size gives nothing.
TEST(Fit, FindsTheLineThatTheSizesLieOn) {
  std::vector<SizeSamples> sizes;
  for (const double bytes : {8.0, 64.0, 4'096.0, 1'048'576.0})
    sizes.push_back(size_of(static_cast<std::uint64_t>(bytes), 25'000 + 8.0 * bytes, 10));
  EXPECT_FALSE(fit_log_gp(std::span(sizes).first(1), {}, {}));
  const auto fit = fit_log_gp(sizes, {3, 2, 4}, {1, 1, 1});
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->alpha_ns.value, 25'000, 1);
  EXPECT_NEAR(fit->beta_ns_per_byte.value, 8.0, 1e-4);
  EXPECT_NEAR(fit->residual, 0.0, 1e-6);
  EXPECT_EQ(fit->gap_ns.value, 3.0);
  EXPECT_EQ(fit->overhead_ns.low, 1.0);
  const auto two = fit_log_gp(std::span(sizes).last(2), {}, {});
  EXPECT_NEAR(two->beta_ns_per_byte.value, 8.0, 1e-6);
}

// One size of six twice as slow as it should be bends a plain regression by a quarter; not this one.
TEST(Fit, IsNotBentByOneDisturbedSize) {
  for (std::size_t disturbed = 1; disturbed < 5; ++disturbed) {
    std::vector<SizeSamples> sizes;
    for (const double bytes : {8.0, 512.0, 4'096.0, 32'768.0, 262'144.0, 2'097'152.0})
      sizes.push_back(size_of(static_cast<std::uint64_t>(bytes), 25'000 + 8.0 * bytes, 100));
    sizes[disturbed].p50_ns.value *= 2;
    const auto fit = fit_log_gp(sizes, {}, {});
    EXPECT_NEAR(fit->alpha_ns.value, 25'000, 2'500) << disturbed;
    EXPECT_NEAR(fit->beta_ns_per_byte.value, 8.0, 0.8) << disturbed;
  }
}

// 500 clusters with 3 % of noise on each size: the intervals hold alpha and beta in at least 90 of 100 cases, and are
// no wider than a few times the noise.
TEST(Fit, HoldsAlphaAndBetaInItsIntervals) {
  Random random(7);
  int alpha_held = 0;
  int beta_held = 0;
  for (int trial = 0; trial < 500; ++trial) {
    std::vector<SizeSamples> sizes;
    for (const double bytes : {8.0, 64.0, 512.0, 4'096.0, 32'768.0, 262'144.0, 2'097'152.0}) {
      const double time_ns = (25'000 + 8.0 * bytes) * (1 + 0.03 * random.normal());
      sizes.push_back(size_of(static_cast<std::uint64_t>(bytes), time_ns, 0.06 * time_ns));
    }
    const auto fit = fit_log_gp(sizes, {}, {});
    const Estimate& alpha = fit->alpha_ns;
    const Estimate& beta = fit->beta_ns_per_byte;
    alpha_held += alpha.low <= 25'000 && 25'000 <= alpha.high ? 1 : 0;
    beta_held += beta.low <= 8.0 && 8.0 <= beta.high ? 1 : 0;
    EXPECT_LT(beta.high - beta.low, 3.0);
  }
  EXPECT_GE(alpha_held, 450);
  EXPECT_GE(beta_held, 450);
}

// Goal: where a shaper lets bursts pass, or a protocol changes, beta is that of large messages and alpha that of small
// ones. Method: medians as they were measured over a link of 1 Gbit/s (8.37 ns a byte with headers) behind a token
// bucket.
TEST(Fit, TakesBetaFromLargeSizesWhereTheLineBends) {
  std::vector<SizeSamples> sizes;
  for (const auto& [bytes, ns] :
       {std::pair{8u, 7'326.0}, std::pair{64u, 7'310.0}, std::pair{512u, 7'355.0}, std::pair{4'096u, 8'407.0},
        std::pair{16'384u, 118'692.0}, std::pair{65'536u, 530'032.0}, std::pair{262'144u, 2'165'711.0},
        std::pair{1'048'576u, 8'714'559.0}})
    sizes.push_back(size_of(bytes, ns, 1));
  const auto bent = fit_log_gp(sizes, {}, {});
  ASSERT_TRUE(bent.has_value());
  EXPECT_NEAR(bent->beta_ns_per_byte.value, 8.365, 0.1);
  EXPECT_LT(bent->beta_ns_per_byte.high, 9.0);
  EXPECT_NEAR(bent->alpha_ns.value, 7'300, 150);
  EXPECT_LT(bent->residual, 0.05);
}

// Goal: so it is where only the two largest sizes lie on the other line. Method: medians as they were measured over a
// link of 200 Mbit/s (41.8 ns a byte with headers) in too little time for more.
TEST(Fit, TakesBetaFromTwoLargeSizes) {
  std::vector<SizeSamples> sizes;
  for (const auto& [bytes, ns] :
       {std::pair{8u, 23'400.0}, std::pair{64u, 23'100.0}, std::pair{512u, 23'200.0}, std::pair{4'096u, 24'700.0},
        std::pair{16'384u, 665'000.0}, std::pair{65'536u, 2'725'000.0}})
    sizes.push_back(size_of(bytes, ns, 1));
  const auto bent = fit_log_gp(sizes, {}, {});
  EXPECT_NEAR(bent->beta_ns_per_byte.value, 41.8, 1.0);
  EXPECT_NEAR(bent->alpha_ns.value, 23'200, 500);
}

// Goal: a beta that is sure and wrong by thirty is worse than none: where times scatter, the largest sizes still say
// what they cost. Method: medians with their intervals as they were measured at 500 Mbit/s (16.7 ns a byte with
// headers) while compilers had the cores.
TEST(Fit, HasABandwidthWhereTimesScatter) {
  struct Scattered {
    std::uint64_t bytes;
    Estimate us;
  };
  std::vector<SizeSamples> sizes;
  for (const auto& [bytes, us] :
       {Scattered{8, {8.67, 8.66, 8.68}}, Scattered{64, {9.02, 8.96, 9.10}}, Scattered{512, {9.02, 8.91, 9.09}},
        Scattered{4'096, {11.1, 11.0, 11.2}}, Scattered{16'384, {25.9, 19.2, 166}}, Scattered{65'536, {860, 99, 2'970}},
        Scattered{262'144, {4'370, 3'284, 5'714}}}) {
    sizes.push_back(size_of(bytes, 1e3 * us.value, 1));
    sizes.back().p50_ns = {1e3 * us.value, 1e3 * us.low, 1e3 * us.high};
  }
  const auto fit = fit_log_gp(sizes, {}, {});
  EXPECT_NEAR(fit->beta_ns_per_byte.value, 16.7, 2.0);
  EXPECT_LT(fit->beta_ns_per_byte.low, 16.7);
  EXPECT_GT(fit->beta_ns_per_byte.high, 16.7);
  EXPECT_NEAR(fit->alpha_ns.value, 8'900, 500);
}

}  // namespace
}  // namespace gossamer::topology
