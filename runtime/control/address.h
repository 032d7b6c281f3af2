// Addresses and listening sockets of the control plane.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

using Time = std::chrono::steady_clock::time_point;
using SocketAddress = boost::asio::ip::tcp::endpoint;

// The moment `duration_ns` from now; years are cut to one.
[[nodiscard]] Time time_after(std::uint64_t duration_ns);

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor();

  [[nodiscard]] int value() const { return value_; }
  [[nodiscard]] int release() { return std::exchange(value_, -1); }

 private:
  int value_ = -1;
};

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
[[nodiscard]] Result<Descriptor> open_listener(const SocketAddress& socket_address, std::string_view if_taken = {});

[[nodiscard]] SocketAddress local_address_of(const Descriptor& socket);

// The system's reason in the middle of a sentence: "connection refused".
[[nodiscard]] std::string reason_text(const boost::system::error_code& error);

}  // namespace gossamer::runtime
