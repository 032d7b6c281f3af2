#include <algorithm>

#include "tools/command/report.h"
#include "tools/topo/diff.h"
#include "tools/topo/links.h"
#include "tools/topo/measurement_file.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;

const char* level_name(DiffLevel level) {
  switch (level) {
    case DiffLevel::tier:
      return "tier";
    case DiffLevel::host:
      return "host";
    default:
      return "pair";
  }
}

bool is_gone(const QuantityChange& quantity) {
  return quantity.change == Change::lost || quantity.change == Change::found;
}

std::string in_words(const QuantityChange& quantity, std::string (*words)(double)) {
  if (is_gone(quantity)) return "-";
  return text(words(quantity.baseline.value), " > ", words(quantity.now.value));
}

std::string times(const QuantityChange& quantity) {
  return is_gone(quantity) ? change_name(quantity.change)
                           : text(fixed(quantity.ratio, 2), ' ', change_name(quantity.change));
}

std::vector<std::string> cells_of(const DiffRow& row) {
  return {level_name(row.level),
          row.name,
          std::string(pair_load_name(row.load)),
          in_words(row.latency, time_in_words),
          times(row.latency),
          in_words(row.bandwidth, speed_in_words),
          times(row.bandwidth),
          row.missing};
}

bool is_shown(const DiffRow& row) {
  return row.level == DiffLevel::tier || row.is(Change::worse) || row.is(Change::better) || row.is(Change::lost);
}

}  // namespace

nlohmann::json diff_json(const Diff& diff, const Measurement& baseline, const Measurement& now,
                         const DiffThresholds& thresholds) {
  nlohmann::json rows = nlohmann::json::array();
  for (const DiffRow& row : diff.rows) {
    nlohmann::json each = {{"level", level_name(row.level)},
                           {"name", row.name},
                           {"load", std::string(pair_load_name(row.load))},
                           {"pairs", row.pairs},
                           {"latency_change", change_name(row.latency.change)},
                           {"bandwidth_change", change_name(row.bandwidth.change)}};
    if (!is_gone(row.latency)) {
      each["baseline_latency_us"] = row.latency.baseline.value / 1e3;
      each["latency_us"] = row.latency.now.value / 1e3;
      each["latency_ratio"] = row.latency.ratio;
      each["baseline_gb_per_s"] = row.bandwidth.baseline.value;
      each["gb_per_s"] = row.bandwidth.now.value;
      each["bandwidth_ratio"] = row.bandwidth.ratio;
    }
    if (!row.missing.empty()) each["missing"] = row.missing;
    rows.push_back(std::move(each));
  }
  return {{"schema", "gossamer.topo.diff/1"},
          {"environment", {{"baseline_when", baseline.when}, {"when", now.when}, {"transport", now.transport}}},
          {"thresholds", {{"latency", thresholds.latency}, {"bandwidth", thresholds.bandwidth}}},
          {"worse", diff.is_worse()},
          {"pairs_compared", diff.pairs_compared},
          {"pairs_worse", diff.pairs_worse},
          {"pairs_better", diff.pairs_better},
          {"pairs_lost", diff.pairs_lost},
          {"pairs_found", diff.pairs_found},
          {"rows", rows}};
}

std::string diff_table(const Diff& diff, const Measurement& baseline) {
  constexpr std::size_t pairs_shown_max = 20;
  std::string out =
      text(diff.is_worse() ? "worse" : "same", " since ", baseline.when, ": of ", diff.pairs_compared, " directions ",
           diff.pairs_worse, " worse, ", diff.pairs_better, " better, ", diff.pairs_lost, " without a figure now\n\n");
  std::vector<std::vector<std::string>> rows = {
      {"", "name", "load", "latency", "times as long", "bandwidth", "times as long", ""}};
  std::size_t pairs = 0;
  std::size_t left = 0;
  for (const DiffRow& row : diff.rows) {
    if (!is_shown(row)) continue;
    if (row.level == DiffLevel::pair && ++pairs > pairs_shown_max) {
      ++left;
      continue;
    }
    rows.push_back(cells_of(row));
  }
  out += format_columns(rows);
  if (left > 0) append(out, "... and ", left, " more pairs; --json has all of them\n");
  return out;
}

}  // namespace gossamer::tools
