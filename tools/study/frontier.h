// Accuracy against bytes: which density gives a wanted number of times fewer bytes than dense.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/base.h"
#include "tools/train/plot.h"
#include "tools/train/train_config.h"

namespace gossamer::tools {

// Words that a step moves, in units of the factor 2 (P - 1) / P that all algorithms share with dense, as each one's row
// says; with columns = k where config.columns is 0.
[[nodiscard]] double model_words(const TrainConfig& config, const std::string& algorithm, double density);

// The density with which model_words is d / factor. Errors: invalid_argument where the exact tensors alone
// are more than that, or more than everything is left.
[[nodiscard]] Result<double> density_for_factor(const TrainConfig& config, const std::string& algorithm, double factor);

// Table and plot of a document with schema gossamer.study.frontier/1.
[[nodiscard]] std::string frontier_table(const nlohmann::json& document);
[[nodiscard]] Plot frontier_plot(const nlohmann::json& document);

}  // namespace gossamer::tools
