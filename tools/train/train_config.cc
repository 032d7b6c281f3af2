#include "tools/train/train_config.h"

#include <algorithm>
#include <type_traits>

#include "runtime/runtime.h"
#include "sketch/sketch.h"
#include "topology/topology.h"

namespace gossamer::tools {
namespace {

// Name, field and meaning of each flag of a peer: the one list that parsing, passing on and reporting share.
template <typename Config, typename Visitor>
void visit_options(Config& config, const Visitor& visit) {
  visit("dataset", config.dataset, "what is learned: fashion-mnist or synthetic");
  visit("data", config.data, "folder of the Fashion-MNIST files");
  visit("samples", config.samples, "training samples of the synthetic data set");
  visit("features", config.features, "features of the synthetic data set");
  visit("classes", config.classes, "classes of the synthetic data set");
  visit("hidden", config.hidden, "sizes of the hidden layers, with commas between");
  visit("epochs", config.epochs, "passes over the training samples");
  visit("steps", config.steps, "stop after so many steps; 0: none");
  visit("batch", config.batch, "samples of a step, over all ranks");
  visit("rate", config.rate, "learning rate at the start, which falls to 0 as a cosine; 0: 0.7, for dense 0.1");
  visit("density", config.density, "chosen coordinates over all; 0: the algorithm's default");
  visit("rows", config.rows, "rows of the sketch, odd, 1 to 15; 0: 3");
  visit("columns", config.columns, "columns of the sketch; 0: as many as chosen coordinates");
  visit("oversampling", config.oversampling, "coordinates named by the sketch over chosen ones; 0: 2");
  visit("momentum", config.momentum, "0 to below 1; -1: 0.3, for dense 0.9");
  visit("clip", config.clip, "L2 norm that each rank's gradient is cut to; 0: no clipping");
  visit("selection", config.selection, "how the sketch names coordinates: top or heavymix");
  visit("keep-k", config.keep_k, "apply only the k largest exact values, as published");
  visit("cells", config.cells, "cells of gs-sgd's sketch: f32, bf16, f16, i8 or i16");
  visit("values", config.values, "how exact values travel: f32; i16 for gs-sgd; bf16 or f16 for dense");
  visit("decode", config.decode, "who decodes gs-sgd's sketch: every rank the whole, or sharded, each its part");
  visit("threads", config.threads, "threads of each rank that sketch and select; 0: GOSSAMER_THREADS, else 1");
  visit("exact-biases", config.exact_biases, "exchange biases whole");
  static const std::string schedule_meaning = "who exchanges with whom: " + CLI::detail::join(schedule_names(), ", ");
  visit("schedule", config.schedule, schedule_meaning.c_str());
  visit("seed", config.seed, "of weights, order of samples and hash functions");
  visit("transport", config.transport, "what moves the bytes: ucx or libfabric; empty: the library's choice");
  visit("dump", config.dump, "folder where every rank writes its final weights, f32");
  visit("dump-gradients", config.dump_gradients, "folder where rank 0 writes its gradient at some steps, f32");
  visit("dump-every", config.dump_every, "write each so many steps; 0: at the first and at 10, 50 and 90 % of the run");
}

const std::vector<std::string>* choices(const std::string& name) {
  if (name == "dataset") return &dataset_names;
  if (name == "selection") return &selection_names;
  if (name == "decode") return &decode_names;
  if (name == "schedule") return &schedule_names();
  if (name == "cells") return &cells_names();
  if (name == "values") return &values_names();
  return nullptr;
}

// As a person would write it.
std::string percent(double fraction) { return general(100 * fraction, 4) + " %"; }

std::string joined(const std::vector<std::uint32_t>& values) {
  std::string out;
  for (const std::uint32_t each : values) out += (out.empty() ? "" : ",") + std::to_string(each);
  return out;
}

}  // namespace

const std::vector<std::string>& algorithm_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const runtime::AlgorithmKind kind : runtime::all_algorithms()) all.emplace_back(algorithm_name(kind));
    return all;
  }();
  return names;
}

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = {"auto"};
    for (const topology::ScheduleKind kind : topology::all_schedules()) all.emplace_back(schedule_kind_name(kind));
    return all;
  }();
  return names;
}

