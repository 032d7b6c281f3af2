// `gossamer topo measure` in one process of a job: joins as a session does, measures, leaves.
#pragma once

#include <string>

#include "base/base.h"
#include "tools/topo/measure_run.h"

namespace gossamer::tools {

struct MeasureRequest {
  MeasureOptions options;
  std::string memory = "host";
  std::string out;     // of rank 0: written after each phase; "-" is stdout, at the end
  std::string csv;     // empty: none
  std::string resume;  // empty: from the beginning
};

// Returns the exit code; every rank of the job calls it.
[[nodiscard]] int measure_in_session(const MeasureRequest& request);

}  // namespace gossamer::tools
