// How much of the library's log the command prints on stderr.
#pragma once

#include "base/base.h"

namespace gossamer::tools {

// GOSSAMER_LOG: debug, info, warning or error; warning where it is not set, invalid_argument for another word.
[[nodiscard]] Result<LogLevel> log_level();

}  // namespace gossamer::tools