const std::vector<std::string>& cells_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const sketch::CellType type : sketch::wire_cell_types()) all.emplace_back(cell_type_name(type));
    return all;
  }();
  return names;
}

const std::vector<std::string>& values_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const sketch::CellType type : sketch::wire_cell_types())
      for (const runtime::AlgorithmKind kind : runtime::all_algorithms()) {
        const auto values = runtime::row_of(kind).values;
        const std::string name(cell_type_name(type));
        if (std::find(values.begin(), values.end(), type) == values.end()) continue;
        if (all.empty() || all.back() != name) all.push_back(name);
      }
    return all;
  }();
  return names;
}

namespace {
const runtime::AlgorithmRow& row_named(const std::string& algorithm) {
  const runtime::AlgorithmRow* const row = runtime::find_algorithm(algorithm);
  GOSSAMER_CHECK(row != nullptr, "unknown algorithm " + algorithm);
  return *row;
}
}  // namespace

std::int32_t algorithm_number(const std::string& name) { return static_cast<std::int32_t>(row_named(name).kind); }
std::int32_t schedule_number(const std::string& name) {
  return name == "auto" ? 0 : static_cast<std::int32_t>(topology::parse_schedule_kind(name).value());
}

void add_training_options(CLI::App& app, TrainConfig& config) {
  visit_options(config, [&](const std::string& name, auto& field, const char* meaning) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, bool>) {
      app.add_flag("--" + name + ",!--no-" + name, field, meaning)->capture_default_str();
    } else {
      CLI::Option* option = app.add_option("--" + name, field, meaning)->capture_default_str();
      if constexpr (std::is_same_v<Field, std::vector<std::uint32_t>>) {
        option->delimiter(',');
      } else {
        option->take_last();  // a script's flags can be overridden behind them
      }
      if (const auto* allowed = choices(name)) option->check(CLI::IsMember(*allowed));
    }
  });
}

std::int32_t cells_number(const std::string& name) {
  return static_cast<std::int32_t>(sketch::find_cell_type(name).value());
}

std::vector<std::string> peer_arguments(const TrainConfig& config, const std::string& algorithm) {
  std::vector<std::string> out = {"train", "--algorithm=" + algorithm};
  visit_options(config, [&](const std::string& name, const auto& field, const char*) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, bool>) {
      out.push_back((field ? "--" : "--no-") + name);
    } else if constexpr (std::is_same_v<Field, std::string>) {
      if (!field.empty()) out.push_back("--" + name + "=" + field);
    } else if constexpr (std::is_same_v<Field, double>) {
      out.push_back("--" + name + "=" + general(field, 17));
    } else if constexpr (std::is_same_v<Field, std::vector<std::uint32_t>>) {
      out.push_back("--" + name + "=" + joined(field));
    } else {
      out.push_back("--" + name + "=" + std::to_string(field));
    }
  });
  return out;
}

nlohmann::json config_json(const TrainConfig& config) {
  nlohmann::json out = {{"ranks", config.ranks}, {"algorithms", config.algorithms}};
  visit_options(config, [&](std::string name, const auto& field, const char*) {
    std::replace(name.begin(), name.end(), '-', '_');
    out[name] = field;
  });
  return out;
}

