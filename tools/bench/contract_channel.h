// Our own transports as channels.
#pragma once

#include <functional>
#include <memory>

#include "tools/bench/channel.h"
#include "transport/transport.h"

namespace gossamer::tools {

using TransportMaker = std::function<Result<std::unique_ptr<transport::Transport>>()>;

// Sends and receives of the memory that is given.
[[nodiscard]] Result<std::unique_ptr<Channel>> make_message_channel(const TransportMaker& make,
                                                                    const Exchange& exchange,
                                                                    const ChannelMemory& memory);

// Stores to memory of allocate_memory, as long as what is given, that the peer reads in place: the last word of a
// message is its number, so a reader knows when all of it is there. No call of the library at all: the floor of the
// machine. `unavailable` where nothing can be mapped.
[[nodiscard]] Result<std::unique_ptr<Channel>> make_mapped_channel(const TransportMaker& make, const Exchange& exchange,
                                                                   const ChannelMemory& memory);

}  // namespace gossamer::tools
