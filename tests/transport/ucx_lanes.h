// What UCX chose for a connection.
#pragma once

#include <string>

#include "transport/transport.h"

namespace gossamer::transport::ucx {

// UCX's own description of the connection of a UcxTransport to `peer`: lanes and protocols. Empty before the first
// start.
[[nodiscard]] std::string lanes_of(Transport& transport, Rank peer);

}  // namespace gossamer::transport::ucx
