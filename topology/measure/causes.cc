#include "topology/measure/causes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "topology/measure/cells.h"
#include "topology/measure/fault_model.h"
#include "topology/measure/quantile.h"
#include "topology/measure/suspects.h"
#include "topology/measure/tiers_of_cells.h"

namespace gossamer::topology {
namespace {

constexpr double starts[] = {0.5, 0.25, 0.08};  // quantiles: bases may be those of the few that are well

// Everything that a fitted model refers to.
struct Explanation {
  Levels levels;
  std::vector<HostGroup> groups;
  std::vector<std::uint32_t> tier;
  std::vector<Suspect> suspects;
  std::unique_ptr<FaultModel> fault_model;
  Model model;
  double length = 0.0;
};

std::vector<std::uint32_t> tiers_of(const std::vector<HostCell>& cells, const std::vector<Partition>& partitions) {
  std::vector<std::uint32_t> tier;
  tier.reserve(cells.size());
  for (const HostCell& cell : cells) {
    std::uint32_t at = 0;
    if (cell.from != cell.to) {
      at = 1;
      for (const Partition& each : partitions) {
        if (each[cell.from] == each[cell.to]) break;
        ++at;
      }
    }
    tier.push_back(at);
  }
  return tier;
}

// Fits `suspects` from each start that differs; the shortest description is kept.
void fit_best(Explanation& out, const std::vector<HostCell>& cells, const CauseOptions& options) {
  double last = -1;
  for (const double start : starts) {
    auto fault_model = std::make_unique<FaultModel>(cells, out.tier, out.suspects, options);
    if (last >= 0 && !fault_model->are_apart(last, start)) continue;
    last = start;
    Model model = fault_model->fit(start);
    if (out.fault_model && model.length >= out.model.length) continue;
    out.model = std::move(model);
    out.fault_model = std::move(fault_model);
  }
}

// For each group the switch as which more than half of its hosts are declared, or nothing.
std::map<std::uint32_t, std::string> majorities(const Partition& partition, const Measurement& measurement) {
  std::map<std::uint32_t, std::map<std::string, std::size_t>> votes;
  std::map<std::uint32_t, std::size_t> sizes;
  for (std::uint32_t host = 0; host < partition.size(); ++host) {
    ++votes[partition[host]][measurement.hosts[host].declared_switch];
    ++sizes[partition[host]];
  }
  std::map<std::uint32_t, std::string> out;
  for (const auto& [group, of_group] : votes) {
    for (const auto& [name, count] : of_group) {
      if (2 * count > sizes[group] && sizes[group] > 1) out[group] = name;
    }
  }
  return out;
}

// A host whose place was not seen is where it was declared to be.
void place_alone(Levels& levels, const Measurement& measurement) {
  if (levels.partitions.empty()) return;
  Partition& finest = levels.partitions.front();
  const std::map<std::uint32_t, std::string> names = majorities(finest, measurement);
  for (std::uint32_t host = 0; host < finest.size(); ++host) {
    const std::string& declared = measurement.hosts[host].declared_switch;
    if (declared.empty() || std::count(finest.begin(), finest.end(), finest[host]) > 1) continue;
    const auto home =
        std::find_if(names.begin(), names.end(), [&](const auto& each) { return each.second == declared; });
    if (home == names.end()) continue;
    const auto mate = static_cast<std::size_t>(std::find(finest.begin(), finest.end(), home->first) - finest.begin());
    for (Partition& each : levels.partitions) {
      if (std::count(each.begin(), each.end(), each[host]) == 1) each[host] = each[mate];
    }
  }
}

// What it costs to tell who belongs together, in nats. What was declared is known, but for hosts that are elsewhere.
double cost_of(const std::vector<Partition>& partitions, const Measurement& measurement) {
  const auto hosts = static_cast<double>(measurement.hosts.size());
  double cost = 0;
  double atoms = hosts;
  for (std::size_t level = 0; level < partitions.size(); ++level) {
    const std::set<std::uint32_t> groups(partitions[level].begin(), partitions[level].end());
    double own = atoms * std::log(static_cast<double>(groups.size()));
    if (level == 0) {
      const std::map<std::uint32_t, std::string> names = majorities(partitions[0], measurement);
      double moved = 0;
      for (std::uint32_t host = 0; host < partitions[0].size(); ++host) {
        const auto name = names.find(partitions[0][host]);
        const std::string& declared = measurement.hosts[host].declared_switch;
        moved += declared.empty() || name == names.end() || name->second != declared ? 1 : 0;
      }
      own = std::min(own, 2.0 + moved * std::log(hosts * static_cast<double>(groups.size())));
    }
    cost += own;
    atoms = static_cast<double>(groups.size());
  }
  return cost;
}

std::unique_ptr<Explanation> explain(const std::vector<HostCell>& cells, const Measurement& measurement, Levels levels,
                                     const CauseOptions& options) {
  auto out = std::make_unique<Explanation>();
  const auto hosts = static_cast<std::uint32_t>(measurement.hosts.size());
  out->levels = std::move(levels);
  out->groups = host_groups(out->levels.partitions, measurement);
  out->tier = tiers_of(cells, out->levels.partitions);
  out->suspects = network_suspects(cells, hosts, out->groups);
  fit_best(*out, cells, options);
  out->length = out->model.length + cost_of(out->levels.partitions, measurement);
  return out;
}

Partition declared_partition(const Measurement& measurement) {
  std::map<std::string, std::uint32_t> first;
  Partition out;
  for (std::uint32_t host = 0; host < measurement.hosts.size(); ++host) {
    const std::string& name = measurement.hosts[host].declared_switch;
    if (name.empty()) return {};
    out.push_back(first.try_emplace(name, host).first->second);
  }
  return first.size() > 1 && first.size() < measurement.hosts.size() ? out : Partition{};
}

std::unique_ptr<Explanation> best_explanation(const std::vector<HostCell>& cells, const Measurement& measurement,
                                              const CauseOptions& options) {
  const auto hosts = static_cast<std::uint32_t>(measurement.hosts.size());
  std::unique_ptr<Explanation> best = explain(cells, measurement, {}, options);
  std::set<std::vector<Partition>> tried = {{}};
  const auto attempt = [&](Levels levels) {
    place_alone(levels, measurement);
    if (!tried.insert(levels.partitions).second) return false;
    auto other = explain(cells, measurement, std::move(levels), options);
    if (other->length >= best->length) return false;
    best = std::move(other);
    return true;
  };
  const Partition declared = declared_partition(measurement);
  const auto attempt_all = [&](const std::vector<HostCell>& seen) {
    bool is_better = false;
    if (!declared.empty()) {
      is_better = attempt({{declared}, 0.0});
      for (Levels& each : levels_of(seen, hosts, declared)) is_better = attempt(std::move(each)) || is_better;
    }
    for (Levels& each : levels_of(seen, hosts)) is_better = attempt(std::move(each)) || is_better;
    return is_better;
  };
  attempt_all(cells);
  // Groups are seen better without what was found.
  for (int again = 0; again < 2 && !best->model.found.empty(); ++again) {
    std::vector<HostCell> cleaned = cells;
    for (std::size_t i = 0; i < cells.size(); ++i)
      cleaned[i].log_time -= best->model.predicted[i] - best->model.base[i];
    if (!attempt_all(cleaned)) break;
  }
  return best;
}

double logistic(double nats) { return 1 / (1 + std::exp(-nats)); }

std::string hosts_in_words(const std::vector<std::uint32_t>& hosts, const Measurement& measurement) {
  const auto name = [&](std::size_t i) { return measurement.hosts[hosts[i]].name; };
  if (hosts.size() == 2) return text(name(0), ", ", name(1));
  return hosts.size() == 1 ? name(0) : text(name(0), " ... ", name(hosts.size() - 1));
}

std::string group_in_words(const HostGroup& group, const Measurement& measurement) {
  std::string name = group.name;
  if (name.empty()) {
    std::map<std::string, std::size_t> votes;
    for (const std::uint32_t host : group.hosts) ++votes[measurement.hosts[host].declared_switch];
    for (const auto& [each, count] : votes) {
      if (2 * count > group.hosts.size()) name = each;
    }
  }
  const std::string size = text(group.hosts.size(), " hosts");
  return name.empty() ? text("switch of ", hosts_in_words(group.hosts, measurement), " (", size, ")")
                      : text("switch ", name, " (", size, ")");
}

// Who a suspect is, in a cause.
Cause named(const Suspect& suspect, const std::vector<HostGroup>& groups, const Measurement& measurement) {
  Cause out;
  out.kind = suspect.kind;
  out.direction = suspect.direction;
  const char* side = suspect.direction == CauseDirection::out  ? " out"
                     : suspect.direction == CauseDirection::in ? " in"
                                                               : "";
  if (suspect.kind == CauseKind::slow_switch) {
    out.hosts = groups[suspect.first].hosts;
    out.what = group_in_words(groups[suspect.first], measurement) + side;
    if (suspect.is_pair_of_groups) {
      out.others = groups[suspect.second].hosts;
      out.what += " - " + group_in_words(groups[suspect.second], measurement);
    } else if (!suspect.is_inside && suspect.direction == CauseDirection::both) {
      out.what += " uplink";
    }
    return out;
  }
  out.hosts = {suspect.first};
  out.what = measurement.hosts[suspect.first].name;
  const bool is_pair = suspect.kind == CauseKind::slow_pair ||
                       (suspect.kind == CauseKind::slow_direction && suspect.direction == CauseDirection::both);
  if (is_pair) {
    out.hosts.push_back(suspect.second);
    out.what += (suspect.kind == CauseKind::slow_pair ? " - " : " -> ") + measurement.hosts[suspect.second].name;
  }
  out.is_inside = suspect.kind == CauseKind::slow_host && suspect.is_inside;
  out.what += out.is_inside ? " inside" : side;
  return out;
}

// By how much a cause slows each quantity, where it is not hidden behind another.
struct Shown {
  double excess_sum = 0.0;  // over all pairs of the quantity
  double pairs_sum = 0.0;
  std::vector<double> logs;  // of the cells that show it
};

Cause cause_of(const Explanation& explanation, std::size_t index, const std::vector<HostCell>& cells,
               const Measurement& measurement) {
  constexpr double visible = 0.02;
  const Model& model = explanation.model;
  const Found& found = model.found[index];
  const Suspect& suspect = explanation.suspects[found.suspect];
  Cause out = named(suspect, explanation.groups, measurement);
  const std::vector<double> without = explanation.fault_model->without(model, index);

  Shown shown[quantity_count];
  std::uint32_t pairs[cell_slots] = {};
  std::uint32_t explained[cell_slots] = {};
  for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
    const HostCell& at = cells[cell];
    Shown& quantity = shown[static_cast<std::size_t>(at.quantity)];
    const double excess = model.predicted[cell] - without[cell];
    quantity.pairs_sum += at.pairs;
    if (excess <= visible) continue;
    quantity.excess_sum += at.pairs * std::expm1(excess);
    quantity.logs.push_back(excess);
    pairs[at.slot] += at.pairs;
    if (at.log_time - without[cell] > 0.5 * excess) explained[at.slot] += at.pairs;
  }
  const auto slot = static_cast<std::size_t>(std::max_element(pairs, pairs + cell_slots) - pairs);
  out.pairs = pairs[slot];
  out.pairs_explained = explained[slot];

