#include "tools/train/train_config.h"

#include <algorithm>
#include <type_traits>

#include "sketch/sketch.h"
#include "tools/train/choices.h"

namespace gossamer::tools {
namespace {

// "--keep-k" of the field keep_k.
std::string flag_of(std::string field) {
  std::replace(field.begin(), field.end(), '_', '-');
  return "--" + field;
}

// Name, field and meaning of each option of a peer: the one list that parsing, passing on and reporting share.
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
  visit("rows", config.rows, text("rows of the sketch, odd, 1 to 15; 0: ", runtime::default_rows));
  visit("columns", config.columns, "columns of the sketch; 0: as many as chosen coordinates");
  visit("oversampling", config.oversampling,
        text("coordinates named by the sketch over chosen ones; 0: ", runtime::default_oversampling));
  visit("momentum", config.momentum, "0 to below 1; -1: 0.3, for dense 0.9");
  visit("clip", config.clip,
        "L2 norm that each rank's gradient is cut to; 0: no clipping; -1: the algorithm's default");
#define GOSSAMER_TRAIN_FLAG(field, Kind, names, reach, meaning) \
  visit(#field, config.field, text(meaning, ": ", choice_words(#field)));
  GOSSAMER_OPTION_TABLE(GOSSAMER_TRAIN_FLAG)
#undef GOSSAMER_TRAIN_FLAG
  visit("keep_k", config.keep_k, "apply only the k largest exact values, as published");
  visit("cells", config.cells, text("cells of the sketch: ", choice_words("cells")));
  visit("values", config.values, "how exact values travel: f32; i16 for gs-sgd; bf16 or f16 for dense");
  visit("threads", config.threads, "threads of each rank that sketch and select; 0: GOSSAMER_THREADS, else 1");
  visit("exact_biases", config.exact_biases, "exchange biases whole");
  visit("schedule", config.schedule, text("who exchanges with whom: ", choice_words("schedule")));
  visit("seed", config.seed, "of weights, order of samples and hash functions");
  visit("transport", config.transport, "what moves the bytes: ucx or libfabric; empty: the library's choice");
  visit("dump", config.dump, "folder where every rank writes its final weights, f32");
  visit("dump_gradients", config.dump_gradients, "folder where rank 0 writes its gradient at some steps, f32");
  visit("dump_every", config.dump_every, "write each so many steps; 0: at the first and at 10, 50 and 90 % of the run");
}

std::string joined(const std::vector<std::uint32_t>& values) {
  std::string out;
  for (const std::uint32_t each : values) out += (out.empty() ? "" : ",") + std::to_string(each);
  return out;
}

}  // namespace

const runtime::AlgorithmRow& algorithm_row(const std::string& name) {
  const runtime::AlgorithmRow* const row = runtime::find_algorithm(name);
  GOSSAMER_CHECK(row != nullptr, "unknown algorithm " + name);
  return *row;
}

bool is_baseline(std::string_view name) {
  const runtime::AlgorithmRow* const row = runtime::find_algorithm(name);
  return row != nullptr && row->moves_everything();
}

void add_training_options(CLI::App& app, TrainConfig& config) {
  visit_options(config, [&](const std::string& name, auto& field, const std::string& meaning) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, bool>) {
      app.add_flag(flag_of(name) + ",!" + flag_of("no_" + name), field, meaning)->capture_default_str();
    } else {
      CLI::Option* option = app.add_option(flag_of(name), field, meaning)->capture_default_str();
      if constexpr (std::is_same_v<Field, std::vector<std::uint32_t>>) {
        option->delimiter(',');
      } else {
        option->take_last();  // a script's flags can be overridden behind them
      }
      if (name == "dataset") option->check(CLI::IsMember(dataset_names));
      if (find_choices(name) != nullptr) option->check(CLI::IsMember(choice_names(name)));
    }
  });
}

std::vector<std::string> peer_arguments(const TrainConfig& config, const std::string& algorithm) {
  std::vector<std::string> out = {"train", "--algorithm=" + algorithm};
  visit_options(config, [&](const std::string& name, const auto& field, const std::string&) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, bool>) {
      out.push_back(flag_of(field ? name : "no_" + name));
    } else if constexpr (std::is_same_v<Field, std::string>) {
      if (!field.empty()) out.push_back(flag_of(name) + "=" + field);
    } else if constexpr (std::is_same_v<Field, double>) {
      out.push_back(flag_of(name) + "=" + general(field, 17));
    } else if constexpr (std::is_same_v<Field, std::vector<std::uint32_t>>) {
      out.push_back(flag_of(name) + "=" + joined(field));
    } else {
      out.push_back(flag_of(name) + "=" + std::to_string(field));
    }
  });
  return out;
}

nlohmann::json config_json(const TrainConfig& config) {
  nlohmann::json out = {{"ranks", config.ranks}, {"algorithms", config.algorithms}};
  visit_options(config, [&](const std::string& name, const auto& field, const std::string&) { out[name] = field; });
  return out;
}

namespace {

// What the library checks.
runtime::CompressorConfig library_options(const TrainConfig& config) {
  runtime::CompressorConfig out;
  out.density = config.density;
  out.rows = config.rows;
  out.columns = config.columns;
  out.oversampling = config.oversampling;
  out.momentum = config.momentum;
  out.clip = config.clip;
#define GOSSAMER_TRAIN_OPTION(field, ...) runtime::option_##field.set(out, choice_number(#field, config.field));
  GOSSAMER_OPTION_TABLE(GOSSAMER_TRAIN_OPTION)
#undef GOSSAMER_TRAIN_OPTION
  return out;
}

}  // namespace

Status check_config(const TrainConfig& config) {
  const auto wrong = [](auto... parts) { return Error{Code::invalid_argument, text(parts...)}; };
  if (config.ranks < 1 || config.ranks > runtime::session_ranks_max)
    return wrong("--ranks ", config.ranks, ": expected 1 to ", runtime::session_ranks_max);
  if (config.algorithms.empty()) return wrong("--algorithm: expected at least one name");
  for (const std::string& each : config.algorithms) {
    if (runtime::find_algorithm(each) == nullptr)
      return wrong("--algorithm ", each, ": expected ", choice_words("algorithm"), ", with commas between");
  }
  GOSSAMER_TRY(runtime::check_options(library_options(config), {"--", " ", ": expected "}));
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
  return algorithm_row(algorithm).is_sketched ? config.cells : "f32";
}

double momentum_of(const TrainConfig& config, const std::string& algorithm) {
  return config.momentum == -1 ? algorithm_row(algorithm).training_momentum : config.momentum;
}

std::string values_of(const TrainConfig& config, const std::string& algorithm) {
  const auto values = algorithm_row(algorithm).values;
  const auto type = sketch::find_cell_type(config.values);
  return type && std::find(values.begin(), values.end(), *type) != values.end() ? config.values : "f32";
}

bool reaches(runtime::OptionReach reach, const std::string& algorithm) {
  return reach == runtime::OptionReach::every || algorithm_row(algorithm).is_sketched;
}

double rate_of(const TrainConfig& config, const std::string& algorithm) {
  return config.rate > 0 ? config.rate : algorithm_row(algorithm).training_rate;
}

}  // namespace gossamer::tools
