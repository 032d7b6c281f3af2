#include "runtime/control/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "runtime/control/address.h"

namespace gossamer::runtime {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

std::string end_text(const error_code& error) {
  if (error == asio::error::eof) return "its process ended (connection closed)";
  if (error == asio::error::connection_reset) return "its process ended (connection reset)";
  return text("its connection failed (", reason_text(error), ")");
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, std::atomic<std::uint64_t>& bytes_sent)
    : socket_(std::move(socket)), bytes_sent_(bytes_sent) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const SocketAddress peer = socket_.remote_endpoint(ignored);
  peer_ = ignored ? "a peer that is gone" : socket_address_text(peer);
  peer_address_ = peer.address();
}

asio::ip::address Connection::local_address() const {
  error_code ignored;
  return socket_.local_endpoint(ignored).address();
}

void Connection::authenticate(const Key& secret, Side own) {
  GOSSAMER_CHECK(transcript_.has_value() && !reading_, "keys come from a transcript, between two reads");
  seals_.emplace(transcript_->derive(secret, own));
  transcript_.reset();
}

std::size_t Connection::bytes_held() const {
  std::size_t bytes = body_.capacity();
  for (const Frame& frame : queue_) bytes += sizeof frame + frame.body->capacity();
  return bytes;
}

Connection::Body Connection::encode(const wire::Message& message) {
  auto body = std::make_shared<std::string>();
  message.SerializeToString(body.get());
  GOSSAMER_CHECK(body->size() <= frame_bytes_max, "a control message is bounded before it is sent");
  return body;
}

std::vector<Connection::Body> Connection::encode_all(const std::shared_ptr<const std::vector<wire::Blobs>>& frames) {
  std::vector<Body> bodies;
  if (frames == nullptr) return bodies;
  for (const wire::Blobs& frame : *frames) {
    wire::Message message;
    *message.mutable_blobs() = frame;
    bodies.push_back(encode(message));
  }
  return bodies;
}

Connection::Frame Connection::make_frame(const Body& body) {
  Frame frame;
  frame.body = body;
  for (unsigned i = 0; i < 4; ++i) frame.length[i] = static_cast<char>((body->size() >> (8 * i)) & 0xff);
  const std::string_view length(frame.length.data(), frame.length.size());
  if (transcript_) {
    transcript_->said(length);
    transcript_->said(*body);
  }
  if (seals_) {
    frame.code_bytes = frame.code.size();
    frame.sealed = false;
  }
  bytes_sent_.fetch_add(frame.bytes(), std::memory_order_relaxed);
  return frame;
}

// In the order in which frames are written.
void Connection::seal(Frame& frame) {
  if (frame.sealed) return;
  frame.code = seals_->sending.next({frame.length.data(), frame.length.size()}, *frame.body);
  frame.sealed = true;
}

std::array<asio::const_buffer, 3> Connection::rest_of(const Frame& frame) {
  std::array<asio::const_buffer, 3> rest = {asio::buffer(frame.length), asio::buffer(*frame.body),
                                            asio::buffer(frame.code.data(), frame.code_bytes)};
  std::size_t skipped = frame.written;
  for (asio::const_buffer& each : rest) {
    const std::size_t bytes = std::min(skipped, each.size());
    each += bytes;
    skipped -= bytes;
  }
  return rest;
}

void Connection::read() {
  if (!is_open() || reading_) return;
  reading_ = true;
  asio::async_read(socket_, asio::buffer(header_), [self = shared_from_this()](const error_code& error, std::size_t) {
    if (!self->is_open()) return;
    if (error) return self->end(end_text(error), ConnectionEnd::closed);
    std::size_t length = 0;
    for (unsigned i = 0; i < 4; ++i) {
      length |= std::size_t{static_cast<unsigned char>(self->header_[i])} << (8 * i);
    }
    if (length > self->frame_bytes_max_) {
      return self->end(text("it announced a message of ", format_bytes(length), ", and ",
                            format_bytes(self->frame_bytes_max_), " is the limit"),
                       ConnectionEnd::malformed);
    }
    self->read_body(length);
  });
}

