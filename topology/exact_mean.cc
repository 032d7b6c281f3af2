#include "topology/exact_mean.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace gossamer::topology {
namespace {

__extension__ using Wide = unsigned __int128;

// The largest primes below 2^62.
constexpr std::array<std::uint64_t, 8> primes = {(std::uint64_t{1} << 62) - 57,  (std::uint64_t{1} << 62) - 87,
                                                 (std::uint64_t{1} << 62) - 117, (std::uint64_t{1} << 62) - 143,
                                                 (std::uint64_t{1} << 62) - 153, (std::uint64_t{1} << 62) - 167,
                                                 (std::uint64_t{1} << 62) - 171, (std::uint64_t{1} << 62) - 195};
constexpr double bits_a_prime = 61;  // and a little more
constexpr std::uint64_t all_columns_work_max = std::uint64_t{1} << 28;
constexpr std::size_t columns_at_once = 8;
constexpr std::size_t random_columns = 3;

// Arithmetic modulo a prime below 2^62, with Montgomery's reduction: no division.
class Field {
 public:
  explicit Field(std::uint64_t prime) : prime_(prime), square_(static_cast<std::uint64_t>((-Wide{prime}) % prime)) {
    std::uint64_t inverse = prime;  // right in 3 bits; each step doubles them
    for (int i = 0; i < 5; ++i) inverse *= 2 - prime * inverse;
    negative_inverse_ = 0 - inverse;
  }

  [[nodiscard]] std::uint64_t add(std::uint64_t a, std::uint64_t b) const {
    return a + b >= prime_ ? a + b - prime_ : a + b;
  }
  [[nodiscard]] std::uint64_t subtract(std::uint64_t a, std::uint64_t b) const {
    return a >= b ? a - b : a + prime_ - b;
  }
  // a b / 2^64: a product where one of the two is `prepared`, prepared where both are.
  [[nodiscard]] std::uint64_t multiply(std::uint64_t a, std::uint64_t b) const {
    const Wide product = static_cast<Wide>(a) * b;
    const std::uint64_t times = static_cast<std::uint64_t>(product) * negative_inverse_;
    const auto out = static_cast<std::uint64_t>((product + static_cast<Wide>(times) * prime_) >> 64);
    return out >= prime_ ? out - prime_ : out;
  }
  [[nodiscard]] std::uint64_t prepared(std::uint64_t number) const { return multiply(number % prime_, square_); }
  [[nodiscard]] std::uint64_t prepared(const Weight& weight) const {
    std::uint64_t inverse = prepared(1);  // denominator^(prime - 2)
    std::uint64_t base = prepared(weight.denominator);
    for (std::uint64_t power = prime_ - 2; power != 0; power >>= 1) {
      if ((power & 1) != 0) inverse = multiply(inverse, base);
      base = multiply(base, base);
    }
    return multiply(prepared(weight.numerator), inverse);
  }
  [[nodiscard]] std::uint64_t prime() const { return prime_; }

 private:
  std::uint64_t prime_;
  std::uint64_t square_;  // 2^128 modulo the prime
  std::uint64_t negative_inverse_;
};

// One round in a field.
struct FieldRound {
  std::vector<std::uint64_t> kept;    // by rank; prepared
  std::vector<std::size_t> begin;     // by rank, and one more: where its edges are
  std::vector<std::uint32_t> peers;   // that it takes from
  std::vector<std::uint64_t> shares;  // prepared

  FieldRound(const std::vector<Mix>& round, const Field& field) {
    const std::uint64_t one = field.prepared(1);
    Weight known;
    std::uint64_t known_share = 0;
    const auto share_of = [&](const Weight& weight) {  // neighbours in a list mostly have one share
      if (weight == known) return known_share;
      known = weight;
      return known_share = field.prepared(weight);
    };
    for (const Mix& mix : round) {
      begin.push_back(peers.size());
      for (const GraphEdge& edge : mix.takes) {
        peers.push_back(edge.peer.value);
        shares.push_back(share_of(edge.weight));
      }
      std::uint64_t rest = one;
      for (const GraphEdge& edge : mix.gives) rest = field.subtract(rest, share_of(edge.weight));
      kept.push_back(rest);
    }
    begin.push_back(peers.size());
  }

