// A listening socket that lets ranks in and keeps strangers from doing harm.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include "base/base.h"
#include "runtime/control/address.h"
#include "runtime/control/connection.h"
#include "runtime/control/secret/secret.h"

namespace gossamer::runtime {

// Whom a door asks.
class DoorKeeper {
 public:
  // `first` is the first message of `connection`, and with a secret its sender has proved that it knows it.
  // Returns whether it took the connection; else the door drops it. One read has ended; the next is the taker's.
  virtual bool admit(const std::shared_ptr<Connection>& connection, const wire::Message& first) = 0;
  // With a secret: whether the sender of `first` is asked to prove that it knows it. An error is said to
  // it, in the clear; false drops it without a word.
  virtual Result<bool> may_prove(const wire::Message& first) = 0;
  // The sender of `first` did not know the secret, and is dropped.
  virtual void note_forger(const Connection& connection, const wire::Message& first) = 0;

 protected:
  ~DoorKeeper() = default;
};

// What a door has of those that wait at it.
struct DoorLoad {
  std::size_t connections = 0;
  std::size_t bytes = 0;
};

//   stranger or rank          door                     keeper
//     |---- first message ---->|                          |
//     |                        |---- may_prove ---------->|   with a secret
//     |<----- Challenge -------|                          |
//     |------ Proof ---------->|                          |
//     |                        |---- admit -------------->|
//
// Whoever is not done in time, says nothing that is a message, or waits while too many come after, is
// dropped and logged. A rank is done within milliseconds of connecting, so the longest waiting one of the
// address with most connections goes first: who floods the door crowds out itself. Destroyed only when
// its io_context has stopped.
class Door final : public ConnectionOwner {
 public:
  // What load() may reach for each of waiting_max(rank_count) connections, whoever comes: a message read and one kept.
  static constexpr std::size_t bytes_each_max = 2 * (hello_bytes_max + 1024);

  struct Place {
    UniqueDescriptor listener;
    std::string name;
    std::uint32_t rank_count = 1;  // of the session: all others may come at once
  };
  // `keeper` outlives the door.
  Door(boost::asio::io_context& io, Place place, std::atomic<std::uint64_t>& bytes_sent, const Secret& secret,
       DoorKeeper& keeper);
  ~Door() { close(); }

  void open() { wait(); }
  // In every Challenge from now on.
  void set_session(std::string session) { session_ = std::move(session); }
  [[nodiscard]] DoorLoad load() const;
  // Drops whoever waits.
  void close();

  void on_message(Connection& connection, const wire::Message& message) override;
  void on_end(Connection& connection, const std::string& reason, ConnectionEnd end) override;

 private:
  struct Waiting {
    std::shared_ptr<Connection> connection;
    Time until;
    std::string first;  // message of one that was asked for a proof, not parsed: that would take many times as much
  };

  void wait();
  void accept_all();
  void rest();
  void drop(std::size_t index, const std::string& why);
  void make_room();
  void challenge(Waiting& waiting, const wire::Message& first);
  void note_drop(const Connection& connection, const std::string& why);
  [[nodiscard]] std::deque<Waiting>::iterator find(const Connection& connection);
  Waiting take(const Connection& connection);
  void watch_oldest();

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer timer_;       // of the oldest that waits
  boost::asio::steady_timer rest_timer_;  // after accepting failed
  const std::string name_;
  const std::size_t waiting_max_;
  const std::chrono::milliseconds entry_max_;
  std::atomic<std::uint64_t>& bytes_sent_;
  const Secret secret_;
  std::string session_;
  DoorKeeper& keeper_;
  std::deque<Waiting> waiting_;  // oldest first
  std::uint64_t dropped_ = 0;
};

}  // namespace gossamer::runtime
