#include "tools/topo/diff.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "tools/topo/links.h"

namespace gossamer::tools {
namespace {

using topology::Estimate;
using topology::Measurement;
using topology::PairLoad;
using topology::PairMeasurement;
using topology::SizeSamples;

// What a rank is called in both: its host, and the how manieth it is there.
using Place = std::pair<std::string, std::uint32_t>;

std::map<std::string, std::uint32_t> ranks_by_host(const Measurement& measurement) {
  std::map<std::string, std::uint32_t> out;
  for (const topology::MeasuredHost& host : measurement.hosts) out[host.name];
  for (std::uint32_t rank = 0; rank < measurement.ranks.size(); ++rank) ++out[measurement.host_of(rank)];
  return out;
}

std::vector<Place> places_of(const Measurement& measurement) {
  std::map<std::string, std::uint32_t> next;
  std::vector<Place> out;
  for (std::uint32_t rank = 0; rank < measurement.ranks.size(); ++rank) {
    const std::string& host = measurement.host_of(rank);
    out.emplace_back(host, next[host]++);
  }
  return out;
}

// The first few of them.
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t shown_max = 6;
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), shown_max); ++i) append(out, i == 0 ? "" : ", ", names[i]);
  if (names.size() > shown_max) append(out, " and ", names.size() - shown_max, " more");
  return out;
}

Status check_same_cluster(const Measurement& baseline, const Measurement& now) {
  std::vector<std::string> differences;
  const std::map<std::string, std::uint32_t> before = ranks_by_host(baseline);
  const std::map<std::string, std::uint32_t> after = ranks_by_host(now);
  std::vector<std::string> gone;
  std::vector<std::string> come;
  std::vector<std::string> others;
  for (const auto& [host, ranks] : before) {
    const auto same = after.find(host);
    if (same == after.end()) {
      gone.push_back(host);
    } else if (same->second != ranks) {
      others.push_back(text(host, " (", ranks, " then, ", same->second, " now)"));
    }
  }
  for (const auto& [host, ranks] : after) {
    if (!before.contains(host)) come.push_back(host);
  }
  if (!gone.empty()) differences.push_back(text("hosts of the baseline alone: ", listed(gone)));
  if (!come.empty()) differences.push_back(text("hosts that it has not: ", listed(come)));
  if (!others.empty()) differences.push_back(text("other numbers of ranks: ", listed(others)));
  if (baseline.transport != now.transport)
    differences.push_back(text("transport ", baseline.transport, " then, ", now.transport, " now"));
  if (baseline.memory != now.memory)
    differences.push_back(text("memory ", baseline.memory, " then, ", now.memory, " now"));
  if (differences.empty()) return {};
  std::string all;
  for (const std::string& each : differences) append(all, all.empty() ? "" : "; ", each);
  return Error{Code::mismatch, text("the baseline is of something else: ", all,
                                    "; measure the same hosts, ranks, transport and memory, or take a new baseline")};
}

// Of the smallest and the largest message that both have; nothing where they share none.
struct CommonSizes {
  const SizeSamples* least[2] = {nullptr, nullptr};
  const SizeSamples* most[2] = {nullptr, nullptr};
};

std::optional<CommonSizes> common_sizes(const PairMeasurement& baseline, const PairMeasurement& now) {
  CommonSizes out;
  for (const SizeSamples& then : baseline.sizes) {
    for (const SizeSamples& after : now.sizes) {
      if (then.bytes != after.bytes) continue;
      if (out.least[0] == nullptr) std::tie(out.least[0], out.least[1]) = std::pair(&then, &after);
      std::tie(out.most[0], out.most[1]) = std::pair(&then, &after);
    }
  }
  if (out.least[0] == nullptr) return std::nullopt;
  return out;
}

Estimate speed(const SizeSamples& sample) {
  const auto of = [&](double time) { return time > 0 ? static_cast<double>(sample.bytes) / time : 0.0; };
  return {of(sample.p50_ns.value), of(sample.p50_ns.high), of(sample.p50_ns.low)};
}

