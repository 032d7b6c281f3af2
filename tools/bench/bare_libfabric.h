// Tagged messages by direct calls of libfabric, as the rival of our transport over libfabric.
#pragma once

#include "tools/bench/channel.h"

namespace gossamer::tools {

// Starts no library, as a process about to fork must not.
[[nodiscard]] bool has_libfabric();

// `unavailable` in a build without libfabric.
[[nodiscard]] Result<std::unique_ptr<Channel>> make_bare_libfabric_channel(const std::string& provider,
                                                                           const Exchange& exchange,
                                                                           const ChannelMemory& memory);

}  // namespace gossamer::tools
