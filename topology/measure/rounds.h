// Which pairs are measured when: rounds of pairs in which no rank has two partners.
//
// All pairs in as few rounds as there can be: the circle method (Kirkman 1847). The last rank stays, the others go
// around it; with an odd count nobody stays, and who would have met it has a pause.
//
//   P = 6, round 0        round 1            each pair meets once in P - 1 rounds (P where P is odd)
//     5                     5
//     |                     |
//     0 1 2                 1 2 3
//       | |                   | |
//       4 3                   0 4
#pragma once

#include <cstdint>
#include <vector>

#include "base/base.h"

namespace gossamer::topology {

struct RankPair {
  std::uint32_t low = 0;
  std::uint32_t high = 0;  // above `low`
  friend bool operator==(const RankPair&, const RankPair&) = default;
  friend auto operator<=>(const RankPair&, const RankPair&) = default;
};

using PairRound = std::vector<RankPair>;  // ascending

// Every pair once. Empty for fewer than two ranks.
[[nodiscard]] std::vector<PairRound> all_pair_rounds(std::uint32_t rank_count);

struct SampleRequest {
  std::uint32_t rank_count = 0;
  double fraction = 1.0;  // of all pairs, above 0; 1 and above: all of them
  std::uint64_t seed = 0;
};
// Pairs drawn at random in rounds that are full matchings, so each rank has the same number of partners (one fewer
// where the rank count is odd and it had a pause): the least number of rounds that reaches the fraction. No pair comes
// twice. The same on every machine.
[[nodiscard]] std::vector<PairRound> sampled_pair_rounds(const SampleRequest& request);

// The rounds cut so that the pairs of one round also share no place: `place_of_rank` names what each rank is on (a
// host). A pair within one place counts as one that has it alone.
[[nodiscard]] std::vector<PairRound> rounds_apart(const std::vector<PairRound>& rounds,
                                                  const std::vector<std::uint32_t>& place_of_rank);

}  // namespace gossamer::topology
