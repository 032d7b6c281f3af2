// Training in peers of their own, for the commands that compare runs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/base.h"
#include "tools/train/run_record.h"
#include "tools/train/train_config.h"

namespace gossamer::tools {

struct PeersOutcome {
  RunRecord record;  // what rank 0 had noted when the run ended, well or not
  int exit_code = 0;
  int interrupt_signal = 0;
  std::string failure;  // why exit_code is not 0
  nlohmann::json run;   // as RunRecord gives it; null after a failure
};

// Starts config.ranks peers of this program, waits for them and takes rank 0's result. Their errors are on
// stderr by then. `command`: in front of the launcher's messages. Blocks.
[[nodiscard]] PeersOutcome train_in_peers(const TrainConfig& config, const std::string& algorithm,
                                          const std::string& command);

// Prints the warnings that belong to the configuration.
void print_warnings(const TrainConfig& config, const std::string& algorithm, const std::string& command);

}  // namespace gossamer::tools
