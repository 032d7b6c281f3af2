// One framed TCP connection to a peer or to a stranger. Used by the service thread alone.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/address.h"
#include "runtime/control/secret/seal.h"
#include "runtime/control/wire.h"

namespace gossamer::runtime {

class Connection;

// How a connection ended by itself.
enum class ConnectionEnd : std::uint8_t {
  closed,     // the peer closed it, or it failed
  malformed,  // the bytes were no frame of a message
  forged      // a frame's code was wrong
};

// Whoever reads a connection. A connection calls its owner of the moment, which may pass the connection on from within.
class ConnectionOwner {
 public:
  // After each message the owner calls read() again, when it wants the next.
  virtual void on_message(Connection& connection, const wire::Message& message) = 0;
  // The connection ended by itself. It is closed already.
  virtual void on_end(Connection& connection, const std::string& reason, ConnectionEnd end) = 0;

 protected:
  ~ConnectionOwner() = default;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `bytes_sent` outlives the io_context of `socket`.
  Connection(boost::asio::ip::tcp::socket socket, std::atomic<std::uint64_t>& bytes_sent);

  // `owner` outlives the connection, or calls close() or passes the connection on before it goes.
  void set_owner(ConnectionOwner* owner) { owner_ = owner; }
  void set_frame_bytes_max(std::size_t bytes) { frame_bytes_max_ = bytes; }

  // Before anything is said or heard: what is goes into the keys that authenticate() derives.
  void keep_transcript() { transcript_.emplace(); }
  // From here on every frame, both ways, carries a code (secret/seal.h). Between two reads. A first frame
  // with a wrong code is answered by one that the peer cannot check either, so that both ends know why.
  void authenticate(const Key& secret, Side own);
  [[nodiscard]] bool is_authenticated() const { return seals_.has_value(); }

  // Reads one message and gives it to the owner. Does nothing while a read is under way.
  void read();

  // A message as it travels, encoded once for many connections.
  using Body = std::shared_ptr<const std::string>;
  [[nodiscard]] static Body encode(const wire::Message& message);
  // None where there are no blobs.
  [[nodiscard]] static std::vector<Body> encode_all(const std::shared_ptr<const std::vector<wire::Blobs>>& frames);

  // Writes at once what the socket takes, so that bytes are with the kernel before this process can
  // act on what they say; queues the rest. A failed write is silent: reading finds the end.
  void send(const wire::Message& message) { send(encode(message)); }
  // The body is shared while it waits.
  void send(const Body& body);
  // Queues it behind what is said already, and leaves the thread to others between two of them: for what is long.
  void send_in_turn(const Body& body);
  [[nodiscard]] bool is_drained() const { return queue_.empty(); }

  // No more sends; the peer sees the end of the stream after the last byte. Reading goes on.
  void finish();

  // Ends the connection without a call to the owner.
  void close();
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }

  // The kernel, which costs this process nothing, asks the peer's now and then, and ends the connection where that has
  // not answered, or not taken bytes, for `lease_ns`: finds a path that was cut, not a process that is stopped. In
  // whole seconds; nothing for 0, or within this host.
  void watch_path(std::uint64_t lease_ns);

  // When the last whole frame came, or the connection was made.
  [[nodiscard]] Time heard_at() const { return heard_at_; }
  // Memory that the peer's bytes and the queue take, shared bodies counted in full.
  [[nodiscard]] std::size_t bytes_held() const;

  [[nodiscard]] std::string peer_text() const { return peer_; }
  [[nodiscard]] boost::asio::ip::address peer_address() const { return peer_address_; }
  [[nodiscard]] boost::asio::ip::address local_address() const;

  // Where the connection is one rank's: whose. Set by the owner.
  std::uint32_t rank = 0;

 private:
  void read_body(std::size_t length);
  void take_body(std::size_t length);
  // | length, 4 B | body | code, with a secret |
  struct Frame {
    std::array<char, 4> length{};
    Body body;
    Seal::FrameCode code{};
    std::size_t code_bytes = 0;
    std::size_t written = 0;  // of all
    bool sealed = true;       // else it gets its code when its turn comes
    [[nodiscard]] std::size_t bytes() const { return length.size() + body->size() + code_bytes; }
  };
  [[nodiscard]] Frame make_frame(const Body& body);
  void seal(Frame& frame);
  // What of it is not written.
  [[nodiscard]] static std::array<boost::asio::const_buffer, 3> rest_of(const Frame& frame);
  void end(const std::string& reason, ConnectionEnd how);
  void pump();

  boost::asio::ip::tcp::socket socket_;
  std::atomic<std::uint64_t>& bytes_sent_;
  ConnectionOwner* owner_ = nullptr;
  std::size_t frame_bytes_max_ = frame_bytes_max;
  std::string peer_;
  boost::asio::ip::address peer_address_;
  std::optional<Transcript> transcript_;
  std::optional<SealPair> seals_;
  Time heard_at_ = std::chrono::steady_clock::now();
  std::array<char, 4> header_{};
  std::string body_;
  std::deque<Frame> queue_;  // not yet with the kernel
  bool reading_ = false;
  bool finishing_ = false;
};

}  // namespace gossamer::runtime
