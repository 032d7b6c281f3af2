#include "tools/study/study_sketch.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>

#include "sketch/sketch.h"
#include "tools/command/progress.h"
#include "tools/command/report.h"
#include "tools/study/sketch_quality.h"
#include "tools/train/gradient_files.h"

namespace gossamer::tools {
namespace {

constexpr std::uint64_t dimension_max = std::uint64_t{1} << 28;  // 1 GiB a vector, four of which are held
constexpr std::uint32_t columns_max = std::uint32_t{1} << 24;
constexpr std::uint32_t seeds_max = 10'000;

struct Shape {
  std::uint32_t rows = 0, columns = 0;
};

// What all seeds came to with one shape.
struct Point {
  Shape shape;
  std::vector<SketchQuality> segment_shift, random;
};

struct Mean {
  double value = 0;
  double error = 0;  // standard error
};

Mean mean_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double each : values) squares += (each - mean) * (each - mean);
  return {mean, std::sqrt(squares / (count - 1) / count)};
}

template <typename Part>
Mean mean_over(const std::vector<SketchQuality>& seeds, const Part& part) {
  std::vector<double> values;
  for (const SketchQuality& each : seeds) values.push_back(part(each));
  return mean_of(values);
}

// Theory gives the mean square; its root's standard error is by the delta method.
Mean root(const Mean& square) {
  const double value = std::sqrt(square.value);
  return {value, value > 0 ? square.error / (2 * value) : 0};
}

double error_square_of(const SketchQuality& quality) { return quality.error_square; }

// sqrt(mean a / mean b) over pairs that saw the same vector; only the difference of their relative deviations counts.
Mean root_ratio(const Point& point) {
  const double a = mean_over(point.segment_shift, error_square_of).value;
  const double b = mean_over(point.random, error_square_of).value;
  std::vector<double> differences;
  for (std::size_t i = 0; i < point.random.size(); ++i) {
    differences.push_back(point.segment_shift[i].error_square / a - point.random[i].error_square / b);
  }
  const double value = std::sqrt(a / b);
  return {value, value / 2 * mean_of(differences).error};
}

// Root mean square of the median of `rows` independent normal errors of variance 1, for many rows; exact for one.
double error_bound(std::uint32_t rows) { return rows == 1 ? 1.0 : std::sqrt(std::numbers::pi / 2 / rows); }

void put(nlohmann::json& row, const std::string& key, const Mean& mean) {
  const auto number = [](double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(); };
  row[key] = number(mean.value);
  row[key + "_se"] = number(mean.error);
}

std::vector<std::uint64_t> ks_of(const SketchStudyConfig& config, std::uint64_t dimension) {
  if (!config.ks.empty()) return config.ks;
  const auto share = [dimension](std::uint64_t parts) { return std::max<std::uint64_t>(1, dimension / parts); };
  std::vector<std::uint64_t> out = {share(1000), share(100)};
  if (out[0] == out[1]) out.pop_back();
  return out;
}

nlohmann::json row_of(const NamedVector& vector, const Point& point, Hashing hashing, std::uint64_t k,
                      std::size_t choice) {
  const bool shifted = hashing == Hashing::segment_shift;
  const std::vector<SketchQuality>& seeds = shifted ? point.segment_shift : point.random;
  const sketch::SketchShape shape{vector.values.size(), point.shape.rows, point.shape.columns};
  nlohmann::json row = {{"vector", vector.name},
                        {"dimension", shape.dimension},
                        {"hashing", shifted ? "segment-shift" : "random"},
                        {"rows", shape.rows},
                        {"columns", shape.columns},
                        {"k", k},
                        {"seeds", seeds.size()},
                        {"error_bound", error_bound(shape.rows)}};
  const auto put_choice = [&](const char* key, double ChoiceQuality::*part) {
    put(row, key, mean_over(seeds, [&](const SketchQuality& each) { return each.choices[choice].*part; }));
  };
  put_choice("recall_k", &ChoiceQuality::recall_k);
  put_choice("recall_2k", &ChoiceQuality::recall_2k);
  put_choice("recall_4k", &ChoiceQuality::recall_4k);
  put_choice("energy_k", &ChoiceQuality::energy_k);
  put(row, "error_constant", root(mean_over(seeds, error_square_of)));
  put(row, "norm_bias", mean_over(seeds, [](const SketchQuality& each) { return each.norm_ratio - 1; }));
  if (shifted) put(row, "error_over_random", root_ratio(point));
  if (vector.name == "one-hot") {
    put(row, "one_hot_others",
        mean_over(seeds, [](const SketchQuality& each) { return static_cast<double>(each.one_hot_others); }));
    row["one_hot_others_expected"] = expected_one_hot_others(shape, shape.dimension - 1);
    row["one_hot_wrong"] =
        std::accumulate(seeds.begin(), seeds.end(), std::uint64_t{0},
                        [](std::uint64_t sum, const SketchQuality& each) { return sum + each.one_hot_wrong; });
  }
  return row;
}