Change judge(double ratio, double ratio_low, double ratio_high, double threshold) {
  if (ratio > threshold && ratio_low > 1) return Change::worse;
  if (ratio * threshold < 1 && ratio_high < 1) return Change::better;
  return Change::none;
}

// Of times.
QuantityChange compare(const Estimate& baseline, const Estimate& now, double threshold) {
  QuantityChange out{baseline, now};
  if (!(baseline.value > 0) || !(now.value > 0)) return out;
  out.ratio = now.value / baseline.value;
  const double low = baseline.high > 0 ? now.low / baseline.high : 0;
  const double high = baseline.low > 0 ? now.high / baseline.low : HUGE_VAL;
  out.change = judge(out.ratio, low, high, threshold);
  return out;
}

// What a host's or a tier's pairs say, before it is one row.
struct Gathered {
  std::vector<double> ratio[2], baseline[2], now[2];  // latency, bandwidth
  std::size_t pairs = 0;

  void add(const DiffRow& row) {
    ++pairs;
    const QuantityChange* both[2] = {&row.latency, &row.bandwidth};
    for (std::size_t i = 0; i < 2; ++i) {
      ratio[i].push_back(both[i]->ratio);
      baseline[i].push_back(both[i]->baseline.value);
      now[i].push_back(both[i]->now.value);
    }
  }
};

// The interval of the median by order statistics: ranks n/2 -+ 0.98 sqrt(n), 95 in 100; all values where there are few.
QuantityChange middle_of(const Gathered& gathered, std::size_t quantity, double threshold) {
  std::vector<double> ratios = gathered.ratio[quantity];
  std::sort(ratios.begin(), ratios.end());
  const double count = static_cast<double>(ratios.size());
  const double reach = 0.98 * std::sqrt(count);
  const auto low = static_cast<std::size_t>(std::max(0.0, std::floor(count / 2 - reach)));
  const auto high = static_cast<std::size_t>(std::min(count - 1, std::ceil(count / 2 + reach)));
  QuantityChange out;
  const double then = median(gathered.baseline[quantity]);
  const double after = median(gathered.now[quantity]);
  out.baseline = {then, then, then};
  out.now = {after, after, after};
  out.ratio = median(ratios);
  out.change = judge(out.ratio, ratios[low], ratios[high], threshold);
  return out;
}

std::string name_of(const Place& place) { return text(place.first, " rank ", place.second); }

class Differ {
 public:
  Differ(const Measurement& baseline, const Measurement& now, const DiffThresholds& thresholds)
      : baseline_(baseline), now_(now), thresholds_(thresholds), then_(baseline), tiers_(tiers_by_declaration(now)) {
    std::map<Place, std::uint32_t> ranks;
    const std::vector<Place> before = places_of(baseline);
    for (std::uint32_t rank = 0; rank < before.size(); ++rank) ranks[before[rank]] = rank;
    places_ = places_of(now);
    for (const Place& place : places_) before_.push_back(ranks.at(place));
  }

  Result<Diff> run() {
    for (const PairMeasurement& pair : now_.pairs) GOSSAMER_TRY(add(pair));
    if (out_.pairs_compared == 0 && out_.pairs_lost == 0 && !now_.pairs.empty())
      return Error{Code::mismatch,
                   "the two have no pair in common: sample with the seed of the baseline, or all pairs"};
    for (std::size_t tier = 0; tier < tiers_.names.size(); ++tier) {
      for (const PairLoad load : {PairLoad::idle, PairLoad::loaded})
        add_row(DiffLevel::tier, tiers_.names[tier], load, by_tier_[{load, tier}]);
    }
    for (std::uint32_t host = 0; host < now_.hosts.size(); ++host) {
      for (const PairLoad load : {PairLoad::idle, PairLoad::loaded})
        add_row(DiffLevel::host, now_.hosts[host].name, load, by_host_[{load, host}]);
    }
    std::stable_sort(pairs_.begin(), pairs_.end(), [](const DiffRow& a, const DiffRow& b) {
      const auto weight = [](const DiffRow& row) {
        return row.is(Change::lost) ? HUGE_VAL : std::max(row.latency.ratio, row.bandwidth.ratio);
      };
      return weight(a) > weight(b);
    });
    out_.rows.insert(out_.rows.end(), std::make_move_iterator(pairs_.begin()), std::make_move_iterator(pairs_.end()));
    return std::move(out_);
  }

