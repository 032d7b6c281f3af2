// Base-(k+1): the exact mean over any number of ranks after a short period, with at most k peers a rank and round
// (Takezawa, Sato, Bao, Niwa, Yamada, "Beyond Exponential Graph", 2023).
//
// Where all prime factors of P are at most k+1, the ranks average in cliques, factor by factor. P = 6, k = 2:
//
//     round 0   0-1   2-3   4-5        by 2
//     round 1   0-2-4   1-3-5          by 3
//
// Otherwise P is written in base k+1 and the ranks are cut into a group for each digit a that is not 0, of a (k+1)^p
// ranks. P = 5, k = 1, groups 0 1 2 3 and 4:
//
//     round 0   0-1   2-3              each group averages, as above
//     round 1   0-2   1-3
//     round 2   3-4                    the first group gives: rank 4 takes 4/5 of the group's mean, and has the mean of
//                                      all; rank 3 gets as much of rank 4 and keeps 1/5
//     round 3   0-1   2-3              the first group averages again
//     round 4   0-2   1-3
//
// With more groups each gives in its turn to all that follow, while those before it average again. A rank that takes
// does so of one rank of each of the a blocks of (k+1)^p, and that one gives to nobody else, so no rank has more than
// a <= k peers. Before all that a factor of P whose primes are at most k+1 is taken out where this makes the period no
// longer: blocks of ranks do the above side by side, then average across in cliques.
//
// All exchanges are both ways with one share.
#include <algorithm>
#include <optional>

#include "topology/graph_writer.h"

namespace gossamer::topology {
namespace {

using Ranks = std::vector<std::uint32_t>;

struct Swap {
  std::uint32_t one, other;
  Weight share;
};
using Swaps = std::vector<Swap>;
using Rounds = std::vector<Swaps>;

void put(Swaps& round, const Swaps& more) { round.insert(round.end(), more.begin(), more.end()); }

void average(Swaps& round, std::span<const std::uint32_t> clique) {
  const Weight share{1, static_cast<std::uint32_t>(clique.size())};
  for (std::size_t i = 0; i < clique.size(); ++i) {
    for (std::size_t j = i + 1; j < clique.size(); ++j) round.push_back({clique[i], clique[j], share});
  }
}

// Factors from 2 to `most` whose product is `number`, ascending; nothing where a prime factor is larger.
std::optional<std::vector<std::uint32_t>> factors(std::uint32_t number, std::uint32_t most) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t factor = std::min(most, number); factor > 1; --factor) {
    for (; number % factor == 0; number /= factor) out.push_back(factor);
  }
  if (number != 1) return std::nullopt;
  std::reverse(out.begin(), out.end());
  return out;
}

// The exact mean over `ranks`, whose number has factors up to k + 1: one round a factor.
Rounds average_in_cliques(const Ranks& ranks, std::uint32_t k) {
  const std::uint32_t count = static_cast<std::uint32_t>(ranks.size());
  Rounds rounds;
  std::uint32_t stride = 1;
  const auto cut = factors(count, k + 1);
  GOSSAMER_CHECK(cut, "cliques are asked for where the number of ranks has small factors");
  for (const std::uint32_t factor : *cut) {
    Swaps& round = rounds.emplace_back();
    Ranks clique(factor);
    for (std::uint32_t first = 0; first < count; ++first) {
      if (first / stride % factor != 0) continue;
      for (std::uint32_t i = 0; i < factor; ++i) clique[i] = ranks[first + i * stride];
      average(round, clique);
    }
    stride *= factor;
  }
  return rounds;
}

// One digit of P in base k + 1.
struct BaseGroup {
  Ranks ranks;          // blocks * block_size of them
  std::uint32_t block;  // (k+1)^p
  std::uint32_t rest;   // ranks of this group and all that follow
  Rounds first;         // averages the group
  Rounds again;         // averages each of its blocks
  std::size_t done = 0;
};

std::vector<BaseGroup> groups_of(const Ranks& ranks, std::uint32_t k) {
  const std::uint32_t count = static_cast<std::uint32_t>(ranks.size());
  std::uint32_t block = 1;
  while (block <= count / (k + 1)) block *= k + 1;
  std::vector<BaseGroup> groups;
  std::uint32_t at = 0;
  for (; at < count; block /= k + 1) {
    const std::uint32_t size = (count - at) / block * block;
    if (size == 0) continue;
    BaseGroup group{{ranks.begin() + at, ranks.begin() + at + size}, block, count - at, {}, {}};
    group.first = average_in_cliques(group.ranks, k);
    for (std::uint32_t begin = 0; begin < size; begin += block) {
      const Ranks part(group.ranks.begin() + begin, group.ranks.begin() + begin + block);
      const Rounds rounds = average_in_cliques(part, k);
      group.again.resize(rounds.size());
      for (std::size_t i = 0; i < rounds.size(); ++i) put(group.again[i], rounds[i]);
    }
    groups.push_back(std::move(group));
    at += size;
  }
  return groups;
}