class Study {
 public:
  Study(const SketchStudyConfig& config, bool shown) : config_(config), progress_(shown) {}

  // `fixed`: the same vector for every seed; else each seed draws one of this name.
  Status add(const std::string& name, const NamedVector* fixed) {
    const std::uint64_t start_ns = clock_.now_ns();
    points_.clear();
    for (const std::uint32_t rows : config_.rows) {
      for (const std::uint32_t columns : config_.columns) points_.push_back({{rows, columns}, {}, {}});
    }
    NamedVector vector{name, fixed != nullptr ? fixed->values : std::vector<float>()};
    for (std::uint32_t seed = 1; seed <= config_.seeds; ++seed) {
      if (fixed == nullptr) vector.values = draw_sketch_vector(name, config_.dimension, seed);
      GOSSAMER_TRY(measure(vector, seed));
    }
    const std::vector<std::uint64_t> ks = ks_of(config_, vector.values.size());
    for (const Point& point : points_) {
      for (std::size_t choice = 0; choice < ks.size(); ++choice) {
        rows_.push_back(row_of(vector, point, Hashing::segment_shift, ks[choice], choice));
        rows_.push_back(row_of(vector, point, Hashing::random, ks[choice], choice));
      }
    }
    progress_.finish_line(text(name, ": ", points_.size(), " shapes, ", config_.seeds, " seeds, ",
                               format_duration(clock_.now_ns() - start_ns)));
    return {};
  }

  [[nodiscard]] nlohmann::json take_rows() { return std::move(rows_); }

 private:
  Status measure(const NamedVector& vector, std::uint32_t seed) {
    QualityMeter meter(vector.values, ks_of(config_, vector.values.size()));
    for (std::size_t i = 0; i < points_.size(); ++i) {
      Point& point = points_[i];
      const sketch::SketchShape shape{vector.values.size(), point.shape.rows, point.shape.columns};
      Result<SketchQuality> shifted = meter.measure(Hashing::segment_shift, shape, seed);
      if (!shifted.ok()) return std::move(shifted).error();
      Result<SketchQuality> random = meter.measure(Hashing::random, shape, seed);
      if (!random.ok()) return std::move(random).error();
      point.segment_shift.push_back(std::move(*shifted));
      point.random.push_back(std::move(*random));
      progress_.update(vector.name, (seed - 1) * points_.size() + i + 1, config_.seeds * points_.size(),
                       text(shape.rows, " x ", shape.columns));
    }
    return {};
  }

  const SketchStudyConfig& config_;
  ProgressLine progress_;
  SteadyClock clock_;
  std::vector<Point> points_;
  nlohmann::json rows_ = nlohmann::json::array();
};

// "0.712", and the standard error behind it where there is one.
std::string with_error(const nlohmann::json& row, const std::string& key, int digits) {
  if (!row.at(key).is_number()) return "-";
  return format_number(row.at(key).get<double>(), digits) + " +- " +
         format_number(row.at(key + "_se").get<double>(), digits);
}

std::string number(const nlohmann::json& row, const char* key, int digits) {
  return row.at(key).is_number() ? format_number(row.at(key).get<double>(), digits) : "-";
}

}  // namespace

