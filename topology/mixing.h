// What a graph is worth, in numbers. In gossamer_topology_mixing: a library of its own, since it needs Eigen.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "topology/topology.h"

namespace gossamer::topology {

// Up to here eigenvalues are computed from the whole matrix (Eigen); above by Lanczos' method, to four digits or so.
inline constexpr std::uint32_t measured_whole_max = 1024;
// One death after the other: so many ranks at most, and the same for measure_without.
inline constexpr std::uint32_t deaths_measured_max = 128;

struct Mixing {
  std::uint32_t degree = 0;   // most peers that a rank takes from, or gives to, in one round
  std::uint32_t period = 0;   // rounds
  double parts_a_step = 0;    // messages of the rank that sends most, each as long as the weights; mean of a period
  bool is_exact = false;      // after a period every rank has the exact mean: proved, not measured
  bool is_symmetric = false;  // both sides of each pair give each other the same, in every round
  bool is_estimated = false;  // gaps come from Lanczos' method
  // 1 - the second largest singular value of the product of a period, which leaves at most 1 - gap_of_period of the
  // distance of all ranks together from the mean (2-norm). A round's is the mean over a period: 1 - (1 -
  // gap)^(1/period).
  double gap_of_period = 0;
  double gap_of_round = 0;
  // Rounds, in whole periods, after which that distance is a thousandth at most; nothing: never.
  std::optional<std::uint64_t> steps_to_thousandth;
};

// Of a graph that check_mixing accepts; asks it first. Errors: check_mixing's.
[[nodiscard]] Result<Mixing> measure_mixing(const Graph& graph);

// What is left of a graph after deaths (`without`): as above, but 1 - the second largest *absolute eigenvalue* of a
// period over the survivors, by which their push-sum converges in the end. 0: some of them never agree again.
struct Survival {
  double gap_of_period = 0;
  double gap_of_round = 0;
  std::optional<std::uint64_t> steps_to_thousandth;
};
// Of a graph that check_mixing accepts. Errors: invalid_argument for ranks that do not exist or leave nobody,
// out_of_resources above deaths_measured_max.
[[nodiscard]] Result<Survival> measure_without(const Graph& graph, std::span<const Rank> dead);
// For each rank, what its death alone would leave. Of at least two ranks.
[[nodiscard]] Result<std::vector<Survival>> measure_deaths(const Graph& graph);

}  // namespace gossamer::topology
