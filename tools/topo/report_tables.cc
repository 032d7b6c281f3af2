#include "tools/topo/report_tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/base.h"
#include "tools/command/report.h"
#include "tools/topo/host_figures.h"
#include "tools/topo/html_table.h"
#include "tools/topo/measurement_file.h"
#include "tools/topo/report_causes.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;
using topology::PairLoad;
using topology::PairMeasurement;

constexpr std::size_t rows_max = 20;

std::string count(std::size_t number, const std::string& what) {
  return text(number, ' ', what, number == 1 ? "" : "s");
}

std::string percent(double share, int digits = 1) { return fixed(share * 100, digits) + " %"; }

// "+3.1 %".
std::string deviation(double share) {
  return std::abs(share) < 0.0005 ? percent(0) : (share > 0 ? "+" : "") + percent(share);
}

bool is_missing(const PairMeasurement& pair) { return !figures_of(pair); }

// The figures of all pairs of a tier.
struct TierFigures {
  std::vector<double> latency_ns, latency_p99_ns, gb_per_s;
};

std::vector<TierFigures> figures_by_tier(const ReportParts& parts, PairLoad load) {
  std::vector<TierFigures> out(parts.tiers.names.size());
  for (const PairMeasurement& pair : parts.links.measurement().pairs) {
    if (pair.load != load) continue;
    const std::optional<LinkFigures> figures = figures_of(pair);
    if (!figures) continue;
    TierFigures& tier = out[parts.tiers.tier_of(pair.from, pair.to)];
    tier.latency_ns.push_back(figures->latency_ns.value);
    tier.latency_p99_ns.push_back(figures->latency_p99_ns);
    tier.gb_per_s.push_back(figures->gb_per_s.value);
  }
  return out;
}

std::string what_was_measured(const Measurement& measurement) {
  const std::size_t ranks = measurement.ranks.size();
  std::string out = text(count(ranks, "rank"), " on ", count(measurement.hosts.size(), "host"), " over ",
                         measurement.transport, ", memory of the ", measurement.memory == "cuda" ? "GPU" : "host");
  if (ranks < 2) return out + ". Between ranks there is nothing to measure: start at least two.";
  if (measurement.sampled_fraction < 1) {
    append(out, "; ", percent(measurement.sampled_fraction), " of the pairs, drawn at random with seed ",
           measurement.seed);
  } else {
    append(out, "; all ", ranks * (ranks - 1), " directions, each by itself");
  }
  return out + '.';
}

std::string what_a_tier_takes(const std::string& name, const TierFigures& tier) {
  const auto [least, most] = std::minmax_element(tier.latency_ns.begin(), tier.latency_ns.end());
  std::string out = text(name, ": a small message takes ", time_in_words(median(tier.latency_ns)));
  if (tier.latency_ns.size() > 1 && *most > *least * 1.01)
    append(out, " (", time_in_words(*least), " to ", time_in_words(*most), " by pair)");
  return text(out, ", large ones move at ", speed_in_words(median(tier.gb_per_s)), '.');
}

}  // namespace

std::string summary_html(const ReportParts& parts) {
  const Measurement& measurement = parts.links.measurement();
  std::vector<std::string> sentences = {what_was_measured(measurement)};
  if (!measurement.pairs.empty()) sentences.push_back(causes_sentence(parts.causes));
  const std::vector<TierFigures> tiers = figures_by_tier(parts, PairLoad::idle);
  for (std::size_t i = tiers.size(); i-- > 0;) {
    if (tiers[i].latency_ns.empty()) continue;
    std::string name = parts.tiers.names[i];
    if (!name.empty() && name[0] >= 'a' && name[0] <= 'z') name[0] = static_cast<char>(name[0] - 'a' + 'A');
    sentences.push_back(what_a_tier_takes(name, tiers[i]));
  }
  if (const auto died = std::count_if(measurement.ranks.begin(), measurement.ranks.end(),
                                      [](const topology::MeasuredRank& rank) { return rank.died; });
      died > 0) {
    sentences.push_back(text(count(static_cast<std::size_t>(died), "rank"), " died while it was measured."));
  }
  if (const auto missing = std::count_if(measurement.pairs.begin(), measurement.pairs.end(), is_missing); missing > 0) {
    sentences.push_back(text(count(static_cast<std::size_t>(missing), "measurement"),
                             " of a direction ended without a figure; the pairs are hatched below."));
  }
  double stolen = 0;
  std::string thief;
  for (const topology::MeasuredHost& host : measurement.hosts) {
    if (host.stolen_cpu > stolen) std::tie(stolen, thief) = std::pair(host.stolen_cpu, host.name);
  }
  if (stolen >= 0.01) {
    sentences.push_back(text("The hypervisor took up to ", percent(stolen), " of the CPU's time (", thief,
                             "): times near it are worth less."));
  }
  if (parts.forecast) {
    sentences.push_back(text("All-reduce, by these costs: ", choice_in_words(*parts.forecast), '.'));
  }
  std::string out = "<ul>\n";
  for (const std::string& each : sentences) append(out, "<li>", html_escape(each), "</li>\n");
  return out + "</ul>\n";
}