void add_sketch_study_options(CLI::App& app, SketchStudyConfig& config) {
  app.add_option("--rows", config.rows, "of the sketches, odd, 1 to 15, with commas between")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--columns", config.columns, "of the sketches, with commas between")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--dimension", config.dimension, "of the named vectors")->capture_default_str();
  app.add_option("--k", config.ks, "coordinates to find, with commas between; default: 0.1 % and 1 % of the dimension")
      ->delimiter(',');
  app.add_option("--seeds", config.seeds, "draws of the hash functions and of each named vector")
      ->capture_default_str();
  app.add_option("--vectors", config.vectors, "named vectors, with commas between")
      ->delimiter(',')
      ->check(CLI::IsMember(sketch_vector_names))
      ->capture_default_str();
  app.add_option("--gradients", config.gradients,
                 "studies the gradients of this folder as well, as written by "
                 "`gossamer train --dump-gradients`");
  app.add_option("--json", config.json, "write every row to this file; - is stdout");
  app.add_option("--plot", config.plot, "draw error and recall against columns into this SVG file");
}

Status check_sketch_study(const SketchStudyConfig& config) {
  const auto wrong = [](auto... parts) { return Error{Code::invalid_argument, text(parts...)}; };
  for (const std::uint32_t rows : config.rows) {
    if (rows > 15 || rows % 2 == 0) return wrong("--rows ", rows, ": expected odd numbers from 1 to 15");
  }
  for (const std::uint32_t columns : config.columns) {
    if (columns < 1 || columns > columns_max) return wrong("--columns ", columns, ": expected 1 to ", columns_max);
  }
  if (config.dimension < 1 || config.dimension > dimension_max) {
    return wrong("--dimension ", config.dimension, ": expected 1 to ", dimension_max);
  }
  for (const std::uint64_t k : config.ks) {
    if (k < 1 || k > config.dimension) return wrong("--k ", k, ": expected 1 to the dimension, ", config.dimension);
  }
  if (config.seeds < 2 || config.seeds > seeds_max) {
    return wrong("--seeds ", config.seeds, ": expected 2 to ", seeds_max, ", since one has no standard error");
  }
  return {};
}

Result<std::vector<NamedVector>> load_study_gradients(const SketchStudyConfig& config) {
  if (config.gradients.empty()) return std::vector<NamedVector>();
  Result<std::vector<NamedVector>> gradients = read_gradients(config.gradients);
  if (!gradients.ok()) return gradients;
  for (const NamedVector& each : *gradients) {
    for (const std::uint64_t k : config.ks) {
      if (k > each.values.size()) {
        return Error{Code::invalid_argument, text("--k ", k, ": ", each.name, " has only ", each.values.size(),
                                                  " coordinates; expected at most that")};
      }
    }
    if (!(sketch::sum_squares(each.values) > 0)) {
      return Error{Code::malformed, text(each.name, " in ", config.gradients, " is all 0: there is nothing to find")};
    }
  }
  return gradients;
}

Result<nlohmann::json> run_sketch_study(const SketchStudyConfig& config, const std::vector<NamedVector>& gradients,
                                        const nlohmann::json& environment, bool shown) {
  Study study(config, shown);
  for (const std::string& name : config.vectors) GOSSAMER_TRY(study.add(name, nullptr));
  for (const NamedVector& gradient : gradients) GOSSAMER_TRY(study.add(gradient.name, &gradient));
  return nlohmann::json{{"schema", "gossamer.study.sketch/1"},
                        {"environment", environment},
                        {"configuration",
                         {{"rows", config.rows},
                          {"columns", config.columns},
                          {"dimension", config.dimension},
                          {"k", config.ks},
                          {"seeds", config.seeds},
                          {"vectors", config.vectors},
                          {"gradients", config.gradients}}},
                        {"rows", study.take_rows()}};
}

