#include "topology/measure/fault_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "topology/measure/quantile.h"

namespace gossamer::topology {
namespace {

constexpr double spread_min = 0.02;  // nothing is measured better than that
constexpr double effect_cost = 2.0;  // nats: which quantity, which loads, which form
constexpr double clear_of_base = 0.05;
constexpr std::uint32_t nobody = std::numeric_limits<std::uint32_t>::max();

// The mode that is uphill from `start`, by mean shift in a window.
double mode_near(const std::vector<double>& values, double start) {
  constexpr double window = 0.08;
  double center = start;
  for (int step = 0; step < 12; ++step) {
    double sum = 0;
    double weight = 0;
    for (const double each : values) {
      const double z = (each - center) / window;
      if (std::abs(z) >= 1) continue;
      sum += (1 - z * z) * each;
      weight += 1 - z * z;
    }
    if (weight == 0) return center;
    const double next = sum / weight;
    if (std::abs(next - center) < 1e-6) return next;
    center = next;
  }
  return center;
}

}  // namespace

FaultModel::FaultModel(const std::vector<HostCell>& cells, const std::vector<std::uint32_t>& tier,
                       const std::vector<Suspect>& suspects, const CauseOptions& options)
    : cells_(cells), suspects_(suspects), options_(options) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> index;  // (slot, tier)
  for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
    index.try_emplace({cells[cell].slot, tier[cell]}, 0);
  }
  std::uint32_t count = 0;
  for (auto& [key, number] : index) number = count++;
  strata_.resize(count);
  for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
    stratum_of_.push_back(index[{cells[cell].slot, tier[cell]}]);
    strata_[stratum_of_.back()].cells.push_back(cell);
  }
  for (const auto& [key, number] : index) {
    auto nearest = key.second == 0 ? index.find(key) : index.lower_bound({key.first, 1});
    reference_.push_back(nearest->second);
    has_tiers_ = has_tiers_ || (key.second > 1 && nearest->second != number);
  }
  std::map<std::uint32_t, std::size_t> families;
  for (const Suspect& each : suspects) ++families[each.family];
  for (const auto& [family, number] : families) {
    family_cost_.resize(std::max<std::size_t>(family_cost_.size(), family + 1), 0.0);
    family_cost_[family] = std::log(static_cast<double>(number));
  }
  for (const Suspect& each : suspects) {
    // Seldom one line of many between two switches, and more often a tier that was not seen.
    if (each.is_pair_of_groups) family_cost_[each.family] = std::max(family_cost_[each.family], 15.0);
  }
  deviation_.resize(cells.size());
  load_.resize(cells.size());
  predicted_.resize(cells.size());
}

bool FaultModel::are_apart(double start, double other) const {
  for (const Stratum& stratum : strata_) {
    std::vector<double> values;
    for (const std::uint32_t cell : stratum.cells) values.push_back(cells_[cell].log_time);
    const double one = mode_near(values, quantile_of(values, start));
    const double two = mode_near(values, quantile_of(values, other));
    if (std::abs(one - two) > clear_of_base) return true;
  }
  return false;
}

double FaultModel::predict(std::uint32_t cell, const Load& load) const {
  const double near = base_of(cell) + load.relative;
  if (load.absolute == 0.0) return near;
  const double other = reference_of(cell);
  if (cells_[cell].quantity == Quantity::latency) return std::log(std::exp(near) + std::exp(other) * load.absolute);
  return std::max(near, other + load.absolute);
}

void FaultModel::add(Load& load, std::uint32_t cell, const Effect& effect) const {
  const bool adds_up = cells_[cell].quantity == Quantity::latency;
  if (effect.is_relative) {
    load.relative = adds_up ? load.relative + effect.size : std::max(load.relative, effect.size);
  } else {
    load.absolute = adds_up ? load.absolute + std::expm1(effect.size) : std::max(load.absolute, effect.size);
  }
}

FaultModel::Density FaultModel::density(std::uint32_t cell, double residual, double deviation) const {
  constexpr double normal = 0.3989422804;
  constexpr double tail = 3.0;   // deviations
  constexpr double width = 6.0;  // of the floor, in logarithms
  const double z = residual / deviation;
  const double odd = strata_[stratum_of_[cell]].odd;
  const double chance = cells_[cell].odd_chance;
  return {(1 - odd - chance) * normal / deviation * std::exp(-0.5 * z * z),
          odd / (2 * tail * deviation) * std::exp(-std::abs(z) / tail) + chance / width};
}

