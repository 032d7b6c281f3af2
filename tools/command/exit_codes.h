// What the command's exit status means; scripts rely on these numbers.
#pragma once

namespace gossamer::tools {

inline constexpr int exit_success = 0;
inline constexpr int exit_failure = 1;         // the work began and failed; stderr says why
inline constexpr int exit_usage = 2;           // the command line is wrong
inline constexpr int exit_data = 3;            // a data file is missing or not what it claims to be
inline constexpr int exit_disagreement = 4;    // ranks ended with different weights or coordinates
inline constexpr int exit_not_comparable = 5;  // what is compared are different things
inline constexpr int exit_timeout = 124;       // --timeout passed
inline constexpr int exit_not_executable = 126;
inline constexpr int exit_not_found = 127;
inline constexpr int exit_signal_base = 128;  // plus the signal's number

}  // namespace gossamer::tools