  for (const Effect& effect : found.effects) {
    Shown& quantity = shown[static_cast<std::size_t>(effect.quantity)];
    double size = effect.size;
    if (!effect.is_relative && !quantity.logs.empty()) {
      size = median_of(quantity.logs);
    }
    const double width = 1.96 * effect.deviation;
    const Estimate factor{std::exp(size), std::exp(size - width), std::exp(size + width)};
    std::optional<Estimate>& place = effect.quantity == Quantity::latency     ? out.latency_factor
                                     : effect.quantity == Quantity::bandwidth ? out.time_per_byte_factor
                                                                              : out.tail_factor;
    if (!place || factor.value > place->value) place = factor;
    if (factor.value > out.factor.value) out.factor = factor;
    out.idle = out.idle || effect.loads[0];
    out.loaded = out.loaded || effect.loads[1];
  }
  for (const Shown& each : shown) {
    if (each.pairs_sum > 0) out.harm = std::max(out.harm, each.excess_sum / each.pairs_sum);
  }
  const double share = out.pairs == 0 ? 0.0 : static_cast<double>(out.pairs_explained) / out.pairs;
  out.confidence = share * logistic(std::min(found.score, found.score - found.rival));
  return out;
}

std::string evidence_of(const Cause& cause) {
  std::string out;
  const auto say = [&](const char* what, const std::optional<Estimate>& factor) {
    if (factor) append(out, out.empty() ? "" : ", ", what, " ", fixed(factor->value, 2), "x");
  };
  say("latency", cause.latency_factor);
  say("time per byte", cause.time_per_byte_factor);
  say("p99/p50", cause.tail_factor);
  if (cause.pairs > 0) {
    append(out, cause.idle && cause.loaded ? ", idle and loaded" : cause.idle ? ", idle" : ", loaded");
    append(out, "; ", cause.pairs_explained, " of ", cause.pairs, " pairs show it");
  }
  if (cause.stolen_cpu > 0) {
    append(out, out.empty() ? "" : "; ", fixed(100 * cause.stolen_cpu, 1), " % of its processor was taken away");
  }
  return out;
}

// Hosts whose processor the hypervisor takes away by more than it does elsewhere.
void add_stolen(std::vector<Cause>& causes, const Measurement& measurement) {
  constexpr double worth_a_word = 0.02;
  std::vector<double> all;
  for (const MeasuredHost& each : measurement.hosts) all.push_back(each.stolen_cpu);
  std::sort(all.begin(), all.end());
  const double usual = all.empty() ? 0.0 : all[(all.size() - 1) / 2];
  for (std::uint32_t host = 0; host < measurement.hosts.size(); ++host) {
    const double stolen = measurement.hosts[host].stolen_cpu;
    if (!(stolen > worth_a_word + 3 * usual)) continue;
    const auto known = std::find_if(causes.begin(), causes.end(), [&](const Cause& each) {
      return each.kind == CauseKind::noise && each.hosts.front() == host;
    });
    if (known != causes.end()) {
      known->stolen_cpu = stolen;
      continue;
    }
    Cause cause;
    cause.kind = CauseKind::noise;
    cause.hosts = {host};
    cause.what = measurement.hosts[host].name;
    cause.stolen_cpu = stolen;
    const double factor = 1 / std::max(0.01, 1 - stolen);
    cause.factor = {factor, factor, factor};
    cause.confidence = 1.0;
    cause.harm = (factor - 1) / static_cast<double>(measurement.hosts.size());
    causes.push_back(std::move(cause));
  }
}

std::unique_ptr<Explanation> explain_tails(const std::vector<HostCell>& tails, const Measurement& measurement,
                                           const Levels& levels, CauseOptions options) {
  options.factor_min = std::max(options.factor_min, 1.3);
  options.natural_spread = std::max(options.natural_spread, 0.06);  // a p99 is known less well than a median
  auto out = std::make_unique<Explanation>();
  out->tier = tiers_of(tails, levels.partitions);
  out->suspects = noise_suspects(tails, static_cast<std::uint32_t>(measurement.hosts.size()));
  fit_best(*out, tails, options);
  return out;
}

// A host whose times scatter has a somewhat larger median as well.
bool is_by_noise(const Cause& cause, const std::vector<Cause>& noises) {
  if (cause.kind != CauseKind::slow_host && cause.kind != CauseKind::slow_direction) return false;
  if (cause.hosts.size() != 1 || cause.time_per_byte_factor || !cause.latency_factor) return false;
  return std::any_of(noises.begin(), noises.end(), [&](const Cause& noise) {
    return noise.hosts == cause.hosts && noise.tail_factor &&
           cause.latency_factor->value - 1 < 0.25 * (noise.tail_factor->value - 1);
  });
}

double spread_of(const std::vector<HostCell>& cells, const std::vector<double>& around) {
  constexpr double most = 3.0;  // in logarithms: outliers count as that
  double sum = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const double residual = std::clamp(cells[i].log_time - around[i], -most, most);
    sum += residual * residual;
  }
  return cells.empty() ? 0.0 : std::sqrt(sum / static_cast<double>(cells.size()));
}

}  // namespace

