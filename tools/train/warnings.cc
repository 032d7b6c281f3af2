#include "tools/train/warnings.h"

#include "tools/train/choices.h"

namespace gossamer::tools {
namespace {

using Made = TrainingChoices;

bool is_unclipped(const Made& m) { return m.config.clip == 0 && m.rate >= 0.7; }

bool has_selection(const Made& m, runtime::SelectionKind kind) {
  return choice_number("selection", m.config.selection) == static_cast<std::int32_t>(kind);
}

constexpr WarningRow warnings[] = {
    {"--density below 0.5 %", [](const Made& m) { return m.density < 0.005; },
     [](const Made& m) { return text("--density ", general(100 * m.density, 4), " %"); },
     "coordinates wait so long that they come out stale"},
    {"--oversampling below 2", [](const Made& m) { return m.oversampling < 2; },
     [](const Made& m) { return text("--oversampling ", m.oversampling); },
     "the sketch's ranking is noisy and misses heavy coordinates"},
    {"--rows 1", [](const Made& m) { return m.config.rows == 1; }, [](const Made&) { return text("--rows 1"); },
     "one row has no median to throw a collision out"},
    {"--columns below half of the chosen coordinates", [](const Made& m) { return m.columns < 0.5 * m.chosen; },
     [](const Made& m) {
       return text("--columns ", m.config.columns, " for ", static_cast<std::uint64_t>(m.chosen),
                   " chosen coordinates");
     },
     "the fewer columns, the noisier the estimates"},
    {"--selection heavymix", [](const Made& m) { return has_selection(m, runtime::SelectionKind::heavymix); },
     [](const Made& m) { return text("--selection ", m.config.selection); },
     "it names by the estimated norm and fills up at random"},
    {"--momentum from 0.7", [](const Made& m) { return m.config.momentum >= 0.7; },
     [](const Made& m) { return text("--momentum ", m.config.momentum); },
     "a coordinate that is sent loses its momentum, so much of it only delays; 0.3 with --rate 0.7 does better"},
    {"--clip 0 with --rate from 0.7", is_unclipped, [](const Made& m) { return text("--clip 0 with --rate ", m.rate); },
     "nothing bounds the first steps"},
    {"--rate from 1.5", [](const Made& m) { return m.rate >= 1.5 && !is_unclipped(m); },
     [](const Made& m) { return text("--rate ", m.rate); }, "it is in the unstable region"},
    {"--keep-k", [](const Made& m) { return m.config.keep_k; }, [](const Made&) { return text("--keep-k"); },
     "it throws exact values away that were paid for"},
};

}  // namespace

std::span<const WarningRow> all_warnings() { return warnings; }

std::vector<std::string> divergence_warnings(const TrainConfig& config, const std::string& algorithm) {
  std::vector<std::string> out;
  const runtime::AlgorithmRow& row = algorithm_row(algorithm);
  if (!row.is_sketched) return out;
  TrainingChoices made{config};
  made.density = config.density > 0 ? config.density : row.density;
  made.chosen = made.density * static_cast<double>(model_dimension(config).sparse);
  made.columns = config.columns > 0 ? config.columns : made.chosen;
  made.oversampling = config.oversampling > 0 ? config.oversampling : runtime::default_oversampling;
  made.rate = rate_of(config, algorithm);
  for (const WarningRow& each : all_warnings()) {
    if (!each.applies(made)) continue;
    out.push_back(text(each.made(made), ": ", each.why,
                       ". Measured: docs/benchmarks.md, \"Choices that lose accuracy\", ", each.choice));
  }
  return out;
}

}  // namespace gossamer::tools
