// Tagged messages by direct calls of libfabric, as the rival of our transport over libfabric.
#pragma once

#include "tools/bench/link.h"

namespace gossamer::tools {

// Starts no library, as a process about to fork must not.
[[nodiscard]] bool built_with_libfabric();

// `unavailable` in a build without libfabric.
[[nodiscard]] Result<std::unique_ptr<Link>> make_bare_libfabric_link(const std::string& provider,
                                                                     const Exchange& exchange,
                                                                     const LinkMemory& memory);

}  // namespace gossamer::tools
