// How peers reach this process: bytes that stay the same, while each view has an endpoint of its own.
//
//   provider    address                              endpoint of view e
//   shm         the process's name (shared_name.h)   <address>-<e>: peers of another view do not find it
//               and .fi<n>
//   tcp         host and port                        the same; meanwhile a socket that does not listen keeps the port
//   adapters    what the provider gave first         the same where the provider gives it again, else one view only
//
// What travels is the provider's name in front of that, so that ranks with different providers are told.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "transport/libfabric/provider.h"
#include "transport/transport.h"

namespace gossamer::transport::libfabric {

// An address as the provider reads it.
using ProviderAddress = std::vector<std::byte>;

[[nodiscard]] Address encode_address(const Provider& provider, const ProviderAddress& address);
// invalid_argument for what is not of this transport or of another provider.
[[nodiscard]] Result<ProviderAddress> decode_address(Rank rank, const Address& address, const Provider& provider);

// The address of the endpoint that the owner of `address` has in the view `epoch`.
[[nodiscard]] ProviderAddress address_in_view(const Provider& provider, const ProviderAddress& address, Epoch epoch);

// A name in shared memory that no other transport has, of this process's `folder`, whose lock says that it lives.
[[nodiscard]] ProviderAddress make_shared_memory_address(std::string_view folder);

// Keeps a port of a socket provider while no endpoint listens there.
class PortGuard {
 public:
  // Chooses a port of the host that `info` names as its source, and writes it there. Where that is not possible
  // the guard guards nothing and the provider chooses.
  explicit PortGuard(fi_info& info);
  ~PortGuard();
  PortGuard(const PortGuard&) = delete;
  PortGuard& operator=(const PortGuard&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace gossamer::transport::libfabric
