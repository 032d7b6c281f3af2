// Files that hold a text form.
#pragma once

#include <string>
#include <string_view>

#include "base/base.h"

namespace gossamer::topology {

// All of it, but for what is beyond one byte more than the parsers take: they then say so themselves. `unavailable`:
// "schedule file PATH: ..." where `what` is "schedule".
[[nodiscard]] Result<std::string> read_text_file(std::string_view what, const std::string& path);

}  // namespace gossamer::topology
