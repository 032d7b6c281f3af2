// Choices with which gs-SGD was measured to diverge or to lose accuracy. The figures, and the commit that measured
// each, are in docs/benchmarks.md, in one row for each row here.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/train/train_config.h"

namespace gossamer::tools {

// What a run comes to, defaults filled in.
struct TrainingChoices {
  const TrainConfig& config;
  double density = 0;
  double chosen = 0;  // coordinates
  double columns = 0;
  double oversampling = 0;
  double rate = 0;
};

struct WarningRow {
  std::string_view choice;  // as the first column of the docs has it
  bool (*applies)(const TrainingChoices& made);
  std::string (*made)(const TrainingChoices& made);  // "--density 0.1 %"
  std::string_view why;
};
[[nodiscard]] std::span<const WarningRow> all_warnings();

// A sentence for each that applies.
[[nodiscard]] std::vector<std::string> divergence_warnings(const TrainConfig& config, const std::string& algorithm);

}  // namespace gossamer::tools
