// A random graph of so many pairs that a rank is in `degree` of them on the average (the first of the two models of
// Erdos and Renyi, 1959: every set of M pairs is as likely as any other), drawn again until it is connected.
//
// Whole numbers only, so that all machines draw the same.
#include <algorithm>
#include <bit>
#include <unordered_set>

#include "topology/graph_writer.h"

namespace gossamer::topology {
namespace {

constexpr std::uint32_t draws_max = 100;

// Some three times ln P, the degree from which on graphs are mostly connected.
std::uint32_t default_degree(std::uint32_t ranks) { return 2 * static_cast<std::uint32_t>(std::bit_width(ranks - 1)); }

// `count` of the numbers below `total`, each set as likely as any other (Floyd): exactly `count` draws.
std::vector<std::uint64_t> draw_some(std::uint64_t total, std::uint64_t count, Random& random) {
  std::unordered_set<std::uint64_t> chosen;
  chosen.reserve(count);
  for (std::uint64_t most = total - count; most < total; ++most) {
    if (!chosen.insert(random.below(most + 1)).second) chosen.insert(most);
  }
  std::vector<std::uint64_t> out(chosen.begin(), chosen.end());
  std::sort(out.begin(), out.end());
  return out;
}

struct DrawnPair {
  std::uint32_t low, high;
};

// Pairs are numbered 1-0, 2-0, 2-1, 3-0, 3-1, 3-2, ...: those below `high` end at high (high - 1) / 2. Ascending
// numbers walk `high` up, so all of them together cost no more than the ranks.
std::vector<DrawnPair> pairs_of(const std::vector<std::uint64_t>& numbers) {
  std::vector<DrawnPair> pairs;
  pairs.reserve(numbers.size());
  std::uint64_t high = 1;
  for (const std::uint64_t number : numbers) {
    while (number >= high * (high + 1) / 2) ++high;
    pairs.push_back({static_cast<std::uint32_t>(number - high * (high - 1) / 2), static_cast<std::uint32_t>(high)});
  }
  return pairs;
}

bool is_connected(const std::vector<DrawnPair>& pairs, std::uint32_t ranks) {
  std::vector<std::uint32_t> leader(ranks);
  for (std::uint32_t rank = 0; rank < ranks; ++rank) leader[rank] = rank;
  const auto find = [&](std::uint32_t rank) {
    while (leader[rank] != rank) rank = leader[rank] = leader[leader[rank]];
    return rank;
  };
  std::uint32_t parts = ranks;
  for (const DrawnPair& pair : pairs) {
    const std::uint32_t one = find(pair.low);
    const std::uint32_t other = find(pair.high);
    if (one == other) continue;
    leader[one] = other;
    --parts;
  }
  return parts == 1;
}

}  // namespace

Status write_erdos_renyi(const GraphRequest& request, GraphWriter& writer) {
  const std::uint64_t ranks = request.rank_count;
  const std::uint64_t all = ranks * (ranks - 1) / 2;
  const std::uint32_t degree = request.degree != 0 ? request.degree : default_degree(request.rank_count);
  writer.set_degree(degree);
  const std::uint64_t wanted = std::min(all, (ranks * degree + 1) / 2);
  GOSSAMER_TRY(writer.check_room(2 * wanted));
  if (wanted + 1 < ranks) {
    return Error{Code::invalid_argument, text("erdos-renyi over ", ranks, " ranks of degree ", degree, " has ", wanted,
                                              " pairs: at least ", ranks - 1, " are needed to connect them")};
  }
  for (std::uint32_t draw = 0; draw < draws_max; ++draw) {
    Random random(mix64(mix64(request.seed, ranks), draw));
    const std::vector<DrawnPair> pairs = pairs_of(draw_some(all, wanted, random));
    if (!is_connected(pairs, request.rank_count)) continue;
    writer.begin_round();
    for (const DrawnPair& pair : pairs) writer.join(pair.low, pair.high);
    writer.weigh_by_degree();
    return {};
  }
  return Error{Code::invalid_argument,
               text("erdos-renyi over ", ranks, " ranks of degree ", degree, ": none of ", draws_max,
                    " draws is connected; choose a degree of ", default_degree(request.rank_count))};
}

}  // namespace gossamer::topology