  // Columns lie side by side: values[rank * columns_at_once + column].
  void apply(const Field& field, const std::vector<std::uint64_t>& from, std::vector<std::uint64_t>& to) const {
    for (std::size_t rank = 0; rank < kept.size(); ++rank) {
      std::array<std::uint64_t, columns_at_once> sum;
      for (std::size_t c = 0; c < columns_at_once; ++c)
        sum[c] = field.multiply(kept[rank], from[rank * columns_at_once + c]);
      for (std::size_t edge = begin[rank]; edge < begin[rank + 1]; ++edge) {
        const std::uint64_t* peer = &from[std::size_t{peers[edge]} * columns_at_once];
        for (std::size_t c = 0; c < columns_at_once; ++c)
          sum[c] = field.add(sum[c], field.multiply(shares[edge], peer[c]));
      }
      std::copy(sum.begin(), sum.end(), to.begin() + static_cast<std::ptrdiff_t>(rank * columns_at_once));
    }
  }
};

// How many primes make a proof; nothing above what there are.
std::optional<std::size_t> primes_needed(const Graph& graph) {
  double bits = std::log2(static_cast<double>(graph.request.rank_count)) + 1;
  for (const std::vector<Mix>& round : graph.rounds) {
    std::uint64_t common = 1;
    std::uint32_t last = 1;
    for (const Mix& mix : round) {
      for (const GraphEdge& edge : mix.gives) {
        if (edge.weight.denominator == last) continue;
        last = edge.weight.denominator;
        const std::uint64_t times = last / std::gcd(common, std::uint64_t{last});
        if (common > (std::uint64_t{1} << 62) / times) return std::nullopt;
        common *= times;
      }
    }
    bits += std::log2(static_cast<double>(common));
  }
  const double count = std::ceil(bits / bits_a_prime);
  if (count > static_cast<double>(primes.size())) return std::nullopt;
  return static_cast<std::size_t>(count);
}

// The first rank that has not the mean of these columns, after a period.
std::optional<Rank> first_without_mean(const Field& field, const std::vector<FieldRound>& rounds,
                                       std::vector<std::uint64_t> values) {
  const std::size_t ranks = values.size() / columns_at_once;
  std::array<std::uint64_t, columns_at_once> sums = {};
  for (std::size_t i = 0; i < values.size(); ++i)
    sums[i % columns_at_once] = field.add(sums[i % columns_at_once], values[i]);
  std::vector<std::uint64_t> next(values.size());
  for (const FieldRound& round : rounds) {
    round.apply(field, values, next);
    values.swap(next);
  }
  const std::uint64_t count = field.prepared(ranks);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (field.multiply(count, values[i]) != sums[i % columns_at_once])
      return Rank{static_cast<std::uint32_t>(i / columns_at_once)};
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<Rank>> find_inexact_rank(const Graph& graph) {
  const std::size_t ranks = graph.request.rank_count;
  const std::optional<std::size_t> needed = primes_needed(graph);
  std::uint64_t work = 0;
  for (const std::vector<Mix>& round : graph.rounds) {
    for (const Mix& mix : round) work += 1 + mix.takes.size();
  }
  const std::size_t used = needed.value_or(1);
  const bool all_columns = work * ranks <= all_columns_work_max / used;
  for (std::size_t p = 0; p < used; ++p) {
    const Field field(primes[p]);
    std::vector<FieldRound> rounds;
    rounds.reserve(graph.rounds.size());
    for (const std::vector<Mix>& round : graph.rounds) rounds.emplace_back(round, field);
    Random random(primes[p]);
    for (std::size_t first = 0; first < (all_columns ? ranks : 1); first += columns_at_once) {
      std::vector<std::uint64_t> values(ranks * columns_at_once, 0);
      if (all_columns) {
        for (std::size_t c = 0; c < std::min(columns_at_once, ranks - first); ++c)
          values[(first + c) * columns_at_once + c] = 1;
      } else {
        for (std::size_t i = 0; i < values.size(); ++i)
          if (i % columns_at_once < random_columns) values[i] = random.below(field.prime());
      }
      if (const std::optional<Rank> rank = first_without_mean(field, rounds, std::move(values))) return rank;
    }
  }
  if (!needed) {
    return Error{Code::out_of_resources, "whether a period is the exact mean needs numbers of more than 488 bits"};
  }
  return std::optional<Rank>();
}

}  // namespace gossamer::topology
