// `gossamer trace merge`: the files that ranks wrote for GOSSAMER_TRACE, as one.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

// The events of all, in the order of the files, and what each file says of itself in otherData.ranks. `malformed` for
// what is no trace of this library, `mismatch` for two files of one rank or of sessions of different sizes,
// `unavailable` for what cannot be read.
[[nodiscard]] Result<nlohmann::json> merge_traces(const std::vector<std::string>& paths);

}  // namespace gossamer::tools
