#include "runtime/control/joining/local_host.h"

#include <sys/socket.h>

#include "runtime/control/address.h"

namespace gossamer::runtime {
namespace {

// By the routes of this host: connecting a datagram socket sends nothing.
std::string source_towards(SocketAddress there) {
  if (there.port() == 0) there.port(1);
  const UniqueDescriptor socket(::socket(there.protocol().family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.value() < 0 || ::connect(socket.value(), there.data(), static_cast<socklen_t>(there.size())) != 0)
    return {};
  const auto source = local_address_of(socket).address();
  return source.is_loopback() || source.is_unspecified() ? std::string() : source.to_string();
}

}  // namespace

std::string local_host(const std::string& bind_host, const std::string& rendezvous, std::uint64_t limit_ns) {
  const Time deadline = time_after(limit_ns);
  const auto bound = resolve({bind_host, 0}, deadline);
  if (!bound.ok()) return {};
  if (const auto address = bound->front().address(); !address.is_unspecified()) return address.to_string();
  const auto where = parse_host_port(rendezvous);
  if (!where.ok()) return {};
  const auto there = resolve(*where, deadline);
  return there.ok() ? source_towards(there->front()) : std::string();
}

}  // namespace gossamer::runtime