double FaultModel::likelihood(std::uint32_t cell, double residual) const {
  const Density at = density(cell, residual, deviation_[cell]);
  return std::log(at.core + at.rest);
}

// Of a residual in a mean: the chance that it is of the core, over its variance.
double FaultModel::weight(std::uint32_t cell, double residual, double deviation) const {
  const Density at = density(cell, residual, deviation);
  return at.core / ((at.core + at.rest) * deviation * deviation);
}

void FaultModel::set_deviations() {
  for (std::uint32_t cell = 0; cell < cells_.size(); ++cell) {
    const Stratum& stratum = strata_[stratum_of_[cell]];
    deviation_[cell] = std::hypot(cells_[cell].noise, stratum.spread);
  }
}

// From what the causes leave.
void FaultModel::set_spreads() {
  constexpr double far = 4.0;
  constexpr double odd_max = 0.2;
  for (Stratum& stratum : strata_) {
    std::vector<double> residuals;
    std::vector<double> noises;
    for (const std::uint32_t cell : stratum.cells) {
      residuals.push_back(std::abs(cells_[cell].log_time - predicted_[cell]));
      noises.push_back(cells_[cell].noise);
    }
    const auto count = static_cast<double>(residuals.size());
    const double all = 1.4826 * quantile_of(residuals, 0.5) * (1 + 2 / count);
    const double noise = quantile_of(noises, 0.5);
    stratum.spread = std::sqrt(std::max(spread_min * spread_min, all * all - noise * noise));
    const double limit = far * std::hypot(stratum.spread, noise);
    const auto beyond = std::count_if(residuals.begin(), residuals.end(), [&](double r) { return r > limit; });
    stratum.odd = std::min(odd_max, static_cast<double>(beyond) / (count + 10));
  }
  set_deviations();
}

void FaultModel::apply(const std::vector<Found>& found, std::size_t left_out) {
  std::fill(load_.begin(), load_.end(), Load{});
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i == left_out) continue;
    for (const std::uint32_t cell : suspects_[found[i].suspect].cells) {
      for (const Effect& effect : found[i].effects) {
        const HostCell& at = cells_[cell];
        if (at.quantity == effect.quantity && effect.loads[static_cast<std::size_t>(at.load)]) {
          add(load_[cell], cell, effect);
        }
      }
    }
  }
  for (std::uint32_t cell = 0; cell < cells_.size(); ++cell) predicted_[cell] = predict(cell, load_[cell]);
}

// Bases and effects in turn, each given the others.
void FaultModel::refit(std::vector<Found>& found) {
  constexpr int sweeps = 2;
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    apply(found, found.size());
    for (Stratum& stratum : strata_) {
      double sum = 0;
      double weights = 0;
      for (const std::uint32_t cell : stratum.cells) {
        // What hides the base says nothing of it.
        if (cells_[cell].quantity != Quantity::latency && predicted_[cell] > stratum.base + clear_of_base) continue;
        const double residual = cells_[cell].log_time - predicted_[cell];
        const double w = weight(cell, residual, deviation_[cell]);
        sum += w * residual;
        weights += w;
      }
      if (weights > 0) stratum.base += sum / weights;
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
      apply(found, i);
      Found again{found[i].suspect, {}, 0.0, 0.0, found[i].rival};
      judge(suspects_[again.suspect], again);
      if (!again.effects.empty()) found[i] = std::move(again);
    }
  }
  apply(found, found.size());
}

