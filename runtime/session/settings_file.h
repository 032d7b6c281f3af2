// The configuration file: lines of NAME = value, by the names of the environment.
#pragma once

#include <map>
#include <string>

#include "base/base.h"

namespace gossamer::runtime {

// The variable that names the file.
inline constexpr const char* settings_file_variable = "GOSSAMER_CONFIG";

// Values by variable; of a variable that stands there twice the last. # begins a comment, at the start of a line or
// after a blank. `unavailable`: it cannot be read. `invalid_argument` names file and line, and no value.
[[nodiscard]] Result<std::map<std::string, std::string>> read_settings_file(const std::string& path);

}  // namespace gossamer::runtime
