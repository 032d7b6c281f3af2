// Connecting to a listener that may not be there yet.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "base/base.h"
#include "runtime/control/address.h"

namespace gossamer::runtime {

// Tries `addresses` in turn, again and again with a growing pause (5 to 100 ms), until one answers or
// the deadline passes, or until one refuses after `refused_until`. Calls `done` once, from the
// io_context, unless cancelled before; its error (`unavailable`) is the last reason alone: "connection
// refused".
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  using Connected = std::function<void(Result<boost::asio::ip::tcp::socket>)>;

  struct Until {
    Time deadline;
    Time refused_until;
  };

  Connector(boost::asio::io_context& io, std::vector<SocketAddress> addresses, Until until, Connected done);
  void start();
  void cancel();
  // Why the latest attempt failed; empty before the first failed.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  void attempt();
  void attempt_ended(const boost::system::error_code& error);
  void retry_later(std::string reason);
  void finish(Result<boost::asio::ip::tcp::socket> result);

  boost::asio::io_context& io_;
  std::vector<SocketAddress> addresses_;
  Until until_;
  Connected done_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::size_t attempts_ = 0;
  std::chrono::milliseconds pause_{5};
  std::string reason_;
};

}  // namespace gossamer::runtime
