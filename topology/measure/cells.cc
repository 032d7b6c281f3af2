#include "topology/measure/cells.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "topology/measure/quantile.h"

namespace gossamer::topology {
namespace {

// What a single pair of ranks says of one quantity.
struct Sample {
  std::uint32_t slot = 0;
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  double log_time = 0.0;
  double noise = 0.0;
  std::uint32_t passes = 1;

  [[nodiscard]] auto place() const { return std::tie(slot, from, to); }
  [[nodiscard]] bool operator<(const Sample& other) const {
    return std::tie(slot, from, to, log_time, noise) <
           std::tie(other.slot, other.from, other.to, other.log_time, other.noise);
  }
};

struct LogValue {
  double log_time = 0.0;
  double noise = 0.0;
};

std::optional<LogValue> in_logarithm(const Estimate& time) {
  if (!(time.value > 0) || !std::isfinite(time.value)) return std::nullopt;
  constexpr double intervals_width = 3.92;  // 95 of 100, in standard deviations
  const bool has_interval = time.low > 0 && time.high > time.low && std::isfinite(time.high);
  return LogValue{std::log(time.value), has_interval ? std::log(time.high / time.low) / intervals_width : 0.0};
}

std::optional<LogValue> latency_of(const PairMeasurement& pair) {
  if (pair.fit) {
    if (auto fitted = in_logarithm(pair.fit->alpha_ns)) return fitted;
  }
  return pair.sizes.empty() ? std::nullopt : in_logarithm(pair.sizes.front().p50_ns);
}

std::optional<LogValue> bandwidth_of(const PairMeasurement& pair) {
  if (pair.fit) {
    if (auto fitted = in_logarithm(pair.fit->beta_ns_per_byte)) return fitted;
  }
  if (pair.sizes.size() < 2) return std::nullopt;
  const SizeSamples& small = pair.sizes.front();
  const SizeSamples& large = pair.sizes.back();
  if (large.bytes <= small.bytes) return std::nullopt;
  const double beta = (large.p50_ns.value - small.p50_ns.value) / static_cast<double>(large.bytes - small.bytes);
  return in_logarithm({beta, 0, 0});
}

std::optional<LogValue> tail_of(const PairMeasurement& pair) {
  constexpr std::uint32_t samples_min = 20;  // fewer have no p99
  std::vector<double> tails;
  for (const SizeSamples& each : pair.sizes) {
    if (each.count < samples_min || !(each.p50_ns.value > 0) || !(each.p99_ns >= each.p50_ns.value)) continue;
    if (std::isfinite(each.p99_ns)) tails.push_back(std::log(each.p99_ns / each.p50_ns.value));
  }
  if (tails.empty()) return std::nullopt;
  return LogValue{median_of(tails), 0.0};
}

std::vector<Sample> samples_of(const Measurement& measurement) {
  std::vector<Sample> samples;
  samples.reserve(measurement.pairs.size() * quantity_count);
  for (const PairMeasurement& pair : measurement.pairs) {
    if (!pair.missing.empty() || pair.from == pair.to) continue;
    const std::uint32_t from = measurement.ranks[pair.from].host;
    const std::uint32_t to = measurement.ranks[pair.to].host;
    const std::optional<LogValue> values[quantity_count] = {latency_of(pair), bandwidth_of(pair), tail_of(pair)};
    for (std::size_t quantity = 0; quantity < quantity_count; ++quantity) {
      if (!values[quantity]) continue;
      const auto slot = static_cast<std::uint32_t>(quantity * pair_load_count + static_cast<std::size_t>(pair.load));
      samples.push_back({slot, from, to, values[quantity]->log_time, values[quantity]->noise, pair.passes});
    }
  }
  std::sort(samples.begin(), samples.end());
  return samples;
}

// That at least half of `count` are outliers, one in `one` each, which a lower median follows from there on.
double chance_of_odd_median(std::uint32_t count, double one) {
  const std::uint32_t needed = (count - 1) / 2 + 1 + (count % 2 == 0 ? 1 : 0);
  double sum = 0;
  for (std::uint32_t k = needed; k <= count; ++k) {
    const double ways = std::lgamma(count + 1.0) - std::lgamma(k + 1.0) - std::lgamma(count - k + 1.0);
    sum += std::exp(ways + k * std::log(one) + (count - k) * std::log1p(-one));
  }
  return sum;
}

}  // namespace

std::vector<HostCell> make_cells(const Measurement& measurement) {
  constexpr double outliers = 0.04;    // of the pairs of ranks
  constexpr double chance_min = 1e-5;  // what else may be wrong with a median
  const std::vector<Sample> samples = samples_of(measurement);

  // The spread between pairs of the same two hosts, for each slot: mean absolute distance from the median, robustly.
  std::vector<double> spreads[cell_slots];
  std::vector<HostCell> cells;
  for (std::size_t begin = 0; begin < samples.size();) {
    std::size_t end = begin;
    std::uint32_t passes = samples[begin].passes;
    double noise = 0;
    for (; end < samples.size() && samples[end].place() == samples[begin].place(); ++end) {
      passes = std::min(passes, samples[end].passes);
      noise += samples[end].noise;
    }
    const auto count = static_cast<std::uint32_t>(end - begin);
    const std::uint32_t slot = samples[begin].slot;
    HostCell cell;
    cell.from = samples[begin].from;
    cell.to = samples[begin].to;
    cell.quantity = static_cast<Quantity>(slot / pair_load_count);
    cell.load = static_cast<PairLoad>(slot % pair_load_count);
    cell.slot = slot;
    cell.pairs = count;
    cell.log_time = samples[begin + (count - 1) / 2].log_time;
    cell.noise = noise / count;
    // A pair that was measured again because it looked odd is odd by chance only if it was so each time.
    const double one = std::pow(outliers, std::min(passes, 4u));
    cell.odd_chance = std::max(chance_min, chance_of_odd_median(count, one));
    if (count > 2) {
      for (std::size_t i = begin; i < end; ++i) spreads[slot].push_back(std::abs(samples[i].log_time - cell.log_time));
    }
    cells.push_back(cell);
    begin = end;
  }

  double spread_of[cell_slots] = {};
  for (std::size_t slot = 0; slot < cell_slots; ++slot) {
    std::vector<double>& all = spreads[slot];
    if (all.empty()) continue;
    spread_of[slot] = 1.4826 * median_of(all);
  }
  for (HostCell& cell : cells) {
    const double one = std::max(cell.noise, spread_of[cell.slot]);
    cell.noise = cell.pairs > 2 ? 1.2533 * one / std::sqrt(static_cast<double>(cell.pairs)) : one;
  }
  return cells;
}

}  // namespace gossamer::topology
