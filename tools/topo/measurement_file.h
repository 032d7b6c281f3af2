// A measurement as a file: JSON of the schema gossamer.topo/1, which docs/topology.md describes, and CSV for tables.
#pragma once

#include <string>
#include <string_view>

#include "base/base.h"
#include "topology/measure/measurement.h"

namespace gossamer::tools {

// One line for each pair, so that a file compares and compresses well. What is read again equals what was written, bit
// for bit.
[[nodiscard]] std::string write_measurement(const topology::Measurement& measurement);

// Errors: unavailable where there is no such file to read; malformed with the place and what was expected there, also
// for JSON that is cut off or another program's; mismatch for another version of the schema. Members that it does not
// know are ignored.
[[nodiscard]] Result<topology::Measurement> read_measurement(const std::string& path);
// The same of a file's text; `name` stands in the errors.
[[nodiscard]] Result<topology::Measurement> parse_measurement(std::string_view content, const std::string& name);

// A line for each pair and size under a line of names; a pair without values has one line with the reason.
[[nodiscard]] std::string measurement_csv(const topology::Measurement& measurement);

// "idle" or "loaded".
[[nodiscard]] std::string_view pair_load_name(topology::PairLoad load);

}  // namespace gossamer::tools
