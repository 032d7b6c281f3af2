// Rank 0's part of joining: waits for all ranks, refuses all when something is wrong.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/connection.h"
#include "runtime/control/control.h"
#include "runtime/control/joining/door.h"
#include "runtime/control/joining/places.h"
#include "runtime/control/mesh.h"

namespace gossamer::runtime {

// One connection for each rank, in rank order; the own one is empty.
using Connections = std::vector<std::shared_ptr<Connection>>;
using JoinDone = std::function<void(Result<Connections>)>;

// What either side of joining is given.
struct JoinTask {
  boost::asio::io_context& io;
  const MeshOptions& options;
  std::span<const Field> shared;
  Places places;
  Time deadline;
  std::atomic<std::uint64_t>& bytes_sent;  // outlives `io`
  JoinDone done;                           // called once, from `io`
};

//   rank 1            rank 0            rank 2
//     |---- Hello ---->|                  |
//     |<--- Noted -----|<---- Hello ------|
//     |                |----- Noted ----->|    all came:
//     |<--- Welcome ---|---- Welcome ---->|
//     |<------------- MeshHello ----------|
//     |---- Ready ---->|<---- Ready ------|    all are ready:
//     |<--- Start -----|----- Start ----->|
//
// With a secret, a Challenge and a Proof follow each Hello and MeshHello, and a Noted each of these Proofs.
//
// The first thing that is wrong goes as Refusal to all that came, and for a moment to those that still
// come. One that does not know the secret, belongs to another job, or claims another's rank is turned away alone: the
// session can do without it. Runs in the service thread; destroyed only when its io_context has stopped.
class Gathering final : public ConnectionOwner, public DoorKeeper {
 public:
  explicit Gathering(JoinTask task);

  void start();
  void on_message(Connection& connection, const wire::Message& message) override;
  void on_end(Connection& connection, const std::string& reason, ConnectionEnd end) override;
  bool admit(const std::shared_ptr<Connection>& connection, const wire::Message& first) override;
  Result<bool> may_prove(const wire::Message& first) override;
  void note_forger(const Connection& connection, const wire::Message& first) override;

 private:
  enum class Phase { gathering, meshing, refused, over };
  struct Member {
    std::shared_ptr<Connection> connection;
    wire::Hello hello;
    bool came = false;
    bool ready = false;
    bool told = false;  // of the refusal
  };

  struct Objection {
    Error error;
    bool ends_all;  // the session cannot be without this rank, or with it
  };

  void note(const std::shared_ptr<Connection>& connection, const wire::Hello& hello);
  [[nodiscard]] std::optional<Objection> object_to(const wire::Hello& hello) const;
  [[nodiscard]] std::string hosts_that_came() const;
  [[nodiscard]] std::optional<Error> check_job(const wire::Hello& hello) const;
  [[nodiscard]] std::optional<Error> check_place(const wire::Hello& hello) const;
  void turn_away(Connection& connection, const Error& error);
  void remark(std::string words);
  void welcome_all();
  void start_all();
  void watch_deadline();
  void deadline_passed();
  enum class Linger { no, yes };
  void refuse(Error error, Linger linger);
  void tell_refusal(const std::shared_ptr<Connection>& connection);
  void finish_refusal_if_told();
  void finish(Result<Connections> result);
  [[nodiscard]] std::vector<Rank> ranks_without(bool Member::*flag) const;

  const MeshOptions options_;
  const std::vector<Field> shared_;
  const std::string address_;
  const std::string process_;
  const std::string remark_;  // what may keep ranks from coming
  std::atomic<std::uint64_t>& bytes_sent_;
  JoinDone done_;
  boost::asio::steady_timer timer_;
  Time deadline_;
  std::uint64_t deadline_ns_;  // as the rank whose deadline it is was told
  Phase phase_ = Phase::gathering;
  std::vector<Member> members_;
  std::vector<std::shared_ptr<Connection>> telling_;  // connections that carry the refusal and have not ended
  std::optional<Error> refusal_;
  std::string first_turned_away_;  // why; for the error at the deadline
  std::uint64_t turned_away_ = 0;
  bool linger_ = false;
  Door door_;
};

// "host:pid" of this process.
[[nodiscard]] std::string process_name();

}  // namespace gossamer::runtime
