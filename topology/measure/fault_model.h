// Private to `topology/measure`: the model that find_causes fits.
//
//   base of (quantity, load, tier)  ---- slowed by the suspects on the way ---->  predicted time
//
// A suspect's effect e is either relative, the pair's own base times exp(e), or absolute: its part alone takes what a
// pair of the nearest tier takes, times exp(e). Of latencies, absolute parts add up beyond their one; of times a byte
// and of tails the largest of all counts, since one bottleneck hides others.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "topology/measure/causes.h"
#include "topology/measure/cells.h"
#include "topology/measure/clusters.h"

namespace gossamer::topology {

// What might be slow, and the cells that it would slow.
struct Suspect {
  CauseKind kind = CauseKind::slow_host;
  CauseDirection direction = CauseDirection::both;
  bool is_inside = false;    // of a host: between its own ranks; of a switch: within it too
  std::uint32_t first = 0;   // host or group
  std::uint32_t second = 0;  // of a pair of hosts or groups
  bool is_pair_of_groups = false;
  std::uint32_t family = 0;  // suspects that are alike: one of so many
  std::vector<std::uint32_t> cells;
};

struct Effect {
  Quantity quantity = Quantity::latency;
  bool loads[pair_load_count] = {};
  bool is_relative = true;
  double size = 0.0;       // e
  double deviation = 0.0;  // standard deviation of it
  double gain = 0.0;       // nats
};

struct Found {
  std::uint32_t suspect = 0;
  std::vector<Effect> effects;
  double score = 0.0;  // nats beyond what it costs to name it, and caution
  double worth = 0.0;  // the same where hosts differ by nature: what is above 0 is believed
  double rival = 0.0;  // the same of the best other suspect in its place
};

struct Model {
  std::vector<Found> found;
  double length = 0.0;            // of the description, in nats
  std::vector<double> predicted;  // for each cell
  std::vector<double> base;       // for each cell, without any cause
  std::vector<double> deviation;  // for each cell
};

class FaultModel {
 public:
  // `tier`: of each cell. All are kept by reference.
  FaultModel(const std::vector<HostCell>& cells, const std::vector<std::uint32_t>& tier,
             const std::vector<Suspect>& suspects, const CauseOptions& options);

  // `start`: the quantile of each stratum at which its base is looked for first.
  [[nodiscard]] Model fit(double start);
  // Predicted without one of the model's causes.
  [[nodiscard]] std::vector<double> without(const Model& model, std::size_t found) const;
  // Whether starts at two quantiles differ by enough to try both.
  [[nodiscard]] bool are_apart(double start, double other) const;

 private:
  struct Stratum {
    std::vector<std::uint32_t> cells;
    double base = 0.0;
    double spread = 0.0;
    double odd = 0.0;
  };
  // What the causes do to one cell.
  struct Load {
    double relative = 0.0;  // sum, or largest
    double absolute = 0.0;  // sum of exp(e) - 1, or largest e
  };

  [[nodiscard]] double base_of(std::uint32_t cell) const { return strata_[stratum_of_[cell]].base; }
  [[nodiscard]] double reference_of(std::uint32_t cell) const { return strata_[reference_[stratum_of_[cell]]].base; }
  [[nodiscard]] double predict(std::uint32_t cell, const Load& load) const;
  void add(Load& load, std::uint32_t cell, const Effect& effect) const;
  // Of a residual: a normal core; beside it the heavy tail that the stratum has, and a floor for cells that are off.
  struct Density {
    double core = 0.0;
    double rest = 0.0;
  };
  [[nodiscard]] Density density(std::uint32_t cell, double residual, double deviation) const;
  [[nodiscard]] double likelihood(std::uint32_t cell, double residual) const;
  [[nodiscard]] double weight(std::uint32_t cell, double residual, double deviation) const;
  void set_deviations();
  void set_spreads();
  void apply(const std::vector<Found>& found, std::size_t left_out);
  void refit(std::vector<Found>& found);
  [[nodiscard]] bool fit_size(const std::vector<std::uint32_t>& cells, Effect& effect) const;
  void judge(const Suspect& suspect, Found& found) const;
  [[nodiscard]] bool best_suspect(Found& best, std::uint32_t excluded) const;
  [[nodiscard]] double length_of(const std::vector<Found>& found) const;

  const std::vector<HostCell>& cells_;
  const std::vector<Suspect>& suspects_;
  const CauseOptions options_;
  std::vector<Stratum> strata_;
  std::vector<std::uint32_t> reference_;   // of each stratum: the nearest network tier's
  std::vector<std::uint32_t> stratum_of_;  // of each cell
  std::vector<double> family_cost_;        // of each family: logarithm of its number
  bool has_tiers_ = false;                 // more than one in the network
  // What changes while a model is fitted.
  std::vector<double> deviation_;
  std::vector<Load> load_;
  std::vector<double> predicted_;
};

}  // namespace gossamer::topology
