// What a report says in words and tables, as HTML: all of it that needs no script.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/topo/links.h"
#include "tools/topo/schedule_forecast.h"
#include "tools/topo/size_curves.h"
#include "topology/measure/causes.h"

namespace gossamer::tools {

// What all parts of a report are made of.
struct ReportParts {
  const Links& links;
  topology::Causes causes;
  PairTiers tiers;
  std::vector<SizeCurve> curves;
  std::optional<ScheduleForecast> forecast;
};

// A list of sentences, the most important first.
[[nodiscard]] std::string summary_html(const ReportParts& parts);
// For each tier, its middle when idle: "1.85 us, 11.9 GB/s".
[[nodiscard]] std::vector<std::string> tier_captions(const ReportParts& parts);
[[nodiscard]] std::string tier_table(const ReportParts& parts);
// Each host with all others, or with itself where there is one.
[[nodiscard]] std::string host_table(const ReportParts& parts);
// The pairs that are farthest behind the better quarter of their tier, and those without a figure.
[[nodiscard]] std::string slowest_table(const ReportParts& parts);
[[nodiscard]] std::string missing_table(const ReportParts& parts);
[[nodiscard]] std::string curve_table(const ReportParts& parts);
[[nodiscard]] std::string forecast_table(const ReportParts& parts);

}  // namespace gossamer::tools
