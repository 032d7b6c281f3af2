// The joining of every rank above 0. control_host.h draws the messages.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control_connect.h"
#include "runtime/control_door.h"
#include "runtime/control_host.h"
#include "runtime/control_link.h"
#include "runtime/control_places.h"

namespace gossamer::runtime {

// Runs in the service thread; destroyed only when its io_context has stopped.
class Joiner final : public LinkOwner {
 public:
  Joiner(boost::asio::io_context& io, const MeshOptions& options, std::span<const Field> shared, Places places,
         Time deadline, std::atomic<std::uint64_t>& bytes_sent, JoinDone done);

  void start();
  void on_message(Link& link, const wire::Message& message) override;
  void on_end(Link& link, const std::string& reason, bool malformed) override;

 private:
  void connect_to_rendezvous();
  void say_hello(boost::asio::ip::tcp::socket socket);
  void connect_to_lower(const wire::Welcome& welcome);
  void connected_to(std::uint32_t rank, const std::string& address, Result<boost::asio::ip::tcp::socket> socket);
  bool admit(const std::shared_ptr<Link>& link, const wire::Message& message);
  void say_ready(const std::string& trouble);
  void say_ready_if_complete();
  [[nodiscard]] bool complete() const;
  void deadline_passed();
  void finish(Result<Links> result);

  boost::asio::io_context& io_;
  const MeshOptions options_;
  wire::Hello hello_;
  const std::string rendezvous_;
  const std::vector<Endpoint> endpoints_;
  const Endpoint listening_;
  const Time deadline_;
  std::atomic<std::uint64_t>& bytes_sent_;
  JoinDone done_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<Connector> rendezvous_connector_;
  std::vector<std::shared_ptr<Connector>> connectors_;
  std::string trouble_ = "no answer to the connection attempt";  // why it is not noted yet
  bool noted_ = false;
  bool welcomed_ = false;
  Links links_;
  Door door_;
};

// Bytes of this rank's Hello, for the limit that make_control_mesh checks.
[[nodiscard]] std::size_t hello_bytes(std::span<const Field> shared);

}  // namespace gossamer::runtime
