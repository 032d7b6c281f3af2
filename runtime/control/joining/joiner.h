// The joining of every rank above 0. gathering.h draws the messages.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/connection.h"
#include "runtime/control/joining/connect.h"
#include "runtime/control/joining/door.h"
#include "runtime/control/joining/gathering.h"
#include "runtime/control/joining/places.h"

namespace gossamer::runtime {

// Rank 0 ends a wait at its deadline and names who is missing; its words may take a moment to arrive.
inline constexpr std::chrono::milliseconds verdict_grace{500};

// Runs in the service thread; destroyed only when its io_context has stopped.
class Joiner final : public ConnectionOwner, public DoorKeeper {
 public:
  explicit Joiner(JoinTask task);

  void start();
  void on_message(Connection& connection, const wire::Message& message) override;
  void on_end(Connection& connection, const std::string& reason, ConnectionEnd end) override;
  bool admit(const std::shared_ptr<Connection>& connection, const wire::Message& first) override;
  Result<bool> may_prove(const wire::Message& first) override;
  void note_forger(const Connection&, const wire::Message&) override {}

 private:
  void connect_to_rendezvous();
  void say_hello(boost::asio::ip::tcp::socket socket);
  void connect_to_lower(const wire::Welcome& welcome);
  void prove(Connection& connection);
  void say_mesh_hello(const std::shared_ptr<Connection>& connection, std::uint64_t key);
  void on_lower_message(Connection& connection, const wire::Message& message);
  void say_unreachable(std::uint32_t rank, const std::string& reason);
  [[nodiscard]] bool fits(const wire::Message& first) const;
  void say_ready(const std::string& trouble);
  void say_ready_if_complete();
  [[nodiscard]] bool is_complete() const;
  void deadline_passed();
  void finish(Result<Connections> result);

  boost::asio::io_context& io_;
  const MeshOptions options_;
  wire::Hello hello_;
  const std::string rendezvous_;
  const std::string remark_;
  const std::vector<SocketAddress> addresses_;
  const SocketAddress listening_;
  const Time deadline_;
  std::atomic<std::uint64_t>& bytes_sent_;
  JoinDone done_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<Connector> rendezvous_connector_;
  std::vector<std::shared_ptr<Connector>> connectors_;
  std::string trouble_ = "no answer to the connection attempt";  // why it is not noted yet
  bool noted_ = false;
  bool welcomed_ = false;
  std::string session_;  // rank 0's; empty without a secret
  Connections connections_;
  Connections reaching_;                  // to lower ranks that have not proved that they know the secret
  std::vector<std::string> lower_names_;  // where each lower rank listens
  Door door_;
};

// Bytes of this rank's Hello, for the limit that make_control_mesh checks.
[[nodiscard]] std::size_t hello_bytes(std::span<const Field> shared);

}  // namespace gossamer::runtime
