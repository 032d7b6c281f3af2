// Plays a stream of bytes to a connection of the control plane.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/base.h"
#include "runtime/control/connection.h"

namespace gossamer::fuzz {

// A connection reads `stream` as from a peer that has sent it and sends no more, until it has ended. `prepare` is given
// the connection before its first read. Returns the peer's end of the socket, with what the connection sent.
template <typename Prepare>
[[nodiscard]] UniqueDescriptor run_connection(std::string_view stream, runtime::ConnectionOwner& owner,
                                              std::atomic<std::uint64_t>& bytes_sent, const Prepare& prepare) {
  static boost::asio::io_context io{1};
  int ends[2];
  GOSSAMER_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a pair of sockets");
  UniqueDescriptor peer(ends[0]);
  GOSSAMER_CHECK(stream.empty() || ::send(ends[0], stream.data(), stream.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
                                       static_cast<ssize_t>(stream.size()),
                 "the stream fits into the socket");
  ::shutdown(ends[0], SHUT_WR);

  boost::asio::ip::tcp::socket socket(io);
  socket.assign(boost::asio::ip::tcp::v4(), ends[1]);
  const auto connection = std::make_shared<runtime::Connection>(std::move(socket), bytes_sent);
  connection->set_owner(&owner);
  prepare(*connection);
  connection->read();
  io.run();
  io.restart();
  GOSSAMER_CHECK(!connection->is_open(), "a connection that stays open after its end");
  return peer;
}

}  // namespace gossamer::fuzz
