#include "tools/topo/schedule_forecast.h"

#include <algorithm>

#include "base/base.h"

namespace gossamer::tools {
namespace {

using topology::Collective;
using topology::Groups;
using topology::Measurement;
using topology::PairMeasurement;

constexpr std::uint64_t least_bytes = 256, most_bytes = std::uint64_t{256} << 20;
constexpr std::uint64_t factor = 4;

struct Fits {
  std::vector<double> alpha_ns, beta_ns_per_byte;
  [[nodiscard]] topology::CostModel model() const {
    topology::CostModel model;
    model.alpha_ns = std::max(0.0, median(alpha_ns));
    model.beta_ns_per_byte = std::max(0.0, median(beta_ns_per_byte));
    return model;
  }
};

Groups groups_of(const Measurement& measurement) {
  std::vector<std::string> names;
  for (const topology::MeasuredRank& rank : measurement.ranks) names.push_back(text(rank.host));
  return Groups::by_name(names);
}

class Forecaster {
 public:
  Forecaster(const Groups& groups, ScheduleForecast& out) : groups_(groups), out_(out) {}

  void run() {
    for (std::uint64_t bytes = least_bytes; bytes <= most_bytes; bytes *= factor) out_.bytes.push_back(bytes);
    for (const topology::ScheduleKind kind : topology::all_schedules()) {
      if (!topology::supports(kind, Collective::all_reduce)) continue;
      const Result<topology::Schedule> schedule =
          topology::make_schedule({kind, Collective::all_reduce, groups_.rank_count(), {}});
      if (schedule.ok()) add(std::string(topology::schedule_kind_name(kind)), *schedule);
    }
    for (const topology::TwoLevelRequest& request : two_level_choices()) {
      const Result<topology::Draft> draft = topology::make_two_level(groups_, request);
      if (draft.ok()) add(topology::in_words(request), topology::write_out(*draft, Collective::all_reduce));
    }
    for (std::size_t i = 0; i < out_.bytes.size(); ++i) {
      const auto least = std::min_element(out_.lines.begin(), out_.lines.end(), [i](const auto& a, const auto& b) {
        return a.nanoseconds[i] < b.nanoseconds[i];
      });
      out_.best.push_back(static_cast<std::size_t>(least - out_.lines.begin()));
    }
  }

 private:
  void add(std::string name, const topology::Schedule& schedule) {
    ForecastLine line{std::move(name), {}};
    for (const std::uint64_t bytes : out_.bytes) {
      const Result<topology::Cost> cost = topology::predict_schedule_cost(schedule, bytes, groups_, out_.cost);
      if (!cost.ok()) return;
      line.nanoseconds.push_back(cost->nanoseconds);
    }
    out_.lines.push_back(std::move(line));
  }

  // Those that are the cheapest somewhere: there are too many to draw them all.
  [[nodiscard]] std::vector<topology::TwoLevelRequest> two_level_choices() const {
    std::vector<topology::TwoLevelRequest> out;
    for (const std::uint64_t bytes : out_.bytes) {
      const Result<topology::GroupChoice> choice =
          topology::choose_schedule(Collective::all_reduce, groups_, bytes, out_.cost);
      if (choice.ok() && choice->two_level && std::find(out.begin(), out.end(), *choice->two_level) == out.end()) {
        out.push_back(*choice->two_level);
      }
    }
    return out;
  }

  const Groups& groups_;
  ScheduleForecast& out_;
};

}  // namespace

std::optional<ScheduleForecast> forecast_schedules(const Measurement& measurement) {
  Fits near;
  Fits far;
  for (const PairMeasurement& pair : measurement.pairs) {
    if (pair.load != topology::PairLoad::idle || !pair.fit || !pair.missing.empty()) continue;
    Fits& fits = measurement.ranks[pair.from].host == measurement.ranks[pair.to].host ? near : far;
    fits.alpha_ns.push_back(pair.fit->alpha_ns.value);
    fits.beta_ns_per_byte.push_back(pair.fit->beta_ns_per_byte.value);
  }
  ScheduleForecast out;
  out.has_near = !near.alpha_ns.empty();
  out.has_far = !far.alpha_ns.empty();
  if (!out.has_near && !out.has_far) return std::nullopt;
  out.cost.near = (out.has_near ? near : far).model();
  out.cost.far = (out.has_far ? far : near).model();
  const Groups groups = groups_of(measurement);
  Forecaster(groups, out).run();
  if (out.lines.empty()) return std::nullopt;
  return out;
}

std::string choice_in_words(const ScheduleForecast& forecast) {
  std::string out;
  for (std::size_t begin = 0; begin < forecast.best.size();) {
    std::size_t end = begin;
    while (end < forecast.best.size() && forecast.best[end] == forecast.best[begin]) ++end;
    append(out, out.empty() ? "" : ", then ", forecast.lines[forecast.best[begin]].name);
    if (end < forecast.best.size()) append(out, " up to ", format_bytes(forecast.bytes[end - 1]));
    begin = end;
  }
  return out;
}

}  // namespace gossamer::tools
