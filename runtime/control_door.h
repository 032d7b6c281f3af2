// A listening socket that lets ranks in and keeps strangers from doing harm.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/base.h"
#include "runtime/control_address.h"
#include "runtime/control_link.h"

namespace gossamer::runtime {

// Reads the first message of each connection and hands both on. Whoever says nothing in time, nothing
// that is a message, or waits while too many come after, is dropped and logged: a rank speaks within
// milliseconds of connecting, so the longest silent one goes first. Destroyed only when its io_context
// has stopped.
class Door final : public LinkOwner {
 public:
  // `admit` returns whether it took the link; else the door drops it. One read has ended; the next is
  // the taker's.
  using Admit = std::function<bool(const std::shared_ptr<Link>&, const wire::Message&)>;

  Door(boost::asio::io_context& io, Descriptor listener, std::string name, std::atomic<std::uint64_t>& bytes_sent,
       Admit admit);
  ~Door() { close(); }

  void open() { wait(); }
  // Drops whoever waits.
  void close();

  void on_message(Link& link, const wire::Message& message) override;
  void on_end(Link& link, const std::string& reason, bool malformed) override;

 private:
  struct Waiting {
    std::shared_ptr<Link> link;
    Time until;
  };

  void wait();
  void accept_all();
  void rest();
  void drop_oldest(const std::string& why);
  void note_drop(const Link& link, const std::string& why);
  std::shared_ptr<Link> take(const Link& link);
  void watch_oldest();

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer timer_;       // of the oldest that waits
  boost::asio::steady_timer rest_timer_;  // after accepting failed
  std::string name_;
  std::atomic<std::uint64_t>& bytes_sent_;
  Admit admit_;
  std::deque<Waiting> waiting_;  // oldest first
  std::uint64_t dropped_ = 0;
};

}  // namespace gossamer::runtime
