// `gossamer study sketch`: how well the segment-shift Count-Sketch recovers vectors, beside fully random hashing.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base.h"
#include "tools/study/sketch_vectors.h"
#include "tools/train/gradient_files.h"
#include "tools/train/plot.h"

namespace gossamer::tools {

struct SketchStudyConfig {
  std::vector<std::uint32_t> rows = {1, 3, 5};
  std::vector<std::uint32_t> columns = {4'096, 8'192, 16'384, 32'768, 65'536};
  std::uint64_t dimension = std::uint64_t{1} << 20;  // of the named vectors
  std::vector<std::uint64_t> ks;                     // empty: 0.1 % and 1 % of each vector's dimension
  std::uint32_t seeds = 10;
  std::vector<std::string> vectors = sketch_vector_names;
  std::string gradients;  // a folder, see gradient_files.h
  std::string json;       // a file, "-" for stdout
  std::string plot;
};

void add_sketch_study_options(CLI::App& app, SketchStudyConfig& config);

// What cannot be studied; the message names the flag, what it has and what it may have.
[[nodiscard]] Status check_sketch_study(const SketchStudyConfig& config);

// The gradients of the folder, none without a folder. Errors: those of read_gradients; invalid_argument where --k is
// more than a gradient has coordinates or a gradient is all 0.
[[nodiscard]] Result<std::vector<NamedVector>> load_study_gradients(const SketchStudyConfig& config);

// Measures everything and gives the document of schema gossamer.study.sketch/1. Each seed draws new hash functions and
// a new vector of each name; both hashings see the same. Two rows, one for each hashing, for each vector, rows, columns
// and k; what ends in _se is the standard error of the mean over seeds. Progress is on stderr where `shown`. Errors:
// out_of_resources.
[[nodiscard]] Result<nlohmann::json> run_sketch_study(const SketchStudyConfig& config,
                                                      const std::vector<NamedVector>& gradients,
                                                      const nlohmann::json& environment, bool shown);

[[nodiscard]] std::string sketch_study_table(const nlohmann::json& document);
[[nodiscard]] Plot sketch_study_plot(const nlohmann::json& document);

}  // namespace gossamer::tools