Status check_config(const TrainConfig& config) {
  const auto wrong = [](auto... parts) { return Error{Code::invalid_argument, text(parts...)}; };
  if (config.ranks < 1 || config.ranks > runtime::session_ranks_max)
    return wrong("--ranks ", config.ranks, ": expected 1 to ", runtime::session_ranks_max);
  if (config.algorithms.empty()) return wrong("--algorithm: expected at least one name");
  for (const std::string& each : config.algorithms) {
    if (std::find(algorithm_names().begin(), algorithm_names().end(), each) == algorithm_names().end()) {
      return wrong("--algorithm ", each, ": expected ", CLI::detail::join(algorithm_names(), ", "),
                   ", with commas between");
    }
  }
  if (config.decode == "sharded" && config.selection != "top") {
    return wrong("--decode sharded with --selection ", config.selection,
                 ": expected --selection top, or --decode whole");
  }
  if (config.threads > 256) return wrong("--threads ", config.threads, ": expected 1 to 256, or 0 for the default");
  if (!config.dump_gradients.empty() && config.algorithms.size() != 1) {
    return wrong("--dump-gradients with ", config.algorithms.size(),
                 " algorithms: their files would replace each other; expected one --algorithm");
  }
  if (config.dump_every != 0 && config.dump_gradients.empty()) {
    return wrong("--dump-every ", config.dump_every, " without --dump-gradients: expected the folder to write into");
  }
  if (config.epochs < 1) return wrong("--epochs 0: expected at least 1");
  if (config.batch < 1 || config.batch > 1'000'000) return wrong("--batch ", config.batch, ": expected 1 to 1000000");
  if (!(config.rate >= 0) || config.rate > 1e6)
    return wrong("--rate ", config.rate, ": expected above 0, or 0 for the default");
  if (!(config.density >= 0 && config.density <= 1)) {
    return wrong("--density ", config.density, ": expected a fraction from 0 to 1, such as 0.01 for 1 %");
  }
  if (config.rows > 15 || (config.rows != 0 && config.rows % 2 == 0)) {
    return wrong("--rows ", config.rows, ": expected an odd number from 1 to 15, or 0 for the default");
  }
  if (config.oversampling != 0 && !(config.oversampling >= 1 && config.oversampling <= 1e6)) {
    return wrong("--oversampling ", config.oversampling, ": expected at least 1, or 0 for the default");
  }
  if (config.momentum != -1 && !(config.momentum >= 0 && config.momentum < 1))
    return wrong("--momentum ", config.momentum, ": expected 0 to below 1, or -1 for the default");
  if (!(config.clip >= 0)) return wrong("--clip ", config.clip, ": expected a norm above 0, or 0 for no clipping");
  if (!(config.timeout_s >= 0 && config.timeout_s < 1e9))
    return wrong("--timeout ", config.timeout_s, ": expected seconds");
  for (const std::uint32_t each : config.hidden) {
    if (each < 1 || each > 65'536) return wrong("--hidden ", joined(config.hidden), ": expected sizes from 1 to 65536");
  }
  if (config.dataset == "synthetic" && (config.samples < 1 || config.features < 1 || config.features > 65'536 ||
                                        config.classes < 2 || config.classes > 256)) {
    return wrong("--samples ", config.samples, " --features ", config.features, " --classes ", config.classes,
                 ": expected at least 1 sample, 1 to 65536 features and 2 to 256 classes");
  }
  return {};
}

std::vector<std::uint32_t> model_sizes(const TrainConfig& config) {
  const bool fashion = config.dataset == "fashion-mnist";
  std::vector<std::uint32_t> sizes = {fashion ? 784 : config.features};
  sizes.insert(sizes.end(), config.hidden.begin(), config.hidden.end());
  sizes.push_back(fashion ? 10 : config.classes);
  return sizes;
}

ModelDimension model_dimension(const TrainConfig& config) {
  ModelDimension out;
  const std::vector<std::uint32_t> sizes = model_sizes(config);
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    out.sparse += std::uint64_t{sizes[i]} * sizes[i + 1];
    (config.exact_biases ? out.exact : out.sparse) += sizes[i + 1];
  }
  return out;
}