 private:
  Status add(const PairMeasurement& pair) {
    const PairMeasurement* before = then_.find(pair.load, before_[pair.from], before_[pair.to]);
    if (before == nullptr) return {};
    DiffRow row{DiffLevel::pair, text(name_of(places_[pair.from]), " -> ", name_of(places_[pair.to])), pair.load};
    const bool had = before->missing.empty() && !before->sizes.empty();
    const bool has = pair.missing.empty() && !pair.sizes.empty();
    if (!had && !has) return {};
    if (!had || !has) {
      row.latency.change = row.bandwidth.change = had ? Change::lost : Change::found;
      row.missing = had ? pair.missing : before->missing;
      ++(had ? out_.pairs_lost : out_.pairs_found);
      pairs_.push_back(std::move(row));
      return {};
    }
    const std::optional<CommonSizes> sizes = common_sizes(*before, pair);
    if (!sizes) return Error{Code::mismatch, text("no message size in common for ", row.name)};
    ++out_.pairs_compared;
    row.latency = compare(sizes->least[0]->p50_ns, sizes->least[1]->p50_ns, thresholds_.latency);
    row.bandwidth = compare(sizes->most[0]->p50_ns, sizes->most[1]->p50_ns, thresholds_.bandwidth);
    row.bandwidth.baseline = speed(*sizes->most[0]);
    row.bandwidth.now = speed(*sizes->most[1]);
    const std::uint32_t from = now_.ranks[pair.from].host;
    const std::uint32_t to = now_.ranks[pair.to].host;
    by_tier_[{pair.load, tiers_.tier_of(pair.from, pair.to)}].add(row);
    if (from != to || now_.hosts.size() == 1) {
      by_host_[{pair.load, from}].add(row);
      if (from != to) by_host_[{pair.load, to}].add(row);
    }
    out_.pairs_worse += row.is(Change::worse) ? 1u : 0u;
    out_.pairs_better += row.is(Change::better) && !row.is(Change::worse) ? 1u : 0u;
    if (row.is(Change::worse) || row.is(Change::better)) pairs_.push_back(std::move(row));
    return {};
  }

  void add_row(DiffLevel level, const std::string& name, PairLoad load, const Gathered& gathered) {
    if (gathered.pairs == 0) return;
    out_.rows.push_back({level, name, load, gathered.pairs, middle_of(gathered, 0, thresholds_.latency),
                         middle_of(gathered, 1, thresholds_.bandwidth), ""});
  }

  const Measurement& baseline_;
  const Measurement& now_;
  const DiffThresholds& thresholds_;
  const Links then_;
  const PairTiers tiers_;
  std::vector<Place> places_;          // by rank of now
  std::vector<std::uint32_t> before_;  // the same rank in the baseline
  std::map<std::pair<PairLoad, std::size_t>, Gathered> by_tier_;
  std::map<std::pair<PairLoad, std::uint32_t>, Gathered> by_host_;
  std::vector<DiffRow> pairs_;
  Diff out_;
};

}  // namespace

const char* change_name(Change change) {
  switch (change) {
    case Change::worse:
      return "worse";
    case Change::better:
      return "better";
    case Change::lost:
      return "lost";
    case Change::found:
      return "found";
    default:
      return "same";
  }
}

bool Diff::is_worse() const {
  return std::any_of(rows.begin(), rows.end(),
                     [](const DiffRow& row) { return row.is(Change::worse) || row.is(Change::lost); });
}

Result<Diff> diff_measurements(const Measurement& baseline, const Measurement& now, const DiffThresholds& thresholds) {
  for (const double threshold : {thresholds.latency, thresholds.bandwidth}) {
    if (!(threshold >= 1) || !std::isfinite(threshold))
      return Error{Code::invalid_argument, text("a threshold is a ratio of at least 1, not ", threshold)};
  }
  GOSSAMER_TRY(check_same_cluster(baseline, now));
  return Differ(baseline, now, thresholds).run();
}

}  // namespace gossamer::tools
