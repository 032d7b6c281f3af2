#include "runtime/control/joining/joiner.h"

#include <random>

#include "runtime/control/fields.h"

namespace gossamer::runtime {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Lower ranks listen before they say Hello: only a network that drops packets explains a delay, and a
// refusal is nearly final.
constexpr std::chrono::seconds mesh_connect_max{6};
constexpr std::chrono::milliseconds mesh_refused_max{200};
// Between two visits to a rendezvous that closed on us, as when it is full of strangers.
constexpr std::chrono::milliseconds revisit_pause{20};

wire::Hello hello_with(std::span<const Field> shared) {
  wire::Hello hello;
  hello.set_magic(control_magic);
  hello.set_protocol(control_protocol);
  hello.set_process(process_name());
  add_fields(*hello.mutable_shared(), shared);
  return hello;
}

}  // namespace

std::size_t hello_bytes(std::span<const Field> shared) { return hello_with(shared).ByteSizeLong() + 512; }

Joiner::Joiner(JoinTask task)
    : io_(task.io),
      options_(task.options),
      hello_(hello_with(task.shared)),
      rendezvous_(std::move(task.places.rendezvous)),
      remark_(std::move(task.places.remark)),
      addresses_(std::move(task.places.addresses)),
      listening_(local_address_of(task.places.listener)),
      deadline_(task.deadline),
      bytes_sent_(task.bytes_sent),
      done_(std::move(task.done)),
      timer_(io_),
      connections_(options_.rank_count),
      reaching_(options_.rank_count),
      lower_names_(options_.rank_count),
      door_(io_,
            {std::move(task.places.listener),
             text("listener ", socket_address_text(listening_), " of rank ", options_.rank.value), options_.rank_count},
            bytes_sent_, options_.secret, *this) {
  hello_.set_rank(options_.rank.value);
  hello_.set_rank_count(options_.rank_count);
  hello_.set_deadline_ns(options_.deadline_ns);
  hello_.set_listen_port(listening_.port());
  std::random_device random;
  hello_.set_key((std::uint64_t{random()} << 32) | random());
}

void Joiner::start() {
  timer_.expires_at(deadline_);
  timer_.async_wait([this](const error_code& error) {
    if (!error) deadline_passed();
  });
  door_.open();
  connect_to_rendezvous();
}

void Joiner::connect_to_rendezvous() {
  rendezvous_connector_ = std::make_shared<Connector>(io_, addresses_, Connector::Until{deadline_, deadline_},
                                                      [this](Result<asio::ip::tcp::socket> socket) {
                                                        if (socket.ok()) return say_hello(*std::move(socket));
                                                        deadline_passed();
                                                      });
  rendezvous_connector_->start();
}

void Joiner::say_hello(asio::ip::tcp::socket socket) {
  const auto connection = std::make_shared<Connection>(std::move(socket), bytes_sent_);
  connections_[0] = connection;
  connection->rank = 0;
  connection->set_owner(this);
  // Behind a wildcard, the address that reaches rank 0 is the one that rank 0's peers can reach.
  const asio::ip::address listening = listening_.address();
  hello_.set_listen_address((listening.is_unspecified() ? connection->local_address() : listening).to_string());
  const auto remaining = std::chrono::nanoseconds(deadline_ - std::chrono::steady_clock::now()).count();
  hello_.set_remaining_ns(remaining > 0 ? static_cast<std::uint64_t>(remaining) : 0);
  if (options_.secret.is_set()) {
    connection->keep_transcript();
    hello_.set_nonce(random_bytes(nonce_bytes));  // of this connection alone
  }
  wire::Message message;
  *message.mutable_hello() = hello_;
  connection->send(message);
  connection->read();
}

void Joiner::prove(Connection& connection) {
  connection.authenticate(options_.secret.key(), Side::initiator);
  wire::Message proof;
  proof.mutable_proof();
  connection.send(proof);
  connection.read();
}

