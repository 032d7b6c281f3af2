// A measurement as one HTML file that needs nothing else: no network, no library, and for its tables no script.
#pragma once

#include <string>

#include "topology/measure/measurement.h"

namespace gossamer::tools {

// Whoever wrote the measurement, nothing of it becomes markup or script; the page itself allows no script but its own
// (a content security policy by hash). Equal measurements give equal bytes. 256 ranks take seconds, most of
// them for the causes.
[[nodiscard]] std::string report_page(const topology::Measurement& measurement);

}  // namespace gossamer::tools
