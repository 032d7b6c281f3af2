// A transport over a real library, as tests name it.
#pragma once

#include <memory>
#include <string>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::transport {

struct TransportChoice {
  std::string transport;  // "ucx" or "libfabric"
  std::string ways;       // for ucx: as in UCX_TLS; for libfabric: its provider
};

[[nodiscard]] Result<std::unique_ptr<Transport>> make_transport(const TransportChoice& choice, const std::string& job);

}  // namespace gossamer::transport
