#include "topology/measure/rounds.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>
#include <utility>

namespace gossamer::topology {
namespace {

RankPair pair_of(std::uint32_t a, std::uint32_t b) { return {std::min(a, b), std::max(a, b)}; }

std::uint32_t round_count(std::uint32_t rank_count) {
  return rank_count < 2 ? 0 : rank_count % 2 == 0 ? rank_count - 1 : rank_count;
}

// Round `turn` of the circle method, in ranks as `name` has them. Those on the circle meet whose places add up to
// 2 turn, modulo the circle; the one at place `turn` is left over and meets who stays, if anybody does.
PairRound circle_round(std::uint32_t rank_count, std::uint32_t turn, const std::vector<std::uint32_t>& name) {
  const std::uint32_t circle = round_count(rank_count);
  PairRound round;
  if (rank_count % 2 == 0) round.push_back(pair_of(name[turn], name[rank_count - 1]));
  for (std::uint32_t away = 1; away <= (circle - 1) / 2; ++away) {
    round.push_back(pair_of(name[(turn + away) % circle], name[(turn + circle - away) % circle]));
  }
  std::sort(round.begin(), round.end());
  return round;
}

std::vector<std::uint32_t> counted_up(std::uint32_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0u);
  return numbers;
}

// Fisher and Yates.
std::vector<std::uint32_t> shuffled(std::uint32_t count, Random& random) {
  std::vector<std::uint32_t> numbers = counted_up(count);
  for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[random.below(i)]);
  return numbers;
}

}  // namespace

std::vector<PairRound> all_pair_rounds(std::uint32_t rank_count) {
  const std::vector<std::uint32_t> names = counted_up(rank_count);
  std::vector<PairRound> rounds;
  for (std::uint32_t turn = 0; turn < round_count(rank_count); ++turn)
    rounds.push_back(circle_round(rank_count, turn, names));
  return rounds;
}

// Rounds of a circle around which the ranks stand in random order: every pair is in exactly one of them, so none can
// come twice, and each pair is as likely as every other.
std::vector<PairRound> sampled_pair_rounds(const SampleRequest& request) {
  const std::uint32_t all = round_count(request.rank_count);
  Random random(request.seed);
  const std::vector<std::uint32_t> names = shuffled(request.rank_count, random);
  std::vector<std::uint32_t> turns = shuffled(all, random);
  const double wanted = std::ceil(std::clamp(request.fraction, 0.0, 1.0) * all - 1e-9);
  turns.resize(std::min<std::size_t>(turns.size(), static_cast<std::size_t>(std::max(1.0, wanted))));
  std::vector<PairRound> rounds;
  for (const std::uint32_t turn : turns) rounds.push_back(circle_round(request.rank_count, turn, names));
  return rounds;
}

std::vector<PairRound> rounds_apart(const std::vector<PairRound>& rounds,
                                    const std::vector<std::uint32_t>& place_of_rank) {
  std::vector<PairRound> apart;
  for (PairRound left : rounds) {
    while (!left.empty()) {
      std::unordered_set<std::uint32_t> taken;
      PairRound now;
      PairRound later;
      for (const RankPair& pair : left) {
        const std::uint32_t a = place_of_rank[pair.low];
        const std::uint32_t b = place_of_rank[pair.high];
        const bool is_free = taken.count(a) == 0 && taken.count(b) == 0;
        if (is_free) taken.insert({a, b});
        (is_free ? now : later).push_back(pair);
      }
      apart.push_back(std::move(now));
      left = std::move(later);
    }
  }
  return apart;
}

}  // namespace gossamer::topology
