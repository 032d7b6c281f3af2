#include "runtime/control/joining/door.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>

namespace gossamer::runtime {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {
// From connecting to the proof. Where all ranks come to one machine at once, each waits for its turn of the cores.
constexpr std::chrono::milliseconds entry_max{2000};
constexpr std::chrono::milliseconds entry_max_each_rank{32};
constexpr std::size_t proof_bytes_max = 64;
constexpr int accepts_in_a_row_max = 64;  // then other events have their turn
constexpr std::uint64_t dropped_logged_max = 8;

wire::Message parsed(const std::string& bytes) {
  wire::Message message;
  GOSSAMER_CHECK(message.ParseFromString(bytes), "what was serialised here can be parsed");
  return message;
}

}  // namespace

Door::Door(asio::io_context& io, Place place, std::atomic<std::uint64_t>& bytes_sent, const Secret& secret,
           DoorKeeper& keeper)
    : io_(io),
      acceptor_(io),
      timer_(io),
      rest_timer_(io),
      name_(std::move(place.name)),
      waiting_max_(waiting_max(place.rank_count)),
      entry_max_(entry_max + place.rank_count * entry_max_each_rank),
      bytes_sent_(bytes_sent),
      secret_(secret),
      keeper_(keeper) {
  const SocketAddress socket_address = local_address_of(place.listener);
  acceptor_.assign(socket_address.protocol(), place.listener.release());
}

DoorLoad Door::load() const {
  DoorLoad load;
  for (const Waiting& waiting : waiting_) {
    ++load.connections;
    load.bytes += waiting.connection->bytes_held() + waiting.first.capacity();
  }
  return load;
}

void Door::close() {
  if (dropped_ > dropped_logged_max) {
    log(LogLevel::warning, text("control: ", dropped_, " connections in all were dropped at the ", name_));
    dropped_ = 0;
  }
  error_code ignored;
  acceptor_.close(ignored);
  timer_.cancel();
  rest_timer_.cancel();
  for (const Waiting& waiting : waiting_) waiting.connection->close();
  waiting_.clear();
}

void Door::wait() {
  acceptor_.async_wait(asio::ip::tcp::acceptor::wait_read, [this](const error_code& error) {
    if (!error) accept_all();
  });
}

void Door::accept_all() {
  if (!acceptor_.is_open()) return;
  for (int i = 0; i < accepts_in_a_row_max; ++i) {
    const int descriptor = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if ((errno == EMFILE || errno == ENFILE) && !waiting_.empty()) drop(0, "no descriptors are left");
      return rest();
    }
    if (waiting_.size() >= waiting_max_) make_room();
    error_code ignored;
    asio::ip::tcp::socket socket(io_);
    socket.assign(acceptor_.local_endpoint(ignored).protocol(), descriptor, ignored);
    const auto connection = std::make_shared<Connection>(std::move(socket), bytes_sent_);
    connection->set_owner(this);
    connection->set_frame_bytes_max(hello_bytes_max);
    if (secret_.is_set()) connection->keep_transcript();
    waiting_.push_back({connection, std::chrono::steady_clock::now() + entry_max_, {}});
    if (waiting_.size() == 1) watch_oldest();
    connection->read();
  }
  wait();
}

// Tries again a little later: the listener stays readable meanwhile, and waiting for that would spin.
void Door::rest() {
  rest_timer_.expires_after(std::chrono::milliseconds(10));
  rest_timer_.async_wait([this](const error_code& error) {
    if (!error) accept_all();
  });
}

void Door::drop(std::size_t index, const std::string& why) {
  const auto found = waiting_.begin() + static_cast<std::ptrdiff_t>(index);
  const std::shared_ptr<Connection> connection = found->connection;
  waiting_.erase(found);
  note_drop(*connection, why);
  connection->close();
}

// The oldest of the address that has most.
void Door::make_room() {
  struct Share {
    std::size_t count = 0;
    std::size_t oldest = 0;
  };
  std::map<asio::ip::address, Share> shares;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    Share& share = shares.try_emplace(waiting_[i].connection->peer_address(), Share{0, i}).first->second;
    ++share.count;
  }
  const auto most = std::max_element(shares.begin(), shares.end(),
                                     [](const auto& a, const auto& b) { return a.second.count < b.second.count; });
  drop(most->second.oldest, "too many connect and say nothing");
}

void Door::note_drop(const Connection& connection, const std::string& why) {
  if (dropped_++ >= dropped_logged_max) return;
  log(LogLevel::warning,
      text("control: dropped a connection from ", connection.peer_text(), " at the ", name_, ": ", why));
}

void Door::watch_oldest() {
  if (waiting_.empty()) return;
  timer_.expires_at(waiting_.front().until);
  timer_.async_wait([this](const error_code& error) {
    if (error) return;
    const Time now = std::chrono::steady_clock::now();
    while (!waiting_.empty() && waiting_.front().until <= now) drop(0, "it said nothing in time");
    watch_oldest();
  });
}

std::deque<Door::Waiting>::iterator Door::find(const Connection& connection) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& waiting) { return waiting.connection.get() == &connection; });
  GOSSAMER_CHECK(found != waiting_.end(), "a door hears only from those that wait");
  return found;
}

Door::Waiting Door::take(const Connection& connection) {
  const auto found = find(connection);
  Waiting taken = std::move(*found);
  waiting_.erase(found);
  return taken;
}

void Door::on_message(Connection& connection, const wire::Message& message) {
  if (secret_.is_set() && !connection.is_authenticated()) return challenge(*find(connection), message);
  Waiting taken = take(connection);
  taken.connection->set_owner(nullptr);
  taken.connection->set_frame_bytes_max(frame_bytes_max);
  const bool admitted = secret_.is_set() ? message.has_proof() && keeper_.admit(taken.connection, parsed(taken.first))
                                         : keeper_.admit(taken.connection, message);
  if (admitted) return;
  note_drop(*taken.connection, "its first message is not one of a rank of this session");
  taken.connection->close();
}

void Door::challenge(Waiting& waiting, const wire::Message& first) {
  const Result<bool> may = keeper_.may_prove(first);
  if (!may.ok() || !*may) {
    const std::shared_ptr<Connection> connection = take(*waiting.connection).connection;
    note_drop(*connection, may.ok() ? "its first message is not one of a rank of this session" : may.error().message);
    if (!may.ok()) {
      wire::Message refusal;
      set_error(*refusal.mutable_refusal(), may.error());
      connection->send(refusal);
    }
    return connection->close();
  }
  waiting.first = first.SerializeAsString();
  wire::Message challenge;
  challenge.mutable_challenge()->set_nonce(random_bytes(nonce_bytes));
  challenge.mutable_challenge()->set_session(session_);
  waiting.connection->send(challenge);
  waiting.connection->authenticate(secret_.key(), Side::acceptor);
  waiting.connection->set_frame_bytes_max(proof_bytes_max);
  waiting.connection->read();
}

void Door::on_end(Connection& connection, const std::string& reason, ConnectionEnd end) {
  const Waiting taken = take(connection);
  note_drop(connection, reason);
  if (end == ConnectionEnd::forged) keeper_.note_forger(connection, parsed(taken.first));
}

}  // namespace gossamer::runtime
