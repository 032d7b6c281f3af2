// The proof of a graph, from what costs least to what costs most:
//
//   1. shape      lists are ascending, ranks exist, shares are fractions between 0 and 1
//   2. edges      what one rank gives is what the other takes, to the share
//   3. sums       every rank keeps a share; rows sum to 1 (columns do, since what is kept is the rest)
//   4. reach      something of each rank reaches every other one
//   5. exactness  where the kind claims it: exact_mean.h
//
// All but the last are linear in the edges.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "topology/exact_mean.h"

namespace gossamer::topology {
namespace {

__extension__ using Signed = __int128;

// What a rank keeps at least: rounded sums of up to 65,535 shares are off by less than 1e-10.
constexpr double kept_min = 1e-9;
constexpr double approximate_tolerance = 1e-6;

template <typename... Parts>
Error at_rank(std::uint32_t rank, const Parts&... parts) {
  return Error{Code::invalid_argument, text(parts...), Rank{rank}};
}

struct Fraction {
  Signed numerator = 0;
  Signed denominator = 1;
};

std::string fraction_words(Signed numerator, Signed denominator) {
  const auto fits = [](Signed number) { return number >= INT64_MIN && number <= INT64_MAX; };
  if (!fits(numerator) || !fits(denominator))
    return text(static_cast<double>(numerator) / static_cast<double>(denominator));
  return text(static_cast<std::int64_t>(numerator), "/", static_cast<std::int64_t>(denominator));
}

std::string share_words(const Weight& weight) { return text(weight.numerator, "/", weight.denominator); }

// Sum of `plus` less sum of `minus`, exactly; nothing where the common denominator passes 62 bits. Shares with one
// denominator are taken together first, so that what is the same on both sides falls out whatever the denominators.
std::optional<Fraction> exact_difference(const std::vector<GraphEdge>& plus, const std::vector<GraphEdge>& minus) {
  struct Term {
    std::uint32_t denominator;
    std::int64_t numerator;
  };
  std::vector<Term> terms;
  terms.reserve(plus.size() + minus.size());
  for (const GraphEdge& edge : plus) terms.push_back({edge.weight.denominator, edge.weight.numerator});
  for (const GraphEdge& edge : minus) terms.push_back({edge.weight.denominator, -std::int64_t{edge.weight.numerator}});
  std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) { return a.denominator < b.denominator; });
  Fraction sum;
  for (std::size_t i = 0; i < terms.size();) {
    const std::uint32_t denominator = terms[i].denominator;
    std::int64_t numerator = 0;
    for (; i < terms.size() && terms[i].denominator == denominator; ++i) numerator += terms[i].numerator;
    if (numerator == 0) continue;
    const auto have = static_cast<std::uint64_t>(sum.denominator);
    const std::uint64_t times = denominator / std::gcd(have, std::uint64_t{denominator});
    if (have > (std::uint64_t{1} << 62) / times) return std::nullopt;
    sum.denominator *= times;
    sum.numerator = sum.numerator * Signed{times} + numerator * (sum.denominator / denominator);
  }
  return sum;
}

double rounded_sum(const std::vector<GraphEdge>& edges) {
  return std::accumulate(edges.begin(), edges.end(), 0.0,
                         [](double sum, const GraphEdge& edge) { return sum + edge.weight.value(); });
}

class MixingProof {
 public:
  explicit MixingProof(const Graph& graph) : graph_(graph), ranks_(graph.request.rank_count) {}