std::string cells_of(const TrainConfig& config, const std::string& algorithm) {
  return row_named(algorithm).is_sketched ? config.cells : "f32";
}

double momentum_of(const TrainConfig& config, const std::string& algorithm) {
  return config.momentum == -1 ? row_named(algorithm).training_momentum : config.momentum;
}

std::string values_of(const TrainConfig& config, const std::string& algorithm) {
  const auto values = row_named(algorithm).values;
  const auto type = sketch::find_cell_type(config.values);
  return type && std::find(values.begin(), values.end(), *type) != values.end() ? config.values : "f32";
}

double default_rate(const std::string& algorithm) { return row_named(algorithm).training_rate; }

double default_density(const std::string& algorithm) { return row_named(algorithm).density; }

std::vector<std::string> divergence_warnings(const TrainConfig& config, const std::string& algorithm) {
  std::vector<std::string> out;
  if (algorithm != "gs-sgd") return out;
  const double density = config.density > 0 ? config.density : default_density(algorithm);
  const double chosen = density * static_cast<double>(model_dimension(config).sparse);
  const double columns = config.columns > 0 ? config.columns : chosen;
  const double oversampling = config.oversampling > 0 ? config.oversampling : 2;
  const std::string where = " (Fashion-MNIST, 536k weights, 4 or 8 ranks)";
  if (density < 0.005) {
    out.push_back(text("--density ", percent(density),
                       " is below 0.5 %: coordinates wait so long that they come out stale. "
                       "Measured: 0.1 % diverged, with 10 columns a coordinate as well",
                       where, ". 1 % and more trained; shared-top-k trains at 0.1 %"));
  }
  if (oversampling < 2) {
    out.push_back(text("--oversampling ", oversampling,
                       " is below 2: the sketch's ranking is noisy and misses heavy coordinates. "
                       "Measured without oversampling: density 1 % with 2.5 columns a coordinate diverged; 2 % with 1 "
                       "reached .874, twice oversampled .883",
                       where));
  }
  if (config.rows == 1) {
    out.push_back(
        text("--rows 1: one row has no median to throw a collision out. Measured: one row diverged where three "
             "reached .884",
             where));
  }
  if (columns < 0.5 * chosen) {
    out.push_back(text("--columns ", config.columns, " is below half of the ", static_cast<std::uint64_t>(chosen),
                       " chosen coordinates. Measured: half as many columns cost 0.8 points of accuracy (.8755 against "
                       ".8837), fewer were not tried",
                       where));
  }
  if (config.selection == "heavymix") {
    out.push_back(
        text("--selection heavymix names by the estimated norm and fills up at random. Measured: it diverged "
             "unless there are many times more columns than chosen coordinates",
             where));
  }
  if (config.momentum >= 0.7) {
    out.push_back(text("--momentum ", config.momentum,
                       ": a coordinate that is sent loses its momentum, so much of it only delays. Measured: 0.7 and "
                       "0.9 stayed 0.6 to 1.4 points below dense at every rate, 0.3 with --rate 0.7 reached it",
                       where));
  }
  const double rate = config.rate > 0 ? config.rate : default_rate(algorithm);
  if (config.clip == 0 && rate >= 0.7) {
    out.push_back(
        text("--clip 0 with --rate ", rate,
             ": nothing bounds the first steps. Measured: momentum 0.5 with rate 0.7 ended in NaN, momentum 0 "
             "with rate 1 at .811",
             where));
  } else if (rate >= 1.5) {
    out.push_back(text("--rate ", rate,
                       " is in the unstable region. Measured without momentum: 1.5 lost 1.2 points, 2 stood at .20 for "
                       "two epochs and ended at .814",
                       where));
  }
  if (config.keep_k) {
    out.push_back(
        text("--keep-k throws exact values away that were paid for. Measured: about 0.7 points of accuracy less "
             "for the same bytes",
             where));
  }
  return out;
}

}  // namespace gossamer::tools