void Connection::read_body(std::size_t length) {
  body_.resize(length + (seals_ ? frame_code_bytes : 0));
  asio::async_read(socket_, asio::buffer(body_),
                   [self = shared_from_this(), length](const error_code& error, std::size_t) {
                     if (!self->is_open()) return;
                     if (error) return self->end(end_text(error), ConnectionEnd::closed);
                     self->take_body(length);
                   });
}

void Connection::take_body(std::size_t length) {
  const std::string_view header(header_.data(), header_.size());
  const std::string_view body = std::string_view(body_).substr(0, length);
  if (transcript_) {
    transcript_->heard(header);
    transcript_->heard(body);
  }
  if (seals_ && !seals_->receiving.check_next(header, body, std::string_view(body_).substr(length))) {
    const bool first = seals_->receiving.frames() == 1;
    wire::Message none;
    none.mutable_refusal()->set_code(static_cast<std::int32_t>(Code::mismatch));
    if (first) send(none);
    return end(first ? "its session secret differs"
                     : "a message on its connection carried a wrong authentication code: another program changed, "
                       "replayed or injected bytes",
               ConnectionEnd::forged);
  }
  wire::Message message;
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      message.kind_case() == wire::Message::KIND_NOT_SET) {
    return end("it sent bytes that are no message of Gossamer's control protocol", ConnectionEnd::malformed);
  }
  heard_at_ = std::chrono::steady_clock::now();
  reading_ = false;
  if (owner_ != nullptr) owner_->on_message(*this, message);
}

void Connection::end(const std::string& reason, ConnectionEnd how) {
  ConnectionOwner* owner = owner_;
  close();
  if (owner != nullptr) owner->on_end(*this, reason, how);
}

void Connection::send(const Body& body) {
  if (!is_open() || finishing_) return;
  Frame frame = make_frame(body);
  if (queue_.empty()) {
    seal(frame);
    error_code error;
    frame.written = socket_.write_some(rest_of(frame), error);
    if (error && error != asio::error::would_block) return;
    if (frame.written == frame.bytes()) return;
  }
  queue_.push_back(std::move(frame));
  if (queue_.size() == 1) pump();
}

void Connection::send_in_turn(const Body& body) {
  if (!is_open() || finishing_) return;
  queue_.push_back(make_frame(body));
  if (queue_.size() == 1) pump();
}

void Connection::pump() {
  seal(queue_.front());
  asio::async_write(socket_, rest_of(queue_.front()),
                    [self = shared_from_this()](const error_code& error, std::size_t) {
                      if (error) {
                        self->queue_.clear();
                        return;
                      }
                      self->queue_.pop_front();
                      if (!self->queue_.empty()) return self->pump();
                      if (self->finishing_) self->finish();
                    });
}

void Connection::watch_path(std::uint64_t lease_ns) {
  if (lease_ns == 0 || peer_address_ == local_address()) return;
  constexpr std::uint64_t second_ns = 1'000'000'000;
  constexpr int interval_s = 1;
  const auto lease_s = static_cast<int>(std::min<std::uint64_t>(lease_ns / second_ns, 3600));
  const int idle_s = std::max(1, lease_s - 2 * interval_s);
  const auto set = [&](int level, int option, auto value) {
    static_cast<void>(::setsockopt(socket_.native_handle(), level, option, &value, sizeof value));
  };
  set(IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
  set(IPPROTO_TCP, TCP_KEEPINTVL, interval_s);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 1000u * static_cast<unsigned>(std::max(lease_s, idle_s + interval_s)));
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
}

void Connection::finish() {
  finishing_ = true;
  if (!is_drained() || !is_open()) return;
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void Connection::close() {
  owner_ = nullptr;
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace gossamer::runtime