void Joiner::on_message(Connection& connection, const wire::Message& message) {
  if (connection.rank != 0) return on_lower_message(connection, message);
  const bool needs_proof = options_.secret.is_set() && !connection.is_authenticated();
  if (needs_proof && message.has_noted()) {
    return finish(Error{Code::mismatch,
                        text("session secret: rank 0 at the rendezvous ", rendezvous_, " has none, rank ",
                             options_.rank.value, " has one; give all ranks the same GOSSAMER_SECRET"),
                        options_.rank});
  }
  switch (message.kind_case()) {
    case wire::Message::kChallenge:
      if (!needs_proof || message.challenge().nonce().size() != nonce_bytes) break;
      session_ = message.challenge().session();
      door_.set_session(session_);
      return prove(connection);
    case wire::Message::kNoted:
      noted_ = true;
      return connection.read();
    case wire::Message::kWelcome:
      if (welcomed_ || !noted_ || message.welcome().members_size() != static_cast<int>(options_.rank_count)) break;
      welcomed_ = true;
      connect_to_lower(message.welcome());
      return connection.read();
    case wire::Message::kStart:
      if (!is_complete()) break;
      return finish(std::move(connections_));
    case wire::Message::kRefusal:
      return finish(error_of(message.refusal()));
    default:
      break;
  }
  finish(Error{Code::malformed, text("the rendezvous ", rendezvous_,
                                     " sent a message that has no place in joining; is it "
                                     "rank 0 of another version?")});
}

void Joiner::on_end(Connection& connection, const std::string& reason, ConnectionEnd end) {
  if (!done_) return;
  if (connection.rank != 0) return say_unreachable(connection.rank, reason);
  if (end == ConnectionEnd::forged && !noted_) {
    return finish(Error{
        Code::mismatch,
        text("session secret: that of rank ", options_.rank.value, " differs from that of rank 0 at the rendezvous ",
             rendezvous_, "; give all ranks the same GOSSAMER_SECRET"),
        options_.rank});
  }
  if (end == ConnectionEnd::malformed) {
    return finish(
        Error{Code::unavailable, text("what listens at the rendezvous ", rendezvous_,
                                      " is no rank 0 of Gossamer: ", reason, "; is the port another program's?")});
  }
  if (noted_) {
    return finish(
        Error{Code::peer_lost, text("rank 0 was lost while the session was being joined: ", reason), Rank{0}});
  }
  trouble_ = "something listens there and closed the connection without an answer";
  connections_[0].reset();
  const auto pause = std::make_shared<asio::steady_timer>(io_, revisit_pause);
  pause->async_wait([this, pause](const error_code& error) {
    if (!error && done_) connect_to_rendezvous();
  });
}

void Joiner::connect_to_lower(const wire::Welcome& welcome) {
  for (std::uint32_t rank = 1; rank < options_.rank.value; ++rank) {
    const wire::Welcome::Member& member = welcome.members(static_cast<int>(rank));
    error_code error;
    const auto address = asio::ip::make_address(member.listen_address(), error);
    const SocketAddress socket_address(address, static_cast<std::uint16_t>(member.listen_port()));
    const Time now = std::chrono::steady_clock::now();
    const Connector::Until until{std::min(deadline_, now + mesh_connect_max), now + mesh_refused_max};
    lower_names_[rank] = socket_address_text(socket_address);
    auto connected = [this, rank, key = member.key()](Result<asio::ip::tcp::socket> socket) {
      if (!socket.ok()) return say_unreachable(rank, socket.error().message);
      const auto connection = std::make_shared<Connection>(*std::move(socket), bytes_sent_);
      connection->rank = rank;
      say_mesh_hello(connection, key);
    };
    connectors_.push_back(std::make_shared<Connector>(io_, std::vector{socket_address}, until, std::move(connected)));
    connectors_.back()->start();
  }
  say_ready_if_complete();
}

// With a secret, a connection counts when the lower rank has proved that it knows it, too.
void Joiner::say_mesh_hello(const std::shared_ptr<Connection>& connection, std::uint64_t key) {
  wire::Message message;
  wire::MeshHello& hello = *message.mutable_mesh_hello();
  hello.set_magic(control_magic);
  hello.set_rank(options_.rank.value);
  hello.set_key(key);
  hello.set_to_rank(connection->rank);
  if (!options_.secret.is_set()) {
    connection->send(message);
    connections_[connection->rank] = connection;
    return say_ready_if_complete();
  }
  hello.set_nonce(random_bytes(nonce_bytes));
  hello.set_session(session_);
  reaching_[connection->rank] = connection;
  connection->set_owner(this);
  connection->keep_transcript();
  connection->send(message);
  connection->read();
}

