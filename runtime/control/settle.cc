#include "runtime/control/settle.h"

#include "runtime/control/connection.h"

namespace gossamer::runtime {

namespace {
// How soon a peer that settles hears that an operation here has ended.
constexpr std::chrono::milliseconds drained_look{2};
// How often a rank that settles looks around when nothing moves.
constexpr std::chrono::microseconds settle_look{200};
}  // namespace

Settling::Settling(boost::asio::io_context& io, const Connections& connections, std::uint32_t rank_count)
    : connections_(connections), timer_(io), asked_(rank_count, false), drained_(rank_count, false) {}

void Settling::ask(Rank rank) {
  asked_[rank.value] = true;
  answer_asked();
}

void Settling::answer_asked() {
  if (in_flight_ && in_flight_->load(std::memory_order_acquire) > 0) {
    timer_.expires_after(drained_look);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) answer_asked();
    });
    return;
  }
  wire::Message message;
  message.mutable_drained();
  for (std::size_t rank = 0; rank < asked_.size(); ++rank) {
    if (asked_[rank] && connections_[rank]) connections_[rank]->send(message);
    asked_[rank] = false;
  }
}

void Settling::answer(Rank rank) {
  drained_[rank.value] = true;
  look(false);
}

void Settling::start() {
  started_ = true;
  wire::Message message;
  message.mutable_leaving();
  for (const auto& connection : connections_) {
    if (connection) connection->send(message);
  }
}

void Settling::look(bool is_death_known) {
  if (!started_) return;
  for (std::size_t rank = 0; rank < connections_.size() && !is_death_known; ++rank) {
    if (connections_[rank] && !drained_[rank]) return;
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void Settling::wait(Time until, const std::function<bool()>& move) {
  std::unique_lock lock(mutex_);
  while (!ended_ && std::chrono::steady_clock::now() < until) {
    lock.unlock();
    const bool moved = move();
    lock.lock();
    if (!moved) changed_.wait_for(lock, settle_look, [&] { return ended_; });
  }
}

}  // namespace gossamer::runtime