bool FaultModel::fit_size(const std::vector<std::uint32_t>& cells, Effect& effect) const {
  struct Wanted {
    double size;
    double deviation;
    std::uint32_t cell;
  };
  std::vector<Wanted> wanted;  // the effect that would explain each cell
  for (const std::uint32_t cell : cells) {
    const double time = cells_[cell].log_time;
    const double now = predicted_[cell];
    const bool adds_up = cells_[cell].quantity == Quantity::latency;
    const double from = effect.is_relative ? base_of(cell) : reference_of(cell);
    double size = time - from;
    double scale = 1.0;
    if (!adds_up) {
      // Hidden behind a narrower place, as is whatever is not wider than that.
      if (now > from + clear_of_base && time < now + 2 * deviation_[cell]) continue;
    } else if (effect.is_relative) {
      const double rest = std::exp(time) - std::exp(reference_of(cell)) * load_[cell].absolute;
      if (rest <= 0) continue;
      size = std::log(rest) - base_of(cell) - load_[cell].relative;
      scale = std::exp(time) / rest;
    } else {
      const double part = 1 + (std::exp(time) - std::exp(now)) / std::exp(from);
      size = part > 0.5 ? std::log(part) : std::log(0.5);
      scale = std::exp(time - from) / std::max(part, 0.5);
    }
    wanted.push_back({size, deviation_[cell] * scale, cell});
  }
  if (wanted.size() * 5 < cells.size() * 2 || wanted.empty()) return false;
  std::vector<double> sizes;
  for (const Wanted& each : wanted) sizes.push_back(each.size);
  effect.size = quantile_of(sizes, 0.5);
  const double least = std::log(options_.factor_min);
  if (effect.size < 0.5 * least) return false;
  double information = 0;
  for (int step = 0; step < 4; ++step) {
    double sum = 0;
    information = 0;
    for (const Wanted& each : wanted) {
      const double w = weight(each.cell, each.size - effect.size, each.deviation);
      sum += w * each.size;
      information += w;
    }
    if (information <= 0) return false;
    effect.size = sum / information;
  }
  if (effect.size < least) return false;
  effect.deviation = 1 / std::sqrt(information);
  effect.gain = 0;
  for (const std::uint32_t cell : cells) {
    Load load = load_[cell];
    add(load, cell, effect);
    const double time = cells_[cell].log_time;
    effect.gain += likelihood(cell, time - predict(cell, load)) - likelihood(cell, time - predicted_[cell]);
  }
  return effect.gain > 0;
}

void FaultModel::judge(const Suspect& suspect, Found& found) const {
  found.effects.clear();
  found.score = found.worth = -family_cost_[suspect.family] - options_.caution;
  std::vector<std::uint32_t> by_slot[cell_slots];
  for (const std::uint32_t cell : suspect.cells) by_slot[cells_[cell].slot].push_back(cell);
  const bool is_pair = suspect.kind == CauseKind::slow_pair ||
                       (suspect.kind == CauseKind::slow_direction && suspect.direction == CauseDirection::both);
  for (std::size_t quantity = 0; quantity < quantity_count; ++quantity) {
    // The loads that the effect might be seen in: each by itself, and both by the same effect.
    std::vector<std::uint32_t> cells[3];
    bool can_be = false;
    for (std::size_t load = 0; load < pair_load_count; ++load) {
      cells[load] = by_slot[quantity * pair_load_count + load];
      cells[2].insert(cells[2].end(), cells[load].begin(), cells[load].end());
      std::vector<double> residuals;
      for (const std::uint32_t cell : cells[load]) residuals.push_back(cells_[cell].log_time - predicted_[cell]);
      can_be = can_be || (!residuals.empty() && quantile_of(residuals, 0.75) > 0.5 * std::log(options_.factor_min));
    }
    if (!can_be) continue;
    const bool has_both = !cells[0].empty() && !cells[1].empty();
    std::vector<Effect> best_of[3];
    double value_of[3] = {};
    for (std::size_t which = 0; which < 3; ++which) {
      if (cells[which].empty() || (which == 2 && !has_both)) continue;
      for (const bool is_relative : {true, false}) {
        if (!is_relative && (!has_tiers_ || (suspect.kind == CauseKind::slow_host && suspect.is_inside))) continue;
        Effect effect;
        effect.quantity = static_cast<Quantity>(quantity);
        effect.is_relative = is_relative;
        effect.loads[0] = which != 1;
        effect.loads[1] = which != 0;
        if (!fit_size(cells[which], effect)) continue;
        const double value = effect.gain - effect_cost - 0.5 * std::log(static_cast<double>(cells[which].size()));
        if (value > value_of[which]) {
          value_of[which] = value;
          best_of[which] = {effect};
        }
      }
    }
    const bool is_shared = value_of[2] >= value_of[0] + value_of[1];
    double largest = 0;
    double value = 0;
    for (std::size_t which = is_shared ? 2 : 0; which < (is_shared ? 3 : 2); ++which) {
      value += value_of[which];
      for (Effect& each : best_of[which]) {
        largest = std::max(largest, each.size);
        // All cells of a host share what it is by nature.
        if (!is_pair) each.deviation = std::hypot(each.deviation, 0.5 * options_.natural_spread);
      }
      found.effects.insert(found.effects.end(), best_of[which].begin(), best_of[which].end());
    }
    // However often it was measured, a host that is a little slower than the others may be so by nature.
    const double limit = is_pair ? value : 0.5 * std::pow(largest / options_.natural_spread, 2);
    found.score += value;
    found.worth += std::min(value, limit);
  }
}