std::vector<std::string> tier_captions(const ReportParts& parts) {
  std::vector<std::string> out;
  for (const TierFigures& tier : figures_by_tier(parts, PairLoad::idle)) {
    out.push_back(tier.latency_ns.empty()
                      ? ""
                      : text(time_in_words(median(tier.latency_ns)), ", ", speed_in_words(median(tier.gb_per_s))));
  }
  return out;
}

std::string tier_table(const ReportParts& parts) {
  std::vector<std::vector<std::string>> rows;
  for (const PairLoad load : {PairLoad::idle, PairLoad::loaded}) {
    const std::vector<TierFigures> tiers = figures_by_tier(parts, load);
    for (std::size_t i = 0; i < tiers.size(); ++i) {
      const TierFigures& tier = tiers[i];
      if (tier.latency_ns.empty()) continue;
      const auto latency = std::minmax_element(tier.latency_ns.begin(), tier.latency_ns.end());
      const auto speed = std::minmax_element(tier.gb_per_s.begin(), tier.gb_per_s.end());
      rows.push_back({parts.tiers.names[i], std::string(pair_load_name(load)), text(tier.latency_ns.size()),
                      time_in_words(*latency.first), time_in_words(median(tier.latency_ns)),
                      time_in_words(*latency.second), time_in_words(median(tier.latency_p99_ns)),
                      speed_in_words(*speed.first), speed_in_words(median(tier.gb_per_s)),
                      speed_in_words(*speed.second)});
    }
  }
  return html_table("Tiers, from near to far: the least, middle and greatest of the pairs",
                    {"Tier", "Load", "#Directions", "#Latency, least", "#middle", "#greatest", "#p99, middle",
                     "#Bandwidth, least", "#middle", "#greatest"},
                    rows);
}

std::string host_table(const ReportParts& parts) {
  std::vector<std::vector<std::string>> rows;
  for (const PairLoad load : {PairLoad::idle, PairLoad::loaded}) {
    if (!parts.links.has(load)) continue;
    const std::vector<HostFigures> hosts = figures_by_host(parts.links.measurement(), load);
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      const HostFigures& host = hosts[i];
      const topology::MeasuredHost& about = parts.links.measurement().hosts[i];
      const auto time = [](const std::vector<double>& values) {
        return values.empty() ? std::string("-") : time_in_words(median(values));
      };
      const auto speed = [](const std::vector<double>& values) {
        return values.empty() ? std::string("-") : speed_in_words(median(values));
      };
      std::string adapters;
      for (const std::string& each : about.adapters) append(adapters, adapters.empty() ? "" : "; ", each);
      rows.push_back({about.name, std::string(pair_load_name(load)), text(host.ranks), time(host.out.latency_ns),
                      time(host.in.latency_ns), speed(host.out.gb_per_s), speed(host.in.gb_per_s), text(host.missing),
                      percent(about.stolen_cpu), about.declared_switch, adapters});
    }
  }
  return html_table("Hosts: the middle of all directions with other hosts",
                    {"Host", "Load", "#Ranks", "#Latency out", "#Latency in", "#Bandwidth out", "#Bandwidth in",
                     "#Without a figure", "#Stolen CPU", "Declared switch", "Adapters"},
                    rows);
}

