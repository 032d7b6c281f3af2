// A simulated run as a picture: what ranks do over time with the critical path on it, and how busy the links are.
#pragma once

#include <string>

#include "topology/simulate/simulate.h"

namespace gossamer::tools {

// A whole SVG document. Up to 64 ranks have a row each; of more, 64 are shown, evenly spread, and the path goes between
// the rows.
[[nodiscard]] std::string draw_outcome(const topology::Outcome& outcome, const std::string& title,
                                       const std::string& subtitle);

}  // namespace gossamer::tools