std::string sketch_study_table(const nlohmann::json& document) {
  std::vector<std::vector<std::string>> lines = {{"vector", "d", "rows", "columns", "k", "found of k: k", "2k", "4k",
                                                  "random: k", "2k", "energy", "error const", "bound", "over random",
                                                  "norm bias"}};
  const nlohmann::json& rows = document.at("rows");
  // Rows come in pairs, segment-shift first.
  for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
    const nlohmann::json& shifted = rows[i];
    const nlohmann::json& random = rows[i + 1];
    lines.push_back({shifted.at("vector"), shifted.at("dimension").dump(), shifted.at("rows").dump(),
                     shifted.at("columns").dump(), shifted.at("k").dump(), number(shifted, "recall_k", 3),
                     number(shifted, "recall_2k", 3), number(shifted, "recall_4k", 3), number(random, "recall_k", 3),
                     number(random, "recall_2k", 3), number(shifted, "energy_k", 3),
                     number(shifted, "error_constant", 3), number(shifted, "error_bound", 3),
                     with_error(shifted, "error_over_random", 3), with_error(shifted, "norm_bias", 4)});
  }
  std::string out = format_table(lines);
  for (const nlohmann::json& row : rows) {
    if (!row.contains("one_hot_wrong") || row.at("one_hot_wrong") == 0) continue;
    out += text("one-hot, ", row.at("hashing").get<std::string>(), ", ", row.at("rows").dump(), " x ",
                row.at("columns").dump(), ": ", row.at("one_hot_wrong").dump(), " estimates are wrong\n");
  }
  return out;
}

Plot sketch_study_plot(const nlohmann::json& document) {
  Plot plot;
  const nlohmann::json& configuration = document.at("configuration");
  const auto all_rows = configuration.at("rows").get<std::vector<std::uint32_t>>();
  const std::uint32_t most = *std::max_element(all_rows.begin(), all_rows.end());
  std::vector<std::uint32_t> sorted = all_rows;
  std::sort(sorted.begin(), sorted.end());
  const std::uint32_t middle = sorted[sorted.size() / 2];
  plot.title = "What a segment-shift sketch gives back";
  plot.subtitle = text("Mean over ", configuration.at("seeds").get<std::uint32_t>(),
                       " seeds; named vectors of dimension ", configuration.at("dimension").get<std::uint64_t>());
  PlotPanel error{text("Error over that of random hashing, ", most, most == 1 ? " row" : " rows"),
                  "columns (logarithmic)",
                  "ratio of root mean square errors",
                  true,
                  {}};
  PlotPanel recall{text("Largest k found among 2k chosen, ", middle, middle == 1 ? " row" : " rows"),
                   "columns over k (logarithmic)",
                   "share found",
                   true,
                   {}};
  std::map<std::string, std::uint64_t> largest_k;
  for (const nlohmann::json& row : document.at("rows")) {
    std::uint64_t& k = largest_k[row.at("vector")];
    k = std::max(k, row.at("k").get<std::uint64_t>());
  }
  const auto add = [](PlotPanel& panel, const std::string& name, double x, const nlohmann::json& y) {
    auto series = std::find_if(panel.series.begin(), panel.series.end(),
                               [&](const PlotSeries& each) { return each.name == name; });
    if (series == panel.series.end()) series = panel.series.insert(series, PlotSeries{name, {}, {}});
    series->x.push_back(x);
    series->y.push_back(y.is_number() ? y.get<double>() : std::nan(""));
  };
  for (const nlohmann::json& row : document.at("rows")) {
    const auto name = row.at("vector").get<std::string>();
    // A one-hot vector has one coordinate to find and, with more than a row, next to no error to compare.
    if (row.at("hashing") != "segment-shift" || name == "one-hot") continue;
    if (row.at("k").get<std::uint64_t>() != largest_k.at(name)) continue;
    const auto columns = row.at("columns").get<double>();
    if (row.at("rows") == most) add(error, name, columns, row.at("error_over_random"));
    if (row.at("rows") == middle) add(recall, name, columns / row.at("k").get<double>(), row.at("recall_2k"));
  }
  plot.panels = {std::move(error), std::move(recall)};
  return plot;
}

}  // namespace gossamer::tools