std::string slowest_table(const ReportParts& parts) {
  struct Slow {
    double times = 0;
    const PairMeasurement* pair = nullptr;
    LinkFigures figures;
    double latency = 0, speed = 0;  // times worse than the better quarter
  };
  std::vector<Slow> found;
  for (const PairLoad load : {PairLoad::idle, PairLoad::loaded}) {
    const std::vector<TierFigures> tiers = figures_by_tier(parts, load);
    // One slow host of four slows half of the pairs.
    std::vector<std::pair<double, double>> quality;
    quality.reserve(tiers.size());
    for (const TierFigures& tier : tiers)
      quality.emplace_back(percentile(tier.latency_ns, 0.25), percentile(tier.gb_per_s, 0.75));
    for (const PairMeasurement& pair : parts.links.measurement().pairs) {
      if (pair.load != load) continue;
      const std::optional<LinkFigures> figures = figures_of(pair);
      if (!figures) continue;
      const auto [latency, speed] = quality[parts.tiers.tier_of(pair.from, pair.to)];
      Slow slow{0, &pair, *figures, latency > 0 ? figures->latency_ns.value / latency : 1,
                figures->gb_per_s.value > 0 ? speed / figures->gb_per_s.value : 1};
      slow.times = std::max(slow.latency, slow.speed);
      found.push_back(slow);
    }
  }
  const std::size_t shown = std::min(found.size(), rows_max);
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(shown), found.end(),
                    [](const Slow& a, const Slow& b) { return a.times > b.times; });
  std::vector<std::vector<std::string>> rows;
  rows.reserve(shown);
  for (std::size_t i = 0; i < shown; ++i) {
    const Slow& each = found[i];
    const Measurement& measurement = parts.links.measurement();
    rows.push_back({rank_in_words(measurement, each.pair->from), rank_in_words(measurement, each.pair->to),
                    std::string(pair_load_name(each.pair->load)),
                    parts.tiers.names[parts.tiers.tier_of(each.pair->from, each.pair->to)],
                    time_in_words(each.figures.latency_ns.value), time_in_words(each.figures.latency_p99_ns),
                    speed_in_words(each.figures.gb_per_s.value), fixed(each.latency, 2), fixed(each.speed, 2),
                    each.pair->fit ? percent(each.pair->fit->residual) : "-", text(each.pair->passes)});
  }
  return html_table(text("The ", count(shown, "direction"), " farthest behind the better quarter of their tier"),
                    {"From", "To", "Load", "Tier", "#Latency", "#p99", "#Bandwidth", "#Latency, times the quarter's",
                     "#Bandwidth, the quarter's over this", "#Fit residual", "#Passes"},
                    rows);
}

std::string missing_table(const ReportParts& parts) {
  std::map<std::string, std::pair<std::size_t, std::set<std::string>>> reasons;
  const Measurement& measurement = parts.links.measurement();
  for (const PairMeasurement& pair : measurement.pairs) {
    if (!is_missing(pair)) continue;
    auto& [pairs, hosts] = reasons[pair.missing.empty() ? "no reason given" : pair.missing];
    ++pairs;
    hosts.insert(measurement.host_of(pair.from));
    hosts.insert(measurement.host_of(pair.to));
  }
  if (reasons.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const auto& [reason, found] : reasons) {
    if (rows.size() == rows_max) {
      rows.push_back({text("and ", reasons.size() - rows_max, " more reasons"), "", ""});
      break;
    }
    rows.push_back({reason, text(found.first), text(found.second.size())});
  }
  return html_table("Measurements without a figure", {"Reason", "#Measurements", "#Hosts"}, rows);
}

std::string curve_table(const ReportParts& parts) {
  std::vector<std::vector<std::string>> rows;
  for (const SizeCurve& curve : parts.curves) {
    for (const CurvePoint& point : curve.points) {
      rows.push_back({parts.tiers.names[curve.tier], std::string(pair_load_name(curve.load)), format_bytes(point.bytes),
                      text(point.pairs), time_in_words(point.p50_low_ns), time_in_words(point.p50_ns),
                      time_in_words(point.p50_high_ns), time_in_words(point.p99_ns), deviation(point.residual)});
    }
  }
  return html_table("Message sizes: over the pairs of a tier",
                    {"Tier", "Load", "#Size", "#Directions", "#p50, a tenth below", "#p50, middle",
                     "#p50, a tenth above", "#p99, middle", "#Measured against fit"},
                    rows);
}

std::string forecast_table(const ReportParts& parts) {
  if (!parts.forecast) return "";
  const ScheduleForecast& forecast = *parts.forecast;
  std::vector<std::string> headings = {"Schedule"};
  for (const std::uint64_t bytes : forecast.bytes) headings.push_back("#" + format_bytes(bytes));
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < forecast.lines.size(); ++i) {
    std::vector<std::string> row = {forecast.lines[i].name};
    for (std::size_t size = 0; size < forecast.bytes.size(); ++size) {
      row.push_back(time_in_words(forecast.lines[i].nanoseconds[size]) + (forecast.best[size] == i ? " *" : ""));
    }
    rows.push_back(std::move(row));
  }
  return html_table("All-reduce, predicted; * is the fastest for its size", headings, rows);
}

}  // namespace gossamer::tools
