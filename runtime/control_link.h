// One framed TCP connection to a peer or to a stranger. Used by the service thread alone.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/base.h"
#include "runtime/control_wire.h"

namespace gossamer::runtime {

class Link;

// Whoever reads a link. A link calls its owner of the moment, which may pass the link on from within.
class LinkOwner {
 public:
  // After each message the owner calls read() again, when it wants the next.
  virtual void on_message(Link& link, const wire::Message& message) = 0;
  // The link ended by itself: the peer closed it, it failed, or the bytes were no frame (`malformed`).
  // It is closed already.
  virtual void on_end(Link& link, const std::string& reason, bool malformed) = 0;

 protected:
  ~LinkOwner() = default;
};

class Link : public std::enable_shared_from_this<Link> {
 public:
  // `bytes_sent` outlives the io_context of `socket`.
  Link(boost::asio::ip::tcp::socket socket, std::atomic<std::uint64_t>& bytes_sent);

  // `owner` outlives the link, or calls close() or passes the link on before it goes.
  void set_owner(LinkOwner* owner) { owner_ = owner; }
  void set_frame_bytes_max(std::size_t bytes) { frame_bytes_max_ = bytes; }

  // Reads one message and gives it to the owner. Does nothing while a read is under way.
  void read();

  // Writes at once what the socket takes, so that bytes are with the kernel before this process can
  // act on what they say; queues the rest. A failed write is silent: reading finds the end.
  void send(const wire::Message& message);
  [[nodiscard]] bool drained() const { return queue_.empty(); }

  // No more sends; the peer sees the end of the stream after the last byte. Reading goes on.
  void finish();

  // Ends the link without a call to the owner.
  void close();
  [[nodiscard]] bool open() const { return socket_.is_open(); }

  [[nodiscard]] std::string peer_text() const { return peer_; }
  [[nodiscard]] boost::asio::ip::address local_address() const;

  // Where the link is one rank's: whose. Set by the owner.
  std::uint32_t rank = 0;

 private:
  void read_body();
  void end(const std::string& reason, bool malformed);
  void pump();

  boost::asio::ip::tcp::socket socket_;
  std::atomic<std::uint64_t>& bytes_sent_;
  LinkOwner* owner_ = nullptr;
  std::size_t frame_bytes_max_ = frame_bytes_max;
  std::string peer_;
  std::array<unsigned char, 4> header_{};
  std::string body_;
  std::deque<std::string> queue_;  // not yet with the kernel
  bool reading_ = false;
  bool finishing_ = false;
};

}  // namespace gossamer::runtime
