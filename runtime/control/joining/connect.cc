#include "runtime/control/joining/connect.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace gossamer::runtime {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {
// A host that drops packets answers nothing for minutes; another of its addresses may.
// Long enough for one lost SYN (sent again after 1 s).
constexpr std::chrono::milliseconds attempt_max{2500};
constexpr std::chrono::milliseconds pause_max{100};
}  // namespace

Connector::Connector(asio::io_context& io, std::vector<SocketAddress> addresses, Until until, Connected done)
    : io_(io), addresses_(std::move(addresses)), until_(until), done_(std::move(done)), socket_(io), timer_(io) {}

void Connector::start() { attempt(); }

void Connector::cancel() {
  done_ = nullptr;
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

void Connector::attempt() {
  const Time now = std::chrono::steady_clock::now();
  if (now >= until_.deadline)
    return finish(Error{Code::unavailable, reason_.empty() ? "no time was left to try" : reason_});
  const SocketAddress& socket_address = addresses_[attempts_++ % addresses_.size()];
  // Asio would open a socket that children inherit.
  UniqueDescriptor raw(::socket(socket_address.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (raw.value() < 0) return retry_later(reason_text({errno, boost::system::system_category()}));
  socket_ = asio::ip::tcp::socket(io_, socket_address.protocol(), raw.release());

  const auto connected = [self = shared_from_this()](const error_code& error) { self->attempt_ended(error); };
  socket_.async_connect(socket_address, connected);
  timer_.expires_at(std::min(until_.deadline, now + attempt_max));
  timer_.async_wait([self = shared_from_this()](const error_code& error) {
    error_code ignored;
    if (!error) self->socket_.close(ignored);
  });
}

void Connector::attempt_ended(const error_code& error) {
  timer_.cancel();
  if (!done_) return;
  if (error == asio::error::connection_refused && std::chrono::steady_clock::now() >= until_.refused_until) {
    return finish(Error{Code::unavailable, reason_text(error)});
  }
  if (error) {
    return retry_later(error == asio::error::operation_aborted ? "no answer to the connection attempt"
                                                               : reason_text(error));
  }
  if (!socket_.is_open()) return retry_later("no answer to the connection attempt");
  error_code local_error, remote_error;
  const bool self_connected = socket_.local_endpoint(local_error) == socket_.remote_endpoint(remote_error);
  // On one host, a socket may be given the very port it connects to, and then meets itself.
  if (local_error || remote_error || self_connected) return retry_later("connection refused");
  finish(std::move(socket_));
}

void Connector::retry_later(std::string reason) {
  reason_ = std::move(reason);
  error_code ignored;
  socket_.close(ignored);
  timer_.expires_at(std::min(until_.deadline, std::chrono::steady_clock::now() + pause_));
  if (attempts_ % addresses_.size() == 0) pause_ = std::min(2 * pause_, pause_max);
  timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error && self->done_) self->attempt();
  });
}

void Connector::finish(Result<asio::ip::tcp::socket> result) {
  const Connected done = std::exchange(done_, nullptr);
  if (done) done(std::move(result));
}

}  // namespace gossamer::runtime
