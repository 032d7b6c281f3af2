#include "tools/topo/links.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include "base/base.h"

namespace gossamer::tools {

using topology::Estimate;
using topology::Measurement;
using topology::PairLoad;
using topology::PairMeasurement;
using topology::SizeSamples;

namespace {

constexpr std::uint32_t nowhere = ~std::uint32_t{0};

double speed(std::uint64_t bytes, double nanoseconds) {
  return nanoseconds > 0 ? static_cast<double>(bytes) / nanoseconds : 0.0;
}

// Numbers of the names in the order in which they first come.
class Numbers {
 public:
  std::uint32_t of(const std::string& name) {
    return known_.try_emplace(name, static_cast<std::uint32_t>(known_.size())).first->second;
  }

 private:
  std::map<std::string, std::uint32_t> known_;
};

// Three digits and a unit of 1,000 each.
std::string scaled(double value, std::span<const char* const> units) {
  std::size_t unit = 0;
  while (unit + 1 < units.size() && std::abs(value) >= 999.5) {
    value /= 1e3;
    ++unit;
  }
  const int digits = std::abs(value) < 9.995 ? 2 : std::abs(value) < 99.95 ? 1 : 0;
  return text(fixed(value, digits), ' ', units[unit]);
}

}  // namespace

Links::Links(const Measurement& measurement) : measurement_(measurement) {
  const std::size_t ranks = measurement.ranks.size();
  for (std::uint32_t i = 0; i < measurement.pairs.size(); ++i) {
    const PairMeasurement& pair = measurement.pairs[i];
    if (pair.from >= ranks || pair.to >= ranks) continue;
    std::vector<std::uint32_t>& index = index_[static_cast<std::size_t>(pair.load)];
    if (index.empty()) index.assign(ranks * ranks, nowhere);
    index[pair.from * ranks + pair.to] = i;
  }
}

const PairMeasurement* Links::find(PairLoad load, std::uint32_t from, std::uint32_t to) const {
  const std::vector<std::uint32_t>& index = index_[static_cast<std::size_t>(load)];
  if (index.empty()) return nullptr;
  const std::uint32_t at = index[std::size_t{from} * measurement_.ranks.size() + to];
  return at == nowhere ? nullptr : &measurement_.pairs[at];
}

std::optional<LinkFigures> Links::figures(PairLoad load, std::uint32_t from, std::uint32_t to) const {
  const PairMeasurement* pair = find(load, from, to);
  if (pair == nullptr) return std::nullopt;
  return figures_of(*pair);
}

std::optional<LinkFigures> figures_of(const PairMeasurement& pair) {
  if (!pair.missing.empty() || pair.sizes.empty()) return std::nullopt;
  const SizeSamples& least = pair.sizes.front();
  const SizeSamples& most = pair.sizes.back();
  const Estimate& time = most.p50_ns;
  return LinkFigures{
      least.p50_ns,
      least.p99_ns,
      {speed(most.bytes, time.value), speed(most.bytes, time.high), speed(most.bytes, time.low)},
      speed(most.bytes, most.p99_ns),
  };
}

std::uint32_t PairTiers::tier_of(std::uint32_t a, std::uint32_t b) const {
  std::uint32_t tier = 0;
  while (tier + 1 < groups.size() && groups[tier][a] != groups[tier][b]) ++tier;
  return tier;
}

PairTiers tiers_by_declaration(const Measurement& measurement) {
  PairTiers tiers;
  const std::size_t ranks = measurement.ranks.size();
  std::vector<std::uint32_t> hosts;
  std::vector<std::uint32_t> switches;
  Numbers numbers;
  for (const topology::MeasuredRank& rank : measurement.ranks) {
    hosts.push_back(rank.host);
    switches.push_back(numbers.of(measurement.hosts[rank.host].declared_switch));
  }
  tiers.order.resize(ranks);
  std::iota(tiers.order.begin(), tiers.order.end(), 0u);
  std::stable_sort(tiers.order.begin(), tiers.order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::pair(switches[a], hosts[a]) < std::pair(switches[b], hosts[b]);
  });
  const bool has_switches =
      std::adjacent_find(switches.begin(), switches.end(), std::not_equal_to<>()) != switches.end();
  const bool has_hosts = std::adjacent_find(hosts.begin(), hosts.end(), std::not_equal_to<>()) != hosts.end();
  tiers.names.emplace_back("same host");
  if (has_hosts) {
    tiers.groups.push_back(hosts);
    if (has_switches) {
      tiers.names.emplace_back("same switch");
      tiers.groups.push_back(switches);
    }
    tiers.names.emplace_back(has_switches ? "between switches" : "between hosts");
  }
  tiers.groups.emplace_back(ranks, 0u);
  return tiers;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::string rank_in_words(const Measurement& measurement, std::uint32_t rank) {
  return text("rank ", rank, " on ", measurement.host_of(rank));
}

std::string time_in_words(double nanoseconds) {
  constexpr std::array<const char*, 4> units = {"ns", "us", "ms", "s"};
  return scaled(nanoseconds, units);
}

std::string speed_in_words(double gb_per_s) {
  constexpr std::array<const char*, 3> units = {"kB/s", "MB/s", "GB/s"};
  return scaled(gb_per_s * 1e6, units);
}

}  // namespace gossamer::tools
