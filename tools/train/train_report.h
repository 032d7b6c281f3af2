// What training runs come to: numbers, JSON, a table and a plot.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base.h"
#include "tools/train/plot.h"
#include "tools/train/train_config.h"

namespace gossamer::tools {

// Bytes that a dense all-reduce must move for each peer and step: 2 d (P - 1) / P words.
[[nodiscard]] double dense_bytes_per_step(std::uint64_t dimension, std::uint32_t ranks);

// One document of finished runs, as rank 0 reported them: {"algorithm", "rows": [...], "summary": {...}}. Adds
// times_fewer_bytes to each summary, against the dense run among them or else against the formula above.
//
//   {"schema": "gossamer.train/1", "environment": {}, "configuration": {}, "rows": [one an epoch and algorithm],
//    "summary": the first run's, "summaries": [one a run]}
[[nodiscard]] nlohmann::json training_document(const TrainConfig& config, const nlohmann::json& environment,
                                               const std::vector<nlohmann::json>& runs);

[[nodiscard]] std::string training_table(const nlohmann::json& document);
[[nodiscard]] Plot training_plot(const nlohmann::json& document);

}  // namespace gossamer::tools
