// What every command's results are written with: percentiles, tables, the machine that they are of.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gossamer::tools {

// The value below which the fraction `q` of the samples lies (nearest rank); 0 for none.
[[nodiscard]] double percentile(std::vector<double> samples, double q);

// This machine and this build, as far as the core library does not say: cpu, cores, kernel, compiler.
[[nodiscard]] nlohmann::json machine_json();

// The same and what Gossamer itself says about it.
[[nodiscard]] nlohmann::json environment_json();

// Columns of text under a heading; numbers to the right. For a terminal.
[[nodiscard]] std::string format_table(const std::vector<std::vector<std::string>>& rows);
// The same with text to the left.
[[nodiscard]] std::string format_columns(const std::vector<std::vector<std::string>>& rows);
// "-" where it is not finite.
[[nodiscard]] std::string format_number(double value, int digits);

}  // namespace gossamer::tools
