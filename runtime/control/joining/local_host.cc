#include "runtime/control/joining/local_host.h"

#include <sys/socket.h>

#include <optional>

#include "runtime/control/address.h"

namespace gossamer::runtime {
namespace {

// By the routes of this host: connecting a datagram socket sends nothing.
std::optional<boost::asio::ip::address> source_of(SocketAddress there) {
  if (there.port() == 0) there.port(1);
  const UniqueDescriptor socket(::socket(there.protocol().family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.value() < 0 || ::connect(socket.value(), there.data(), static_cast<socklen_t>(there.size())) != 0)
    return std::nullopt;
  return local_address_of(socket).address();
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
  if (!there.ok()) return {};
  const auto source = source_of(there->front());
  return !source || source->is_loopback() || source->is_unspecified() ? std::string() : source->to_string();
}

std::string source_towards(std::string_view where) {
  const auto there = parse_host_port(where);
  const auto address = there.ok() ? numeric_address(there->host) : std::nullopt;
  const auto source = address ? source_of(SocketAddress(*address, there->port)) : std::nullopt;
  return !source || source->is_unspecified() ? std::string() : source->to_string();
}

}  // namespace gossamer::runtime
