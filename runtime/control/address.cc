#include "runtime/control/address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>

namespace gossamer::runtime {
namespace {

boost::system::error_code last_error() { return {errno, boost::system::system_category()}; }

struct LookUp {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  int status = 0;
  std::vector<SocketAddress> addresses;
};

void look_up(LookUp& look_up, const HostPort& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(where.host.c_str(), nullptr, &hints, &found);
  std::vector<SocketAddress> addresses;
  if (status == 0) {
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
      if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
      SocketAddress socket_address;
      std::memcpy(socket_address.data(), entry->ai_addr, entry->ai_addrlen);
      socket_address.port(where.port);
      if (std::find(addresses.begin(), addresses.end(), socket_address) == addresses.end())
        addresses.push_back(socket_address);
    }
    freeaddrinfo(found);
  }
  const std::lock_guard lock(look_up.mutex);
  look_up.status = status;
  look_up.addresses = std::move(addresses);
  look_up.done = true;
  look_up.ended.notify_all();
}

Error cannot_listen(const SocketAddress& socket_address, std::string_view if_taken) {
  const int reason = errno;
  std::string message = text("cannot listen at ", socket_address_text(socket_address), ": ", reason_text(last_error()));
  if (reason == EADDRINUSE) {
    message += ": the port is in use; is another session or a second rank 0 using it? End it or choose another port";
    if (!if_taken.empty()) message += text("; ", if_taken);
  } else if (reason == EADDRNOTAVAIL) {
    message += ": no interface of this host has that address; rank 0 must run on the rendezvous host";
  } else if (reason == EACCES) {
    message += ": choose a port above 1023";
  }
  return Error{Code::unavailable, std::move(message)};
}

}  // namespace

Time time_after(std::uint64_t duration_ns) {
  constexpr std::uint64_t year_ns = 365ull * 24 * 3600 * 1'000'000'000;
  return std::chrono::steady_clock::now() + std::chrono::nanoseconds(std::min(duration_ns, year_ns));
}

Result<HostPort> parse_host_port(std::string_view words) {
  const auto wrong = [&](std::string_view why) {
    return Error{Code::invalid_argument,
                 text("the address \"", words, "\" ", why,
                      "; expected \"host:port\" with a port from 1 to 65535, or \"[IPv6]:port\"")};
  };
  const std::size_t colon = words.rfind(':');
  if (colon == std::string_view::npos) return wrong("has no port");
  std::string_view host = words.substr(0, colon);
  const std::string_view digits = words.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("has more than one colon");
  }
  if (host.empty()) return wrong("has no host");
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) return wrong("has a wrong port");
  return HostPort{std::string(host), port};
}

std::optional<boost::asio::ip::address> numeric_address(const std::string& host) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return error ? std::nullopt : std::optional(address);
}

Result<std::vector<SocketAddress>> resolve(const HostPort& where, Time deadline) {
  if (const auto numeric = numeric_address(where.host))
    return std::vector<SocketAddress>{SocketAddress(*numeric, where.port)};

  const auto state = std::make_shared<LookUp>();
  GOSSAMER_ASSIGN(auto thread, make_thread("the look-up of a host name", [state, where] { look_up(*state, where); }));
  thread.detach();
  std::unique_lock lock(state->mutex);
  if (!state->ended.wait_until(lock, deadline, [&] { return state->done; })) {
    return Error{Code::unavailable, text("no answer in time to the look-up of the host name \"", where.host,
                                         "\"; check the name server, or give a numeric address")};
  }
  if (state->status != 0 || state->addresses.empty()) {
    return Error{Code::unavailable, text("cannot find the host \"", where.host, "\": ",
                                         state->status != 0 ? gai_strerror(state->status) : "it has no IP address",
                                         "; check the name, or give a numeric address")};
  }
  return std::move(state->addresses);
}

bool are_loopback(const std::vector<SocketAddress>& addresses) {
  return std::all_of(addresses.begin(), addresses.end(),
                     [](const SocketAddress& socket_address) { return socket_address.address().is_loopback(); });
}

std::string socket_address_text(const SocketAddress& socket_address) {
  const auto address = socket_address.address();
  return address.is_v6() ? text("[", address.to_string(), "]:", socket_address.port())
                         : text(address.to_string(), ":", socket_address.port());
}

Result<UniqueDescriptor> open_listener(const SocketAddress& socket_address, std::string_view if_taken) {
  UniqueDescriptor socket(::socket(socket_address.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.value() < 0) return cannot_listen(socket_address, if_taken);
  // Lets a session start where one has just ended (TIME_WAIT); two listeners still exclude each other.
  const int on = 1;
  if (::setsockopt(socket.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.value(), socket_address.data(), static_cast<socklen_t>(socket_address.size())) != 0 ||
      ::listen(socket.value(), SOMAXCONN) != 0) {
    return cannot_listen(socket_address, if_taken);
  }
  return socket;
}

SocketAddress local_address_of(const UniqueDescriptor& socket) {
  SocketAddress socket_address;
  auto size = static_cast<socklen_t>(socket_address.capacity());
  if (::getsockname(socket.value(), socket_address.data(), &size) == 0) socket_address.resize(size);
  return socket_address;
}

std::string reason_text(const boost::system::error_code& error) {
  std::string reason = error.message();
  if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z') reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  return reason;
}

}  // namespace gossamer::runtime