void Joiner::on_lower_message(Connection& connection, const wire::Message& message) {
  if (message.has_challenge() && !connection.is_authenticated()) return prove(connection);
  if (message.has_noted() && connection.is_authenticated()) {
    connection.set_owner(nullptr);
    connections_[connection.rank] = std::exchange(reaching_[connection.rank], nullptr);
    return say_ready_if_complete();
  }
  say_unreachable(connection.rank, "what listens there does not know the session secret");
}

void Joiner::say_unreachable(std::uint32_t rank, const std::string& reason) {
  say_ready(text("rank ", options_.rank.value, " could not connect to rank ", rank, " at ", lower_names_[rank], ": ",
                 reason, "; can its bind_host be reached from there?"));
}

bool Joiner::fits(const wire::Message& first) const {
  const wire::MeshHello& hello = first.mesh_hello();
  return first.has_mesh_hello() && hello.magic() == control_magic && hello.key() == hello_.key() &&
         hello.session() == session_ && hello.to_rank() == options_.rank.value && hello.rank() > options_.rank.value &&
         hello.rank() < options_.rank_count && done_ && !connections_[hello.rank()];
}

Result<bool> Joiner::may_prove(const wire::Message& first) {
  return fits(first) && first.mesh_hello().nonce().size() == nonce_bytes;
}

bool Joiner::admit(const std::shared_ptr<Connection>& connection, const wire::Message& first) {
  if (!fits(first)) return false;
  if (options_.secret.is_set()) {
    wire::Message noted;
    noted.mutable_noted();
    connection->send(noted);
  }
  // Not read before Start: what it says by then is for the mesh.
  connections_[first.mesh_hello().rank()] = connection;
  say_ready_if_complete();
  return true;
}

bool Joiner::is_complete() const {
  for (std::uint32_t rank = 0; rank < options_.rank_count; ++rank) {
    if (rank != options_.rank.value && !connections_[rank]) return false;
  }
  return welcomed_;
}

void Joiner::say_ready_if_complete() {
  if (is_complete()) say_ready("");
}

void Joiner::say_ready(const std::string& trouble) {
  if (!done_) return;
  wire::Message message;
  message.mutable_ready()->set_trouble(trouble);
  connections_[0]->send(message);
}

// Rank 0 tells those that it has noted, and may need a moment for that.
void Joiner::deadline_passed() {
  if (!done_) return;
  const Time last = noted_ ? deadline_ + verdict_grace : deadline_;
  if (std::chrono::steady_clock::now() < last) {
    timer_.expires_at(last);
    timer_.async_wait([this](const error_code& error) {
      if (!error) deadline_passed();
    });
    return;
  }
  if (noted_) {
    return finish(Error{Code::deadline,
                        text("rank 0 at the rendezvous ", rendezvous_, " gave no verdict within ",
                             format_duration(options_.deadline_ns), "; is its process stopped?"),
                        Rank{0}});
  }
  if (connections_[0]) trouble_ = "something listens there and gave no answer";
  if (!connections_[0] && !rendezvous_connector_->reason().empty()) trouble_ = rendezvous_connector_->reason();
  finish(Error{Code::unavailable, text("rank ", options_.rank.value, " could not reach the rendezvous ", rendezvous_,
                                       " within ", format_duration(options_.deadline_ns), ": ", trouble_,
                                       "; is rank 0 started, with the same GOSSAMER_RENDEZVOUS?", remark_)});
}

void Joiner::finish(Result<Connections> result) {
  timer_.cancel();
  door_.close();
  rendezvous_connector_->cancel();
  for (const auto& connector : connectors_) connector->cancel();
  if (!result.ok()) {
    for (const auto& connection : connections_) {
      if (connection) connection->close();
    }
  }
  for (const auto& connection : reaching_) {
    if (connection) connection->close();
  }
  const JoinDone done = std::exchange(done_, nullptr);
  if (done) done(std::move(result));
}

}  // namespace gossamer::runtime
