// The secret that a launcher makes for its job.
#pragma once

#include <string>

#include "base/base.h"

namespace gossamer::tools {

// 32 random bytes, as hexadecimal digits; empty where GOSSAMER_SECRET names a file or says none: then that counts.
// Errors: out_of_resources.
[[nodiscard]] Result<std::string> make_job_secret();

// The digits in memory that no name leads to, sealed against change; above the standard descriptors, closed at exec.
// Not open for no digits. Errors: out_of_resources.
[[nodiscard]] Result<UniqueDescriptor> hold_secret(const std::string& digits);

}  // namespace gossamer::tools
