#include <cmath>

#include "topology/graph_writer.h"

namespace gossamer::topology {
namespace {

constexpr double sum_tolerance = 1e-6;
constexpr double share_tolerance = 1e-9;
constexpr double share_min = 1e-8;

// The first fraction of a share's continued fraction that is within the tolerance of it. Its denominator is below 10^9:
// the one before, with denominator q', was off by less than 1 / (q q'), but by more than the tolerance.
Weight nearest_fraction(double share) {
  double rest = share;
  std::uint64_t p = 1, q = 0;  // the last fraction
  std::uint64_t p_before = 0, q_before = 1;
  while (true) {
    const double whole = std::floor(rest);
    const auto times = static_cast<std::uint64_t>(whole);
    const std::uint64_t p_next = times * p + p_before;
    const std::uint64_t q_next = times * q + q_before;
    p_before = p, q_before = q;
    p = p_next, q = q_next;
    const double value = static_cast<double>(p) / static_cast<double>(q);
    if (std::abs(value - share) <= share_tolerance) {
      return {static_cast<std::uint32_t>(p), static_cast<std::uint32_t>(q)};
    }
    rest = 1 / (rest - whole);
  }
}

class MatrixReader {
 public:
  MatrixReader(std::span<const double> shares, std::uint32_t ranks) : shares_(shares), ranks_(ranks) {}

  [[nodiscard]] double share(std::size_t round, std::size_t taker, std::size_t giver) const {
    return shares_[(round * ranks_ + taker) * ranks_ + giver];
  }

  Status check(std::size_t round) const {
    std::vector<double> columns(ranks_, 0.0);
    for (std::size_t taker = 0; taker < ranks_; ++taker) {
      double row = 0;
      for (std::size_t giver = 0; giver < ranks_; ++giver) {
        const double value = share(round, taker, giver);
        const bool kept = taker == giver;
        if (!std::isfinite(value) || value < 0 || (value > 0 && value < share_min)) {
          return wrong_matrix(round, taker, " takes ", value, " of rank ", giver, ": a share is 0, or ", share_min,
                              " or more");
        }
        if (kept && value == 0) return wrong_matrix(round, taker, " keeps nothing of its own");
        if (!kept && value > 1 - share_min) {
          return wrong_matrix(round, taker, " takes ", value, " of rank ", giver, ", which would keep nothing");
        }
        row += value;
        columns[giver] += value;
      }
      if (std::abs(row - 1) > sum_tolerance) return wrong_matrix(round, taker, "'s row sums to ", row, ", not 1");
    }
    for (std::size_t giver = 0; giver < ranks_; ++giver) {
      if (std::abs(columns[giver] - 1) > sum_tolerance) {
        return wrong_matrix(round, giver, "'s column sums to ", columns[giver], ", not 1");
      }
    }
    return {};
  }

 private:
  template <typename... Parts>
  static Error wrong_matrix(std::size_t round, std::size_t rank, const Parts&... parts) {
    return {Code::invalid_argument, text("matrix ", round, ": rank ", rank, parts...),
            Rank{static_cast<std::uint32_t>(rank)}};
  }

  std::span<const double> shares_;
  std::size_t ranks_;
};

}  // namespace

Result<Graph> graph_from_matrices(std::span<const double> shares, std::uint32_t rank_count, std::uint32_t period) {
  if (rank_count == 0 || rank_count > rank_count_max || period == 0) {
    return Error{Code::invalid_argument, text("a graph has 1 to ", rank_count_max,
                                              " ranks and at least one matrix, not ", rank_count, " and ", period)};
  }
  const std::uint64_t cells = std::uint64_t{rank_count} * rank_count;
  if (shares.size() / cells != period || shares.size() % cells != 0) {
    return Error{Code::invalid_argument,
                 text(period, period == 1 ? " matrix" : " matrices", " of ", rank_count, " ranks: expected ", cells,
                      " shares each, not ", shares.size(), " in all")};
  }
  const MatrixReader matrices(shares, rank_count);
  GraphWriter writer({GraphKind::matrix, rank_count, 0, 0});
  for (std::uint32_t round = 0; round < period; ++round) {
    GOSSAMER_TRY(matrices.check(round));
    writer.begin_round();
    for (std::uint32_t taker = 0; taker < rank_count; ++taker) {
      for (std::uint32_t giver = 0; giver < rank_count; ++giver) {
        const double share = matrices.share(round, taker, giver);
        if (taker != giver && share > 0) writer.give(giver, taker, nearest_fraction(share));
      }
    }
  }
  Result<Graph> graph = std::move(writer).finish();
  if (!graph.ok() || check_mixing(*graph).ok()) return graph;
  graph->approximate = true;
  GOSSAMER_TRY(check_mixing(*graph));
  return graph;
}

}  // namespace gossamer::topology
