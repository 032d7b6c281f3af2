#include "runtime/control_door.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace gossamer::runtime {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {
constexpr std::size_t waiting_max = 128;
constexpr std::chrono::seconds hello_max{2};
constexpr int accepts_in_a_row_max = 64;  // then other events have their turn
constexpr std::uint64_t dropped_logged_max = 8;
}  // namespace

Door::Door(asio::io_context& io, Descriptor listener, std::string name, std::atomic<std::uint64_t>& bytes_sent,
           Admit admit)
    : io_(io),
      acceptor_(io),
      timer_(io),
      rest_timer_(io),
      name_(std::move(name)),
      bytes_sent_(bytes_sent),
      admit_(std::move(admit)) {
  const Endpoint endpoint = local_endpoint_of(listener);
  acceptor_.assign(endpoint.protocol(), listener.release());
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
  for (const Waiting& waiting : waiting_) waiting.link->close();
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
      if ((errno == EMFILE || errno == ENFILE) && !waiting_.empty()) drop_oldest("no descriptors are left");
      return rest();
    }
    if (waiting_.size() >= waiting_max) drop_oldest("too many connect and say nothing");
    error_code ignored;
    asio::ip::tcp::socket socket(io_);
    socket.assign(acceptor_.local_endpoint(ignored).protocol(), descriptor, ignored);
    const auto link = std::make_shared<Link>(std::move(socket), bytes_sent_);
    link->set_owner(this);
    link->set_frame_bytes_max(hello_bytes_max);
    waiting_.push_back({link, std::chrono::steady_clock::now() + hello_max});
    if (waiting_.size() == 1) watch_oldest();
    link->read();
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

void Door::drop_oldest(const std::string& why) {
  const std::shared_ptr<Link> link = waiting_.front().link;
  waiting_.pop_front();
  note_drop(*link, why);
  link->close();
}

void Door::note_drop(const Link& link, const std::string& why) {
  if (dropped_++ >= dropped_logged_max) return;
  log(LogLevel::warning, text("control: dropped a connection from ", link.peer_text(), " at the ", name_, ": ", why));
}

void Door::watch_oldest() {
  if (waiting_.empty()) return;
  timer_.expires_at(waiting_.front().until);
  timer_.async_wait([this](const error_code& error) {
    if (error) return;
    const Time now = std::chrono::steady_clock::now();
    while (!waiting_.empty() && waiting_.front().until <= now) drop_oldest("it said nothing in time");
    watch_oldest();
  });
}

std::shared_ptr<Link> Door::take(const Link& link) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& waiting) { return waiting.link.get() == &link; });
  GOSSAMER_CHECK(found != waiting_.end(), "a door hears only from those that wait");
  std::shared_ptr<Link> taken = std::move(found->link);
  waiting_.erase(found);
  return taken;
}

void Door::on_message(Link& link, const wire::Message& message) {
  const std::shared_ptr<Link> taken = take(link);
  taken->set_owner(nullptr);
  taken->set_frame_bytes_max(frame_bytes_max);
  if (admit_(taken, message)) return;
  note_drop(*taken, "its first message is not one of a rank of this session");
  taken->close();
}

void Door::on_end(Link& link, const std::string& reason, bool) {
  take(link);
  note_drop(link, reason);
}

}  // namespace gossamer::runtime
