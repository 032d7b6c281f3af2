#include <algorithm>
#include <cmath>

#include "topology/exact_mean.h"
#include "topology/lanczos.h"
#include "topology/mixing.h"
#include "topology/spectrum.h"

namespace gossamer::topology {
namespace {

constexpr std::size_t products_max = 20'000;  // of Lanczos' method: some seconds for a ring of 65,536
constexpr double nothing = 1e-12;             // of a gap: rounding

// A period in floating point, over the ranks that are not dead, which are numbered anew.
class Period {
 public:
  Period(const Graph& graph, const std::vector<bool>& is_dead) {
    std::vector<std::size_t> place(graph.request.rank_count, 0);
    for (std::size_t rank = 0; rank < place.size(); ++rank) {
      place[rank] = size_;
      if (!is_dead[rank]) ++size_;
    }
    for (const std::vector<Mix>& mixes : graph.rounds) {
      Shares& round = rounds_.emplace_back();
      for (std::size_t rank = 0; rank < mixes.size(); ++rank) {
        if (is_dead[rank]) continue;
        round.push_back({place[rank], place[rank], mixes[rank].kept()});
        for (const GraphEdge& edge : mixes[rank].takes)
          round.push_back({place[rank], place[edge.peer.value], edge.weight.value()});
      }
    }
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  // values = P values, or P^T values, with P the product of the rounds.
  void apply(std::vector<double>& values) const {
    for (const Shares& round : rounds_) mix(round, &Share::taker, &Share::giver, 1, values);
  }
  void apply_transposed(std::vector<double>& values) const {
    for (auto round = rounds_.rbegin(); round != rounds_.rend(); ++round)
      mix(*round, &Share::giver, &Share::taker, 1, values);
  }

  // P, less 1/n in every place: what a period does to distances from the mean.
  [[nodiscard]] std::vector<double> deflated() const {
    std::vector<double> product(size_ * size_, 0.0);
    for (std::size_t i = 0; i < size_; ++i) product[i * size_ + i] = 1;
    for (const Shares& round : rounds_) mix(round, &Share::taker, &Share::giver, size_, product);
    for (double& each : product) each -= 1.0 / static_cast<double>(size_);
    return product;
  }

 private:
  struct Share {
    std::size_t taker, giver;
    double share;
  };
  using Shares = std::vector<Share>;

  // Each rank has `width` values.
  static void mix(const Shares& round, std::size_t Share::*to, std::size_t Share::*from, std::size_t width,
                  std::vector<double>& values) {
    std::vector<double> out(values.size(), 0.0);
    for (const Share& each : round) {
      double* target = &out[each.*to * width];
      const double* source = &values[each.*from * width];
      for (std::size_t i = 0; i < width; ++i) target[i] += each.share * source[i];
    }
    values.swap(out);
  }

  std::size_t size_ = 0;
  std::vector<Shares> rounds_;
};

// From what a period leaves of a distance, at most 1 - rounding.
template <typename Gaps>
void set_gaps(double left, std::size_t period, Gaps& out) {
  const double rounds = static_cast<double>(period);
  left = std::clamp(left, 0.0, 1.0);
  if (1 - left < nothing) return;  // the gaps are 0, and a thousandth is never reached
  out.gap_of_period = 1 - left;
  out.gap_of_round = 1 - std::pow(left, 1 / rounds);
  const double periods = left > 0 ? std::max(1.0, std::ceil(std::log(1e-3) / std::log(left) - nothing)) : 1;
  out.steps_to_thousandth = static_cast<std::uint64_t>(periods) * period;
}

void remove_mean(std::vector<double>& values) {
  double mean = 0;
  for (const double each : values) mean += each;
  mean /= static_cast<double>(values.size());
  for (double& each : values) each -= mean;
}

void count_parts(const Graph& graph, Mixing& out) {
  std::vector<std::uint64_t> sent(graph.request.rank_count, 0);
  out.is_symmetric = true;
  for (const std::vector<Mix>& round : graph.rounds) {
    for (std::size_t rank = 0; rank < round.size(); ++rank) {
      const std::size_t most = std::max(round[rank].takes.size(), round[rank].gives.size());
      out.degree = std::max(out.degree, static_cast<std::uint32_t>(most));
      sent[rank] += round[rank].gives.size();
      out.is_symmetric &= round[rank].takes == round[rank].gives;
    }
  }
  out.period = static_cast<std::uint32_t>(graph.rounds.size());
  out.parts_a_step = static_cast<double>(*std::max_element(sent.begin(), sent.end())) / out.period;
}

Survival measure_survivors(const Graph& graph, std::span<const Rank> dead) {
  std::vector<bool> is_dead(graph.request.rank_count, false);
  for (const Rank rank : dead) is_dead[rank.value] = true;
  const Graph rest = without(graph, dead);
  Survival out;
  if (!check_connected(rest, dead).ok()) return out;
  const Period period(rest, is_dead);
  const std::vector<double> matrix = period.deflated();
  const double left = spectral_radius({matrix, period.size()});
  set_gaps(left < nothing ? 0 : left, graph.rounds.size(), out);
  return out;
}

Status check_deaths(const Graph& graph) {
  GOSSAMER_TRY(check_mixing(graph));
  if (graph.request.rank_count > deaths_measured_max) {
    return Error{Code::out_of_resources,
                 text("deaths are measured for up to ", deaths_measured_max, " ranks, not ", graph.request.rank_count)};
  }
  return {};
}

}  // namespace

Result<Mixing> measure_mixing(const Graph& graph) {
  GOSSAMER_TRY(check_mixing(graph));
  Mixing out;
  count_parts(graph, out);
  if (!graph.approximate) {
    const Result<std::optional<Rank>> inexact = find_inexact_rank(graph);
    out.is_exact = inexact.ok() && !inexact->has_value();
  }
  if (out.is_exact) {
    set_gaps(0, graph.rounds.size(), out);
    return out;
  }
  const Period period(graph, std::vector<bool>(graph.request.rank_count, false));
  if (graph.request.rank_count <= measured_whole_max) {
    const std::vector<double> matrix = period.deflated();
    set_gaps(largest_singular_value({matrix, period.size()}), graph.rounds.size(), out);
    return out;
  }
  const auto multiply = [&](std::vector<double>& values) {
    remove_mean(values);
    period.apply(values);
    period.apply_transposed(values);
    remove_mean(values);
  };
  const Estimate square = largest_eigenvalue(period.size(), multiply, products_max);
  out.is_estimated = true;
  set_gaps(std::sqrt(square.value), graph.rounds.size(), out);
  return out;
}

Result<Survival> measure_without(const Graph& graph, std::span<const Rank> dead) {
  GOSSAMER_TRY(check_deaths(graph));
  std::vector<bool> is_dead(graph.request.rank_count, false);
  for (const Rank rank : dead) {
    if (rank.value >= is_dead.size()) {
      return Error{Code::invalid_argument, text("rank ", rank.value, " is not one of ", is_dead.size(), " ranks"),
                   rank};
    }
    is_dead[rank.value] = true;
  }
  if (std::find(is_dead.begin(), is_dead.end(), false) == is_dead.end()) {
    return Error{Code::invalid_argument, "nobody is left to agree"};
  }
  return measure_survivors(graph, dead);
}

Result<std::vector<Survival>> measure_deaths(const Graph& graph) {
  GOSSAMER_TRY(check_deaths(graph));
  if (graph.request.rank_count < 2) return Error{Code::invalid_argument, "the death of the only rank leaves nobody"};
  std::vector<Survival> out;
  for (std::uint32_t rank = 0; rank < graph.request.rank_count; ++rank) {
    const Rank dead{rank};
    out.push_back(measure_survivors(graph, {&dead, 1}));
  }
  return out;
}

}  // namespace gossamer::topology