  Status run() {
    GOSSAMER_TRY(check_size());
    for (std::uint32_t round = 0; round < graph_.rounds.size(); ++round) {
      for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
        GOSSAMER_TRY(check_list(round, rank, graph_.rounds[round][rank].takes, "takes from"));
        GOSSAMER_TRY(check_list(round, rank, graph_.rounds[round][rank].gives, "gives to"));
      }
      GOSSAMER_TRY(check_edges(round));
      for (std::uint32_t rank = 0; rank < ranks_; ++rank) GOSSAMER_TRY(check_sums(round, rank));
    }
    GOSSAMER_TRY(check_connected(graph_));
    return check_exact_mean();
  }

 private:
  Status check_size() const {
    if (graph_kind_name(graph_.request.kind) == "unknown") {
      return at_rank(0, "unknown graph kind ", static_cast<unsigned>(graph_.request.kind));
    }
    if (ranks_ == 0 || ranks_ > rank_count_max) {
      return at_rank(0, "a graph has 1 to ", rank_count_max, " ranks, not ", ranks_);
    }
    if (graph_.rounds.empty()) return at_rank(0, "a graph has at least one round");
    std::uint64_t edges = 0;
    for (std::size_t round = 0; round < graph_.rounds.size(); ++round) {
      if (graph_.rounds[round].size() != ranks_) {
        return at_rank(0, "the graph says ", ranks_, " ranks but round ", round, " has ", graph_.rounds[round].size());
      }
      for (const Mix& mix : graph_.rounds[round]) edges += mix.takes.size();
    }
    if (edges > graph_edges_max || graph_.rounds.size() * ranks_ > graph_mixes_max) {
      return Error{Code::out_of_resources, text("the graph has ", edges, " edges in ", graph_.rounds.size(),
                                                " rounds of ", ranks_, " ranks: at most ", graph_edges_max,
                                                " edges and ", graph_mixes_max, " ranks times rounds are proved")};
    }
    return {};
  }

  static std::string place(std::uint32_t round, std::uint32_t rank) { return text("rank ", rank, " in round ", round); }

  Status check_list(std::uint32_t round, std::uint32_t rank, const std::vector<GraphEdge>& edges,
                    std::string_view does) const {
    for (std::size_t i = 0; i < edges.size(); ++i) {
      const auto [peer, weight] = edges[i];
      if (peer.value >= ranks_)
        return at_rank(rank, place(round, rank), " ", does, " rank ", peer.value, " of ", ranks_);
      if (peer.value == rank) return at_rank(rank, place(round, rank), " ", does, " itself");
      if (i > 0 && peer == edges[i - 1].peer) {
        return at_rank(rank, place(round, rank), " ", does, " rank ", peer.value, " twice");
      }
      if (i > 0 && peer < edges[i - 1].peer) {
        return at_rank(rank, place(round, rank), " names rank ", peer.value, " behind rank ", edges[i - 1].peer.value,
                       ": lists are ascending");
      }
      if (weight.numerator == 0 || weight.numerator >= weight.denominator) {
        return at_rank(rank, place(round, rank), " ", does, " rank ", peer.value, " the share ", share_words(weight),
                       ": a share is above 0 and below 1");
      }
    }
    return {};
  }

  // Givers are walked in ascending order, so each taker meets its list in order, too.
  Status check_edges(std::uint32_t round) const {
    const std::vector<Mix>& mixes = graph_.rounds[round];
    std::vector<std::size_t> met(ranks_, 0);  // by taker: entries of its list that have a giver
    const auto not_given = [&](std::uint32_t taker, std::uint32_t giver) {
      return at_rank(taker, place(round, taker), " takes from rank ", giver, ", which does not give to it");
    };
    for (std::uint32_t giver = 0; giver < ranks_; ++giver) {
      for (const GraphEdge& gift : mixes[giver].gives) {
        const std::uint32_t taker = gift.peer.value;
        const std::vector<GraphEdge>& takes = mixes[taker].takes;
        std::size_t& next = met[taker];
        if (next < takes.size() && takes[next].peer.value < giver) return not_given(taker, takes[next].peer.value);
        if (next == takes.size() || takes[next].peer.value > giver) {
          return at_rank(giver, place(round, giver), " gives to rank ", taker, ", which does not take from it");
        }
        if (takes[next].weight != gift.weight) {
          return at_rank(giver, place(round, giver), " gives ", share_words(gift.weight), " to rank ", taker,
                         ", which takes ", share_words(takes[next].weight));
        }
        ++next;
      }
    }
    for (std::uint32_t taker = 0; taker < ranks_; ++taker) {
      if (met[taker] < mixes[taker].takes.size()) return not_given(taker, mixes[taker].takes[met[taker]].peer.value);
    }
    return {};
  }

  // With what it keeps as the rest, a row sums to 1 + takes - gives.
  Status check_sums(std::uint32_t round, std::uint32_t rank) const {
    const Mix& mix = graph_.rounds[round][rank];
    const double kept = mix.kept();
    if (kept < kept_min) {
      return at_rank(rank, place(round, rank), " keeps ", kept, " of its own: it gives away more than it may");
    }
    const std::optional<Fraction> difference = exact_difference(mix.takes, mix.gives);
    if (difference && difference->numerator == 0) return {};
    const double off = difference
                           ? static_cast<double>(difference->numerator) / static_cast<double>(difference->denominator)
                           : rounded_sum(mix.takes) - rounded_sum(mix.gives);
    if (graph_.approximate && std::abs(off) <= approximate_tolerance) return {};
    if (!difference && std::abs(off) < kept_min) {
      return Error{Code::out_of_resources,
                   text(place(round, rank),
                        " has shares with a common denominator of more than 62 bits: whether its row "
                        "sums to exactly 1 cannot be said; choose simpler fractions")};
    }
    const std::string sum =
        difference ? fraction_words(difference->numerator + difference->denominator, difference->denominator)
                   : text(1 + off);
    return at_rank(rank, place(round, rank), " takes ", rounded_sum(mix.takes), " of others and gives ",
                   rounded_sum(mix.gives), " away: its row sums to ", sum, ", not 1");
  }

  Status check_exact_mean() const {
    if (!claims_exact_mean(graph_.request.kind, ranks_)) return {};
    const Result<std::optional<Rank>> inexact = find_inexact_rank(graph_);
    if (!inexact.ok()) return inexact.error();
    return inexact->has_value() ? describe_inexact((*inexact)->value) : Status{};
  }

  // The rank's row of the product of a period, rounded, for the largest difference in it.
  Status describe_inexact(std::uint32_t rank) const {
    std::vector<double> row(ranks_, 0.0);
    row[rank] = 1;
    for (auto round = graph_.rounds.rbegin(); round != graph_.rounds.rend(); ++round) {
      std::vector<double> before(ranks_, 0.0);
      for (std::uint32_t i = 0; i < ranks_; ++i) {
        if (row[i] == 0) continue;
        before[i] += row[i] * (*round)[i].kept();
        for (const GraphEdge& edge : (*round)[i].takes) before[edge.peer.value] += row[i] * edge.weight.value();
      }
      row = std::move(before);
    }
    const double mean = 1.0 / ranks_;
    const auto worst = std::max_element(row.begin(), row.end(),
                                        [mean](double a, double b) { return std::abs(a - mean) < std::abs(b - mean); });
    return at_rank(rank, "after a period of ", graph_.rounds.size(), graph_.rounds.size() == 1 ? " round" : " rounds",
                   " rank ", rank, " has ", *worst, " of rank ", worst - row.begin(), ", not 1/", ranks_, " (off by ",
                   general(std::abs(*worst - mean), 2), "): ", graph_kind_name(graph_.request.kind),
                   " claims the exact mean");
  }

  const Graph& graph_;
  const std::uint32_t ranks_;
};

}  // namespace

Status check_mixing(const Graph& graph) { return MixingProof(graph).run(); }

}  // namespace gossamer::topology