bool FaultModel::best_suspect(Found& best, std::uint32_t excluded) const {
  // No more can be gained by a suspect than by explaining each of its cells that is too slow in full.
  std::vector<double> most(cells_.size(), 0.0);
  for (std::uint32_t cell = 0; cell < cells_.size(); ++cell) {
    const double residual = cells_[cell].log_time - predicted_[cell];
    if (residual > 0) most[cell] = likelihood(cell, 0.0) - likelihood(cell, residual);
  }
  best.score = 0;
  bool has_one = false;
  for (std::uint32_t suspect = 0; suspect < suspects_.size(); ++suspect) {
    if (suspect == excluded) continue;
    double bound = -options_.caution - family_cost_[suspects_[suspect].family] - effect_cost;
    for (const std::uint32_t cell : suspects_[suspect].cells) bound += most[cell];
    if (bound <= best.score) continue;
    Found trial{suspect, {}, 0.0, 0.0, 0.0};
    judge(suspects_[suspect], trial);
    if (trial.effects.empty() || trial.worth <= 0 || trial.score <= best.score) continue;
    best = std::move(trial);
    has_one = true;
  }
  return has_one;
}

double FaultModel::length_of(const std::vector<Found>& found) const {
  double length = 0;
  for (std::uint32_t cell = 0; cell < cells_.size(); ++cell) {
    length -= likelihood(cell, cells_[cell].log_time - predicted_[cell]);
  }
  for (const Found& each : found) {
    length += family_cost_[suspects_[each.suspect].family] + options_.caution;
    length += effect_cost * static_cast<double>(each.effects.size());
  }
  return length;
}

Model FaultModel::fit(double start) {
  for (Stratum& stratum : strata_) {
    std::vector<double> values;
    for (const std::uint32_t cell : stratum.cells) values.push_back(cells_[cell].log_time);
    stratum.base = mode_near(values, quantile_of(values, start));
    // What is below the base is there by noise alone.
    std::vector<double> below;
    for (const double each : values) {
      if (each <= stratum.base) below.push_back(stratum.base - each);
    }
    stratum.spread = below.empty() ? spread_min : std::max(spread_min, 1.4826 * quantile_of(below, 0.5));
    stratum.odd = 0;
  }
  set_deviations();
  std::vector<Found> found;
  refit(found);
  constexpr int rounds = 4;
  for (int round = 0; round < rounds; ++round) {
    bool has_changed = false;
    Found next;
    while (found.size() < options_.causes_max && best_suspect(next, nobody)) {
      found.push_back(next);
      refit(found);
      has_changed = true;
    }
    set_spreads();
    refit(found);
    if (found.size() >= options_.causes_max) break;  // these tiers, or these bases, explain nothing
    for (std::size_t i = 0; i < found.size();) {
      apply(found, i);
      Found own{found[i].suspect, {}, 0.0, 0.0, 0.0};
      judge(suspects_[own.suspect], own);
      Found rival;
      const bool has_rival = best_suspect(rival, own.suspect);
      own.rival = has_rival ? rival.score : 0.0;
      if (own.effects.empty() || own.worth <= 0) {
        found.erase(found.begin() + static_cast<std::ptrdiff_t>(i));
        refit(found);
        has_changed = true;
        continue;
      }
      constexpr double clearly = 1.0;
      const bool is_known = has_rival && std::any_of(found.begin(), found.end(),
                                                     [&](const Found& each) { return each.suspect == rival.suspect; });
      if (has_rival && !is_known && rival.score > own.score + clearly) {
        found[i] = rival;
        refit(found);
        has_changed = true;
      } else {
        found[i] = own;
      }
      ++i;
    }
    apply(found, found.size());
    if (!has_changed) break;
  }
  Model model;
  model.length = length_of(found);
  model.predicted = predicted_;
  model.deviation = deviation_;
  for (std::uint32_t cell = 0; cell < cells_.size(); ++cell) model.base.push_back(base_of(cell));
  model.found = std::move(found);
  return model;
}

std::vector<double> FaultModel::without(const Model& model, std::size_t found) const {
  FaultModel copy = *this;
  copy.apply(model.found, found);
  return copy.predicted_;
}

}  // namespace gossamer::topology
