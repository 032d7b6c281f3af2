// Addresses and listening sockets of the control plane.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

using Time = std::chrono::steady_clock::time_point;
using SocketAddress = boost::asio::ip::tcp::endpoint;

// The moment `duration_ns` from now; years are cut to one.
[[nodiscard]] Time time_after(std::uint64_t duration_ns);

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

// "host:port" or "[v6]:port".
[[nodiscard]] Result<HostPort> parse_host_port(std::string_view words);

// The address that `host` is, where it is one and no name.
[[nodiscard]] std::optional<boost::asio::ip::address> numeric_address(const std::string& host);

// All addresses of a host. A name is looked up in a thread of its own, which outlives a deadline that
// comes first, since a look-up cannot be called off.
[[nodiscard]] Result<std::vector<SocketAddress>> resolve(const HostPort& where, Time deadline);

[[nodiscard]] bool are_loopback(const std::vector<SocketAddress>& addresses);

// "127.0.0.1:4711", "[::1]:4711".
[[nodiscard]] std::string socket_address_text(const SocketAddress& socket_address);

// A listening socket, not inherited by children. The error says which address, why and what to do; `if_taken` is said
// where the port is in use.
[[nodiscard]] Result<UniqueDescriptor> open_listener(const SocketAddress& socket_address,
                                                     std::string_view if_taken = {});

[[nodiscard]] SocketAddress local_address_of(const UniqueDescriptor& socket);

// The system's reason in the middle of a sentence: "connection refused".
[[nodiscard]] std::string reason_text(const boost::system::error_code& error);

}  // namespace gossamer::runtime