const char* cause_kind_name(CauseKind kind) {
  switch (kind) {
    case CauseKind::slow_host:
      return "slow host";
    case CauseKind::slow_direction:
      return "slow direction";
    case CauseKind::slow_pair:
      return "slow pair";
    case CauseKind::slow_switch:
      return "slow switch";
    case CauseKind::noise:
      return "noise";
  }
  return "?";
}

Causes find_causes(const Measurement& measurement, const CauseOptions& options) {
  Causes out;
  for (const PairMeasurement& each : measurement.pairs) ++(each.missing.empty() ? out.pairs : out.missing);
  std::vector<HostCell> times;
  std::vector<HostCell> tails;
  for (const HostCell& each : make_cells(measurement))
    (each.quantity == Quantity::tail ? tails : times).push_back(each);

  const std::unique_ptr<Explanation> explanation = best_explanation(times, measurement, options);
  const Model& model = explanation->model;
  std::vector<Cause> slow;
  for (std::size_t i = 0; i < model.found.size(); ++i) slow.push_back(cause_of(*explanation, i, times, measurement));
  std::erase_if(slow, [](const Cause& each) { return each.pairs == 0; });
  const std::unique_ptr<Explanation> noise = explain_tails(tails, measurement, explanation->levels, options);
  for (std::size_t i = 0; i < noise->model.found.size(); ++i) {
    out.causes.push_back(cause_of(*noise, i, tails, measurement));
    out.causes.back().harm *= 0.1;  // one in a hundred of its messages, and collectives wait for the last of many
  }
  std::erase_if(slow, [&](const Cause& each) { return is_by_noise(each, out.causes); });
  add_stolen(out.causes, measurement);
  out.causes.insert(out.causes.end(), slow.begin(), slow.end());
  for (Cause& each : out.causes) each.evidence = evidence_of(each);
  std::sort(out.causes.begin(), out.causes.end(),
            [](const Cause& a, const Cause& b) { return a.harm != b.harm ? a.harm > b.harm : a.what < b.what; });

  out.spread_before = spread_of(times, model.base);
  out.spread_after = spread_of(times, model.predicted);
  for (std::size_t i = 0; i < times.size(); ++i) times[i].log_time -= model.predicted[i] - model.base[i];
  out.tiers = tiers_from(explanation->levels, measurement, times);
  return out;
}

}  // namespace gossamer::topology
