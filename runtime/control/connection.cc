#include "runtime/control/connection.h"

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
  for (const std::string& frame : queue_) bytes += frame.capacity();
  return bytes;
}

std::string Connection::encode(const wire::Message& message) {
  std::string frame(4, '\0');
  message.AppendToString(&frame);
  const std::size_t length = frame.size() - 4;
  GOSSAMER_CHECK(length <= frame_bytes_max, "a control message is bounded before it is sent");
  for (unsigned i = 0; i < 4; ++i) frame[i] = static_cast<char>((length >> (8 * i)) & 0xff);
  if (transcript_) transcript_->said(frame);
  if (seals_) {
    const std::string_view whole = frame;
    const Seal::FrameCode code = seals_->sending.next(whole.substr(0, 4), whole.substr(4));
    frame.append(code.begin(), code.end());
  }
  return frame;
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

void Connection::send(const wire::Message& message) {
  if (!is_open() || finishing_) return;
  std::string frame = encode(message);
  bytes_sent_.fetch_add(frame.size(), std::memory_order_relaxed);
  if (queue_.empty()) {
    error_code error;
    const std::size_t written = socket_.write_some(asio::buffer(frame), error);
    if (error && error != asio::error::would_block) return;
    if (written == frame.size()) return;
    frame.erase(0, written);
  }
  queue_.push_back(std::move(frame));
  if (queue_.size() == 1) pump();
}

void Connection::pump() {
  asio::async_write(socket_, asio::buffer(queue_.front()),
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
