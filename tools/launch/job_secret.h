// The secret that a launcher makes for its job.
#pragma once

#include "base/base.h"

namespace gossamer::tools {

// 32 random bytes, as hexadecimal digits, in memory that no name leads to, sealed against change; above the standard
// descriptors, closed at exec. Not open where GOSSAMER_SECRET names a file or says none: then that counts. Errors:
// out_of_resources.
[[nodiscard]] Result<UniqueDescriptor> make_job_secret();

}  // namespace gossamer::tools
