// Accuracy against bytes: which density gives a wanted number of times fewer bytes than dense.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/base.h"
#include "tools/train/plot.h"
#include "tools/train/train_config.h"

namespace gossamer::tools {

// Words that a step moves, in units of the factor 2 (P - 1) / P that all of these share with dense:
//
//   gs-sgd         rows * columns + oversampling * k + exact, each in the words of its cells
//   shared-top-k   k values + k index words of 12 bits, gathered once instead of reduced + exact
//   top-k          P / 2 times k values and indices, since they are gathered + exact
//
// with columns = k where config.columns is 0. Exact for gs-sgd; an upper estimate for the others, whose ranks
// may name the same coordinates.
[[nodiscard]] double model_words(const TrainConfig& config, const std::string& algorithm, double density);

// The density with which model_words is d / factor. Errors: invalid_argument where the exact tensors alone
// are more than that, or more than everything is left.
[[nodiscard]] Result<double> density_for_factor(const TrainConfig& config, const std::string& algorithm, double factor);

// Table and plot of a document with schema gossamer.study.frontier/1.
[[nodiscard]] std::string frontier_table(const nlohmann::json& document);
[[nodiscard]] Plot frontier_plot(const nlohmann::json& document);

}  // namespace gossamer::tools
