#include <gtest/gtest.h>
#include <sys/resource.h>

#include "topology/simulate/simulate.h"

namespace gossamer::topology {
namespace {

// Goal: the most ranks that a schedule may have are played in seconds and in memory that grows with ranks times rounds.
// Method: a butterfly of 1 MiB over 65,536 ranks on a fat tree without oversubscription, where nobody waits, so that
// the closed form holds: 5 steps under a leaf, 5 in a pod with 2 links, 6 with 4. Most memory of the process below
// 512 MiB, and CPU time below 60 s, whatever else the machine does.
TEST(SimulateMostRanks, AButterflyOf65536RanksTakesSecondsAndHalfAGigabyte) {
  constexpr std::uint64_t bytes = 1 << 20;
  const HostModel host{
      .latency_ns = 1'000, .overhead_ns = 500, .gap_ns = 0, .per_byte_ns = 0.08, .merge_ns_per_byte = 0.05};
  const auto fabric = make_fabric("fat-tree", {rank_count_max, host.per_byte_ns, 100});
  ASSERT_TRUE(fabric.ok());
  const ScheduleRequest request{ScheduleKind::butterfly, Collective::all_reduce, rank_count_max, Rank{0}};
  const Result<Outcome> outcome = simulate(request, bytes, {**fabric, host});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  const std::uint64_t step = 2'000'000 + 83'886'080 + 52'428'800;  // 2 o + L, then 80 ps and 50 ps a byte
  EXPECT_EQ(outcome->time, 16 * step + (5 * 2 + 6 * 4) * 100'000);
  EXPECT_EQ(outcome->messages, 16u * rank_count_max);
  EXPECT_EQ(outcome->bytes, 16u * rank_count_max * bytes);
  EXPECT_EQ(outcome->critical_path.size(), 16u);
  rusage used = {};
  ASSERT_EQ(getrusage(RUSAGE_SELF, &used), 0);
  EXPECT_LT(used.ru_maxrss, 512 * 1024);  // KiB; 100 MiB are taken
  EXPECT_LT(used.ru_utime.tv_sec + used.ru_stime.tv_sec, 60);
}

// Goal: what would take hours is refused, before it has taken the memory. Method: the ring that has 8.6 thousand
// million messages.
TEST(SimulateMostRanks, ARingOf65536RanksIsRefused) {
  const auto fabric = make_fabric("flat", {rank_count_max});
  ASSERT_TRUE(fabric.ok());
  const ScheduleRequest request{ScheduleKind::ring, Collective::all_reduce, rank_count_max, Rank{0}};
  const Result<Outcome> outcome = simulate(request, 1 << 20, {**fabric, {}});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Code::out_of_resources);
  EXPECT_NE(outcome.error().message.find("simulate fewer ranks"), std::string::npos) << outcome.error().message;
}

}  // namespace
}  // namespace gossamer::topology
