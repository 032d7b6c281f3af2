#include "topology/measure/rounds.h"

#include <gtest/gtest.h>

#include <set>

namespace gossamer::topology {
namespace {

// No rank twice in a round; the pairs of all rounds, each once.
std::set<RankPair> proved(const std::vector<PairRound>& rounds, std::uint32_t rank_count) {
  std::set<RankPair> seen;
  for (const PairRound& round : rounds) {
    std::set<std::uint32_t> busy;
    for (const RankPair& pair : round) {
      EXPECT_LT(pair.low, pair.high);
      EXPECT_LT(pair.high, rank_count);
      EXPECT_TRUE(busy.insert(pair.low).second && busy.insert(pair.high).second) << "P = " << rank_count;
      EXPECT_TRUE(seen.insert(pair).second) << pair.low << " and " << pair.high << " twice, P = " << rank_count;
    }
  }
  return seen;
}

void expect_all_pairs(std::uint32_t rank_count) {
  const auto rounds = all_pair_rounds(rank_count);
  const std::size_t pairs = std::size_t{rank_count} * (rank_count - 1) / 2;
  EXPECT_EQ(proved(rounds, rank_count).size(), pairs) << "P = " << rank_count;
  EXPECT_EQ(rounds.size(), rank_count % 2 == 0 ? rank_count - 1 : rank_count);
}

// Exhaustive for small counts: a set of pairs says all that there is to say.
TEST(Rounds, BringEveryPairTogetherOnceForEveryRankCountTo64) {
  EXPECT_TRUE(all_pair_rounds(0).empty());
  EXPECT_TRUE(all_pair_rounds(1).empty());
  for (std::uint32_t rank_count = 2; rank_count <= 64; ++rank_count) expect_all_pairs(rank_count);
}

// Even, odd, prime and powers of two among them.
TEST(Rounds, BringEveryPairTogetherOnceForSampledCountsTo1024) {
  for (const std::uint32_t rank_count : {65u, 127u, 128u, 256u, 509u, 1'024u})
    expect_all_pairs(rank_count);
}

// Every rank has as many partners as every other, up to its one pause; no pair twice; the fraction is reached with the
// least number of rounds; equal seeds draw equal pairs, others others.
TEST(Rounds, SampleEveryRankAlike) {
  for (const std::uint32_t rank_count : {2u, 3u, 5u, 16u, 63u, 64u, 1'024u}) {
    for (const double fraction : {0.001, 0.05, 0.3}) {
      const SampleRequest request{rank_count, fraction, 7};
      const auto rounds = sampled_pair_rounds(request);
      const auto pairs = proved(rounds, rank_count);
      std::vector<std::size_t> partners(rank_count);
      for (const RankPair& pair : pairs) {
        ++partners[pair.low];
        ++partners[pair.high];
      }
      for (const std::size_t each : partners) {
        EXPECT_LE(each, rounds.size());
        EXPECT_GE(each + rank_count % 2, rounds.size());
      }
      const double all = rank_count * (rank_count - 1.0) / 2.0;
      const double one_round = rank_count / 2;
      EXPECT_GE(static_cast<double>(pairs.size()) + 1e-6, fraction * all);
      if (rounds.size() > 1) {
        EXPECT_LT(static_cast<double>(pairs.size()) - one_round, fraction * all);
      }
      EXPECT_EQ(rounds, sampled_pair_rounds(request));
    }
  }
  EXPECT_NE(sampled_pair_rounds({64, 0.1, 1}), sampled_pair_rounds({64, 0.1, 2}));
  EXPECT_EQ(proved(sampled_pair_rounds({33, 2.0, 1}), 33).size(), 33u * 32 / 2);
}

// 4 hosts of 4 ranks: the same pairs as before, and in each round every host at most once.
TEST(Rounds, AreCutSoThatNoPlaceIsSharedEither) {
  std::vector<std::uint32_t> host_of;
  for (std::uint32_t rank = 0; rank < 16; ++rank) host_of.push_back(rank / 4);
  const auto rounds = all_pair_rounds(16);
  const auto apart = rounds_apart(rounds, host_of);
  EXPECT_EQ(proved(apart, 16), proved(rounds, 16));
  for (const PairRound& round : apart) {
    std::multiset<std::uint32_t> hosts;
    for (const RankPair& pair : round)
      for (const std::uint32_t host : std::set{host_of[pair.low], host_of[pair.high]}) hosts.insert(host);
    for (const std::uint32_t host : hosts) EXPECT_EQ(hosts.count(host), 1u);
  }
}

}  // namespace
}  // namespace gossamer::topology
