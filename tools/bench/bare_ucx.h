// Tag messages by direct calls of UCX, as the rival of our transport over UCX.
#pragma once

#include "tools/bench/link.h"

namespace gossamer::tools {

// The way is UCX_TLS of the environment, as for the transport.
[[nodiscard]] Result<std::unique_ptr<Link>> make_bare_ucx_link(const Exchange& exchange, const LinkMemory& memory);

}  // namespace gossamer::tools
