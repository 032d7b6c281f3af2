#include "tools/train/train_report.h"

#include <algorithm>
#include <cmath>

#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

double number(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : std::nan("");
}

// Microseconds with a unit that fits.
std::string microseconds(const nlohmann::json& object, const char* key) {
  const double us = number(object, key);
  return std::isnan(us) ? "-" : format_duration(static_cast<std::uint64_t>(std::max(0.0, us) * 1e3));
}

}  // namespace

double dense_bytes_per_step(std::uint64_t dimension, std::uint32_t ranks) {
  return 2.0 * 4.0 * static_cast<double>(dimension) * (ranks - 1.0) / ranks;
}

nlohmann::json training_document(const TrainConfig& config, const nlohmann::json& environment,
                                 const std::vector<nlohmann::json>& runs) {
  nlohmann::json rows = nlohmann::json::array();
  nlohmann::json summaries = nlohmann::json::array();
  double dense = 0;
  bool measured = false;
  for (const nlohmann::json& run : runs) {
    if (!is_baseline(run.at("algorithm").get<std::string>())) continue;
    dense = number(run.at("summary"), "bytes_per_step");
    measured = true;
  }
  for (const nlohmann::json& run : runs) {
    for (const nlohmann::json& row : run.at("rows")) rows.push_back(row);
    nlohmann::json summary = run.at("summary");
    if (!measured) dense = dense_bytes_per_step(summary.at("dimension").get<std::uint64_t>(), config.ranks);
    const double bytes = number(summary, "bytes_per_step");
    summary["dense_bytes_per_step"] = dense;
    summary["dense_bytes_measured"] = measured;
    summary["times_fewer_bytes"] = bytes > 0 ? nlohmann::json(dense / bytes) : nlohmann::json();  // null for one rank
    summaries.push_back(std::move(summary));
  }
  nlohmann::json out = {
      {"schema", "gossamer.train/1"}, {"environment", environment}, {"configuration", config_json(config)}};
  out["rows"] = std::move(rows);
  out["summary"] = summaries.empty() ? nlohmann::json() : summaries.front();
  out["summaries"] = std::move(summaries);
  return out;
}

std::string training_table(const nlohmann::json& document) {
  std::vector<std::vector<std::string>> rows = {{"algorithm", "accuracy", "bytes/step", "fewer than dense",
                                                 "exchange p50", "p99", "waiting", "wire", "compute", "compress",
                                                 "whole time"}};
  for (const nlohmann::json& each : document.at("summaries")) {
    const double fewer = number(each, "times_fewer_bytes");
    const std::string name = each.at("algorithm").get<std::string>();
    rows.push_back({each.value("finished", true) ? name : name + ", unfinished",
                    format_number(number(each, "accuracy"), 4),
                    format_bytes(static_cast<std::uint64_t>(number(each, "bytes_per_step"))),
                    std::isnan(fewer) ? "-" : format_number(fewer, 1) + " x", microseconds(each, "exchange_p50_us"),
                    microseconds(each, "exchange_p99_us"), microseconds(each, "waiting_p50_us"),
                    microseconds(each, "wire_p50_us"), microseconds(each, "compute_p50_us"),
                    microseconds(each, "compress_p50_us"), format_number(number(each, "seconds"), 1) + " s"});
  }
  return format_table(rows);
}

Plot training_plot(const nlohmann::json& document) {
  const nlohmann::json& configuration = document.at("configuration");
  const auto ranks = configuration.at("ranks").get<std::uint32_t>();
  Plot plot;
  plot.title = text("Test accuracy on ", configuration.at("dataset").get<std::string>(), " over ", ranks,
                    ranks == 1 ? " peer" : " peers");
  plot.subtitle = text("One marker an epoch. Batch ", configuration.at("batch").get<std::uint64_t>(), ", seed ",
                       configuration.at("seed").get<std::uint64_t>());
  PlotPanel bytes{"For the same bytes", "bytes moved by each peer (B, logarithmic)", "test accuracy", true, {}};
  PlotPanel steps{"For the same steps", "training steps", "test accuracy", false, {}};
  for (const nlohmann::json& summary : document.at("summaries")) {
    const auto algorithm = summary.at("algorithm").get<std::string>();
    PlotSeries by_bytes{algorithm, {}, {}};
    PlotSeries by_steps{algorithm, {}, {}};
    for (const nlohmann::json& row : document.at("rows")) {
      if (row.at("algorithm") != algorithm) continue;
      by_bytes.x.push_back(number(row, "bytes"));
      by_bytes.y.push_back(number(row, "accuracy"));
      by_steps.x.push_back(number(row, "step"));
      by_steps.y.push_back(number(row, "accuracy"));
    }
    bytes.series.push_back(std::move(by_bytes));
    steps.series.push_back(std::move(by_steps));
  }
  plot.panels = {std::move(bytes), std::move(steps)};
  return plot;
}

}  // namespace gossamer::tools
