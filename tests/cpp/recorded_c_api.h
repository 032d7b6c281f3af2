// The functions of gossamer.h as a test needs them: each takes a note of its call and does nothing.
#pragma once

#include <gossamer.h>

#include <string>
#include <vector>

namespace recorded {

extern std::vector<std::string> calls;  // name(arguments that matter)
extern gossamer_status next_status;     // of the next call that may fail; DONE again after it
[[nodiscard]] std::vector<std::string> take();

}  // namespace recorded