// Every rank of the groups behind `giver` takes block/rest of one rank of each of its blocks, the last ones first.
// Those that give to nobody average in cliques meanwhile: not needed, and better than nothing where a period is cut
// short.
Swaps give_to_all_behind(const std::vector<BaseGroup>& groups, std::size_t giver, std::uint32_t k) {
  const BaseGroup& from = groups[giver];
  const std::uint32_t blocks = static_cast<std::uint32_t>(from.ranks.size()) / from.block;
  Swaps round;
  std::uint32_t given = 0;  // by each block
  for (std::size_t l = groups.size(); l-- > giver + 1;) {
    for (const std::uint32_t taker : groups[l].ranks) {
      ++given;
      for (std::uint32_t block = 0; block < blocks; ++block) {
        round.push_back({taker, from.ranks[(block + 1) * from.block - given], {from.block, from.rest}});
      }
    }
  }
  Ranks idle;
  for (std::uint32_t block = 0; block < blocks; ++block) {
    const auto begin = from.ranks.begin() + block * from.block;
    idle.insert(idle.end(), begin, begin + (from.block - given));
  }
  for (std::size_t at = 0; at < idle.size(); at += k + 1) {
    average(round, std::span(idle).subspan(at, std::min<std::size_t>(k + 1, idle.size() - at)));
  }
  return round;
}

Rounds simple_base(const Ranks& ranks, std::uint32_t k) {
  const std::uint32_t count = static_cast<std::uint32_t>(ranks.size());
  if (factors(count, k + 1)) return average_in_cliques(ranks, k);
  std::vector<BaseGroup> groups = groups_of(ranks, k);
  Rounds rounds;
  for (std::size_t i = 0; i < groups.front().first.size(); ++i) {
    Swaps& round = rounds.emplace_back();
    for (const BaseGroup& group : groups) {
      if (!group.first.empty()) put(round, group.first[i % group.first.size()]);
    }
  }
  for (std::size_t turn = 0; groups.front().done < groups.front().again.size(); ++turn) {
    const bool gives = turn + 1 < groups.size();
    Swaps round;
    if (gives) round = give_to_all_behind(groups, turn, k);
    for (std::size_t l = 0; l < (gives ? turn : groups.size()); ++l) {
      BaseGroup& group = groups[l];
      if (!group.again.empty()) put(round, group.again[group.done % group.again.size()]);
      ++group.done;
    }
    if (!round.empty()) rounds.push_back(std::move(round));
  }
  return rounds;
}

// Blocks side by side, then cliques across them; nothing where P has no factor to take out.
Rounds in_blocks(std::uint32_t ranks, std::uint32_t k) {
  std::uint32_t blocks = 1;
  for (std::uint32_t factor = 2; factor <= std::min(k + 1, ranks); ++factor) {
    while (ranks / blocks % factor == 0) blocks *= factor;
  }
  const std::uint32_t size = ranks / blocks;
  if (blocks == 1 || size == 1) return {};
  Rounds rounds;
  const auto put_beside = [&](std::size_t first, const Rounds& more) {
    rounds.resize(std::max(rounds.size(), first + more.size()));
    for (std::size_t i = 0; i < more.size(); ++i) put(rounds[first + i], more[i]);
  };
  for (std::uint32_t block = 0; block < blocks; ++block) {
    Ranks inside(size);
    for (std::uint32_t i = 0; i < size; ++i) inside[i] = block * size + i;
    put_beside(0, simple_base(inside, k));
  }
  const std::size_t averaged = rounds.size();
  for (std::uint32_t i = 0; i < size; ++i) {
    Ranks across(blocks);
    for (std::uint32_t block = 0; block < blocks; ++block) across[block] = block * size + i;
    put_beside(averaged, average_in_cliques(across, k));
  }
  return rounds;
}

}  // namespace

Status write_base(const GraphRequest& request, GraphWriter& writer) {
  const std::uint32_t ranks = request.rank_count;
  if (request.degree == 0) writer.set_degree(1);
  const std::uint32_t k = std::min(std::max(request.degree, 1u), std::max(ranks, 2u) - 1);
  GOSSAMER_TRY(writer.check_room(std::uint64_t{ranks} * std::min(k, ranks - 1)));
  Ranks everyone(ranks);
  for (std::uint32_t rank = 0; rank < ranks; ++rank) everyone[rank] = rank;
  Rounds rounds = simple_base(everyone, k);
  Rounds blocks = in_blocks(ranks, k);
  if (!blocks.empty() && blocks.size() <= rounds.size()) rounds = std::move(blocks);
  for (const Swaps& round : rounds) {
    writer.begin_round();
    for (const Swap& each : round) writer.exchange(each.one, each.other, each.share);
  }
  return {};
}

}  // namespace gossamer::topology
