// One rank of a training run: the training loop. What it exchanges goes through the C interface only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/base.h"
#include "bindings/c/gossamer.h"
#include "tools/train/dataset.h"
#include "tools/train/run_record.h"
#include "tools/train/train_config.h"

namespace gossamer::tools {

// The data set that `config` names. Errors: unavailable, malformed.
[[nodiscard]] Result<Dataset> load_dataset(const TrainConfig& config);

// Joins the session of the environment. The caller finalizes it. Blocks, at most the init timeout.
[[nodiscard]] Result<gossamer_session*> join_session(const TrainConfig& config);

// Trains with one algorithm on this rank and notes each epoch and, at the end, the summary, on every rank, with times
// and splits of this rank and bytes as the mean over ranks. Collective. Blocks for the whole run; each wait inside has
// a deadline. Errors as the C interface's; mismatch and disagreement: ranks differ.
[[nodiscard]] Status train_on_this_rank(const TrainConfig& config, const std::string& algorithm, const Dataset& dataset,
                                        gossamer_session* session, const TakeNote& note);

}  // namespace gossamer::tools
