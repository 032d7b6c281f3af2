// Everything that a training run can be told, and its flags.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/runtime.h"

namespace gossamer::tools {

// Zero stands for the library's default where the library has one.
struct TrainConfig {
  // The parent's own.
  std::uint32_t ranks = 4;
  std::vector<std::string> algorithms = {"gs-sgd"};
  std::string json;  // a file, "-" for stdout
  std::string plot;
  double timeout_s = 0;
  // Every peer's.
  std::string dataset = "fashion-mnist";
  std::string data = "/usr/share/datasets/fashion-mnist";
  std::uint32_t samples = 4'000;  // these three: of the synthetic data set
  std::uint32_t features = 64;
  std::uint32_t classes = 10;
  std::vector<std::uint32_t> hidden = {512, 256};
  std::uint32_t epochs = 5;
  std::uint64_t steps = 0;  // stop after so many; 0: all epochs
  std::uint64_t batch = 128;
  double rate = 0;  // 0: see rate_of
  double density = 0;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  double oversampling = 0;
  double momentum = -1;  // -1: see momentum_of
  double clip = 1;
#define GOSSAMER_TRAIN_OPTION(field, ...) std::string field{runtime::choices_of_##field[0].name};
  GOSSAMER_OPTION_TABLE(GOSSAMER_TRAIN_OPTION)
#undef GOSSAMER_TRAIN_OPTION
  bool keep_k = false;
  std::string cells = "f32";   // of gs-SGD's sketch
  std::string values = "f32";  // of exact values; i16 for gs-SGD, bf16 and f16 for dense
  std::uint32_t threads = 0;   // of each rank; 0: the library's choice
  bool exact_biases = true;
  std::string schedule = "auto";
  std::uint64_t seed = 1;
  std::string transport;         // empty: the library's choice
  std::string dump;              // a folder for every rank's final weights
  std::string dump_gradients;    // a folder for rank 0's gradients at some steps
  std::uint64_t dump_every = 0;  // which steps, see is_dump_step
};

inline const std::vector<std::string> dataset_names = {"fashion-mnist", "synthetic"};

// Of a name in the list of algorithms.
[[nodiscard]] const runtime::AlgorithmRow& algorithm_row(const std::string& name);
// Whether this is the name of an algorithm that moves everything, what the others are compared with.
[[nodiscard]] bool is_baseline(std::string_view name);

// What of --cells and --values concerns this algorithm; "f32" where they do not.
[[nodiscard]] std::string cells_of(const TrainConfig& config, const std::string& algorithm);
[[nodiscard]] std::string values_of(const TrainConfig& config, const std::string& algorithm);
// Whether an option concerns this algorithm; one that does not stays at its default.
[[nodiscard]] bool reaches(runtime::OptionReach reach, const std::string& algorithm);
// For the library, whose default of dense is a plain mean: -1 becomes the 0.9 that trains.
[[nodiscard]] double momentum_of(const TrainConfig& config, const std::string& algorithm);

// The flags that every peer understands, bound to `config`, which must outlive `app`.
void add_training_options(CLI::App& app, TrainConfig& config);

// Command line of a peer that trains with `algorithm`: parsing it gives the same configuration back.
[[nodiscard]] std::vector<std::string> peer_arguments(const TrainConfig& config, const std::string& algorithm);

// Flat, keys with the words of the flags. Without the parent's files.
[[nodiscard]] nlohmann::json config_json(const TrainConfig& config);

// What no run can be made of; the message names the flag, what it has and what it may have.
[[nodiscard]] Status check_config(const TrainConfig& config);

// Layers of the model: features, hidden ones, classes.
[[nodiscard]] std::vector<std::uint32_t> model_sizes(const TrainConfig& config);

struct ModelDimension {
  std::uint64_t sparse = 0;  // elements whose coordinates are chosen
  std::uint64_t exact = 0;   // elements that are always exchanged
};
[[nodiscard]] ModelDimension model_dimension(const TrainConfig& config);

// The rate where none is given goes with the momentum where none is given: the sum of both over all steps is the same
// for every algorithm, rate / (1 - momentum) = 1.
[[nodiscard]] double rate_of(const TrainConfig& config, const std::string& algorithm);

}  // namespace gossamer::tools
