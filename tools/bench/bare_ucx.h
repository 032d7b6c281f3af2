// Tag messages by direct calls of UCX, as the rival of our transport over UCX.
#pragma once

#include "tools/bench/channel.h"

namespace gossamer::tools {

// The way is UCX_TLS of the environment, as for the transport.
[[nodiscard]] Result<std::unique_ptr<Channel>> make_bare_ucx_channel(const Exchange& exchange,
                                                                     const ChannelMemory& memory);

}  // namespace gossamer::tools
