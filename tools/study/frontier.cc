#include "tools/study/frontier.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "runtime/runtime.h"
#include "sketch/sketch.h"
#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

// Words of one cell: integers travel wider where so many ranks would leave them too few levels.
double words_of(const std::string& cells, std::uint32_t ranks) {
  return sketch::cell_bytes(sketch::widen_for(sketch::find_cell_type(cells).value(), ranks)) / 4.0;
}

double optional_number(const nlohmann::json& row, const char* key) {
  return row.at(key).is_number() ? row.at(key).get<double>() : std::nan("");
}

}  // namespace

double model_words(const TrainConfig& config, const std::string& algorithm, double density) {
  const ModelDimension dimension = model_dimension(config);
  const double k = density * static_cast<double>(dimension.sparse);
  return algorithm_row(algorithm).step_words({
      .sparse = static_cast<double>(dimension.sparse),
      .exact = static_cast<double>(dimension.exact),
      .k = k,
      .rows = config.rows > 0 ? config.rows : double{runtime::default_rows},
      .columns = config.columns > 0 ? config.columns : k,
      .candidates = (config.oversampling > 0 ? config.oversampling : runtime::default_oversampling) * k,
      .rank_count = static_cast<double>(config.ranks),
      .cell_words = words_of(cells_of(config, algorithm), config.ranks),
      .value_words = words_of(values_of(config, algorithm), config.ranks),
  });
}

Result<double> density_for_factor(const TrainConfig& config, const std::string& algorithm, double factor) {
  const ModelDimension dimension = model_dimension(config);
  const double fixed = model_words(config, algorithm, 0);
  const double slope = model_words(config, algorithm, 1) - fixed;
  const double target = static_cast<double>(dimension.sparse + dimension.exact) / factor;
  if (!(slope > 0))
    return Error{Code::invalid_argument, text(algorithm, " moves everything: it has no factor to choose")};
  const double density = (target - fixed) / slope;
  if (!(density * static_cast<double>(dimension.sparse) >= 1)) {
    return Error{Code::invalid_argument, text(algorithm, " cannot move ", factor,
                                              " times fewer bytes than dense: what does not depend on the density (",
                                              "biases, given columns) is ", fixed, " of the ", target,
                                              " words; use --no-exact-biases or a smaller factor")};
  }
  return std::min(density, 1.0);
}

std::string frontier_table(const nlohmann::json& document) {
  std::vector<std::vector<std::string>> rows = {
      {"algorithm", "wanted", "fewer than dense", "density", "seed", "accuracy", "bytes/step", "exchange p50"}};
  for (const nlohmann::json& row : document.at("rows")) {
    const double exchange = optional_number(row, "exchange_p50_us");
    rows.push_back({row.at("algorithm").get<std::string>(),
                    format_number(optional_number(row, "target_factor"), 0) + " x",
                    format_number(optional_number(row, "times_fewer_bytes"), 1) + " x",
                    format_number(100 * row.at("density").get<double>(), 3) + " %",
                    std::to_string(row.at("seed").get<std::uint64_t>()),
                    row.at("accuracy").is_number() ? format_number(row.at("accuracy").get<double>(), 4)
                                                   : row.at("failure").get<std::string>().substr(0, 40),
                    format_number(optional_number(row, "bytes_per_step"), 0),
                    std::isnan(exchange) ? "-" : format_duration(static_cast<std::uint64_t>(exchange * 1e3))});
  }
  return format_table(rows);
}

Plot frontier_plot(const nlohmann::json& document) {
  Plot plot;
  plot.title = "What fewer bytes cost in accuracy";
  const nlohmann::json& configuration = document.at("configuration");
  plot.subtitle =
      text(configuration.at("dataset").get<std::string>(), ", ", configuration.at("ranks").get<std::uint32_t>(),
           " peers, ", configuration.at("epochs").get<std::uint32_t>(), " epochs; mean over ",
           document.at("seeds").get<std::uint32_t>(), " seed(s)");
  // By algorithm and wanted factor: what the seeds came to, in order of appearance.
  struct Sum {
    double x = 0, y = 0;
    int count = 0;
  };
  std::vector<std::string> names;
  std::map<std::string, std::map<double, Sum>> sums;
  double last = 1;
  for (const nlohmann::json& row : document.at("rows")) {
    if (!row.at("accuracy").is_number() || !row.at("times_fewer_bytes").is_number()) continue;
    const auto name = row.at("algorithm").get<std::string>();
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    Sum& sum = sums[name][row.at("target_factor").get<double>()];
    sum.x += row.at("times_fewer_bytes").get<double>();
    sum.y += row.at("accuracy").get<double>();
    ++sum.count;
    last = std::max(last, row.at("times_fewer_bytes").get<double>());
  }
  PlotPanel panel{
      "Accuracy against compression", "times fewer bytes than dense (logarithmic)", "test accuracy", true, {}};
  for (const std::string& name : names) {
    PlotSeries series{name, {}, {}};
    for (const auto& [factor, sum] : sums[name]) {
      series.x.push_back(sum.x / sum.count);
      series.y.push_back(sum.y / sum.count);
    }
    // The baseline is one point; its line is what the others are measured by.
    if (is_baseline(name) && series.x.size() == 1) {
      series.x.push_back(last);
      series.y.push_back(series.y.front());
    }
    panel.series.push_back(std::move(series));
  }
  plot.panels = {std::move(panel)};
  return plot;
}

}  // namespace gossamer::tools
