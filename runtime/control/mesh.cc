// long file: one class; messages, losses, leases, collectives and leaving share its connections and its one thread.
#include "runtime/control/mesh.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/control/alone.h"
#include "runtime/control/call.h"
#include "runtime/control/collect.h"
#include "runtime/control/fields.h"
#include "runtime/control/joining/gathering.h"
#include "runtime/control/joining/joiner.h"
#include "runtime/control/joining/places.h"
#include "runtime/control/lease.h"
#include "runtime/control/members.h"
#include "runtime/control/settle.h"
#include "runtime/control/verdict_reader.h"
#include "runtime/control/watchers.h"

namespace gossamer::runtime {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {
constexpr std::chrono::milliseconds leave_max{1000};
// How long news of a death waits for a peer that does not read, before it is given to the caller.
constexpr std::chrono::milliseconds publish_max{20};
// How long rank 0's verdict may take to come after the news of a death.
constexpr std::chrono::milliseconds verdict_after_death_max{150};

class Mesh final : public Control, private ConnectionOwner {
 public:
  explicit Mesh(const MeshOptions& options)
      : rank_(options.rank),
        rank_count_(options.rank_count),
        lease_ns_(options.lease_ns),
        settling_(io_, connections_, options.rank_count),
        collector_(options.rank_count),
        verdict_reader_(options.rank_count),
        left_ranks_(options.rank_count, false),
        dead_ranks_(options.rank_count, false),
        lease_watch_(io_, options.lease_ns, [this] { beat(); }) {}
  ~Mesh() override;

  Status join(const MeshOptions& options, std::span<const Field> shared);

  Result<std::vector<Blob>> agree_among(std::span<const Rank> members, std::string_view subject,
                                        std::span<const Field> fields, const Contribution& mine,
                                        std::uint64_t deadline_ns) override;
  Result<std::vector<Blob>> all_gather(std::string_view subject, const Blob& mine, std::uint64_t deadline_ns) override;
  [[nodiscard]] std::optional<Loss> loss() const override;
  [[nodiscard]] std::vector<Loss> losses(std::size_t known) const override;
  [[nodiscard]] int event_descriptor() const override { return event_.value(); }
  void watch(std::shared_ptr<const std::atomic<std::uint32_t>> in_flight) override;
  void settle(std::uint64_t limit_ns, const std::function<bool()>& move) override;
  void abort() override;
  void leave() override;
  [[nodiscard]] std::uint64_t bytes_sent() const override { return bytes_sent_.load(std::memory_order_relaxed); }

 private:
  // Any thread.
  Result<wire::Verdict> collect(wire::Collect part);

  // The service thread.
  void serve();
  void begin(Result<Connections> joined);
  void on_message(Connection& connection, const wire::Message& message) override;
  void on_end(Connection& connection, const std::string& reason, ConnectionEnd end) override;
  void refuse(Connection& connection, const std::string& why);
  void beat();
  void part_with(Rank rank);
  void take_being_given_up(Rank by, const std::string& reason);
  void tell_all(const Loss& loss);
  void give_oneself_up();
  void bid_good_bye(Connection& connection, const wire::Goodbye& message);
  void contribute(wire::Collect part);
  void take_part(Rank rank, wire::Collect part);
  void send_answers(const std::vector<Answer>& answers);
  void watch_collectives();
  void learn(Loss loss);
  void list(Loss loss);
  void publish_death();
  void raise_event();
  void start_leaving();
  void end_leaving_if_alone();
  void end_leaving();

  const Rank rank_;
  const std::uint32_t rank_count_;
  const std::uint64_t lease_ns_;
  std::atomic<std::uint64_t> bytes_sent_{0};
  UniqueDescriptor event_;

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;

  // The service thread's.
  std::optional<Gathering> gathering_;
  std::optional<Joiner> joiner_;
  Connections connections_;
  std::vector<std::uint32_t> watched_;  // ranks that watch this one, and that it watches
  Settling settling_;
  Collector collector_;
  VerdictReader verdict_reader_;
  asio::steady_timer collect_timer_{io_};
  asio::steady_timer publish_timer_{io_};
  asio::steady_timer verdict_timer_{io_};
  asio::steady_timer own_verdict_timer_{io_};
  asio::steady_timer leave_timer_{io_};
  std::vector<bool> left_ranks_;  // ranks that settle or left
  std::vector<bool> dead_ranks_;
  LeaseWatch lease_watch_;
  std::optional<Loss> death_known_;  // the first
  std::vector<Loss> held_;           // learned while that is not published: nobody is named before it
  bool given_up_ = false;            // by a peer, or by itself: it is this rank that is lost, for the others
  std::optional<Loss> leaving_known_;
  std::optional<Loss> rank_0_left_;
  bool leaving_ = false;

  // Written once by the service thread, then read by all.
  std::atomic<const Loss*> death_{nullptr};
  std::atomic<const Loss*> left_{nullptr};
  std::atomic<std::size_t> listed_{0};  // entries of list_
  mutable std::mutex list_mutex_;
  std::vector<Loss> list_;

  CollectiveCall call_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Status> joined_;
  bool left_by_caller_ = false;
  bool leave_ended_ = false;
};

Mesh::~Mesh() {
  leave();
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

// --- joining ------------------------------------------------------------------------------------

Status Mesh::join(const MeshOptions& options, std::span<const Field> shared) {
  const Time deadline = time_after(options.deadline_ns - std::min(options.spent_ns, options.deadline_ns));
  GOSSAMER_ASSIGN(Places places, find_places(options, deadline));
  const std::unique_ptr<ListenerTurn> turn = std::move(places.turn);  // until the joining has ended
  event_ = UniqueDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (event_.value() < 0) {
    return Error{Code::out_of_resources, "cannot open an event descriptor; raise the limit of open files (ulimit -n)"};
  }

  // Ranks that beat at different rates would give each other up.
  std::vector<Field> all_shared(shared.begin(), shared.end());
  all_shared.push_back({job_field, options.job});
  all_shared.push_back({"lease", options.lease_ns == 0 ? "off" : format_duration(options.lease_ns)});

  JoinTask task{.io = io_,
                .options = options,
                .shared = all_shared,
                .places = std::move(places),
                .deadline = deadline,
                .bytes_sent = bytes_sent_,
                .done = [this](Result<Connections> connections) { begin(std::move(connections)); }};
  if (rank_.value == 0) {
    gathering_.emplace(std::move(task));
    asio::post(io_, [this] { gathering_->start(); });
  } else {
    joiner_.emplace(std::move(task));
    asio::post(io_, [this] { joiner_->start(); });
  }

  GOSSAMER_ASSIGN(thread_, make_thread("the control plane", [this] { serve(); }));

  std::unique_lock lock(mutex_);
  // The service thread keeps the deadline; this one only guards against a defect there.
  if (!changed_.wait_until(lock, deadline + std::chrono::seconds(10), [&] { return joined_.has_value(); })) {
    return Error{Code::internal, "joining did not end by its deadline"};
  }
  return *joined_;
}

void Mesh::serve() {
  pthread_setname_np(pthread_self(), "gossamer-ctl");
  io_.run();
}

void Mesh::begin(Result<Connections> joined) {
  if (joined.ok()) {
    connections_ = *joined;
    for (std::uint32_t rank = 0; rank < rank_count_; ++rank) {
      if (!connections_[rank]) continue;
      connections_[rank]->rank = rank;
      connections_[rank]->set_owner(this);
      connections_[rank]->read();
      if (watch_each_other(rank_, Rank{rank}, rank_count_)) {
        watched_.push_back(rank);
      } else {
        connections_[rank]->watch_path(lease_ns_);
      }
    }
    lease_watch_.start();
  }
  const std::lock_guard lock(mutex_);
  joined_ = joined.ok() ? Status() : Status(joined.error());
  changed_.notify_all();
}

// --- messages -----------------------------------------------------------------------------------

void Mesh::on_message(Connection& connection, const wire::Message& message) {
  const Rank from{connection.rank};
  switch (message.kind_case()) {
    case wire::Message::kPing:
      break;
    case wire::Message::kPeerLost: {
      const wire::Loss& loss = message.peer_lost().loss();
      if (loss.rank() == rank_.value) {
        take_being_given_up(from, shown(loss.reason()));
      } else if (loss.rank() < rank_count_) {
        learn({Rank{loss.rank()}, shown(loss.reason())});
      }
      break;
    }
    case wire::Message::kLeaving:
      learn({from, "it left the session", true});
      settling_.ask(from);
      break;
    case wire::Message::kDrained:
      settling_.answer(from);
      break;
    case wire::Message::kGoodbye:
      return bid_good_bye(connection, message.goodbye());
    case wire::Message::kCollect:
      if (rank_.value == 0) take_part(from, message.collect());
      break;
    case wire::Message::kVerdict:
    case wire::Message::kBlobs: {
      if (from.value != 0) break;
      auto verdict =
          message.has_verdict() ? verdict_reader_.take(message.verdict()) : verdict_reader_.take(message.blobs());
      if (!verdict.ok()) return refuse(connection, "it sent a verdict that is none: " + verdict.error().message);
      if (*verdict) call_.deliver(**std::move(verdict));
      break;
    }
    default:
      return refuse(connection, "it sent a message that has no place in a session");
  }
  connection.read();
}

void Mesh::refuse(Connection& connection, const std::string& why) {
  const auto keep = connection.shared_from_this();
  connection.close();
  on_end(connection, why, ConnectionEnd::malformed);
}

void Mesh::bid_good_bye(Connection& connection, const wire::Goodbye& message) {
  const Rank from{connection.rank};
  connection.close();
  connections_[from.value].reset();
  if (message.has_loss() && message.loss().rank() < rank_count_ && message.loss().rank() != rank_.value) {
    learn({Rank{message.loss().rank()}, shown(message.loss().reason())});
  }
  learn({from, "it left the session", true});
  settling_.look(death_known_.has_value());
  end_leaving_if_alone();
}

void Mesh::on_end(Connection& connection, const std::string& reason, ConnectionEnd) {
  const Rank from{connection.rank};
  connections_[from.value].reset();
  learn({from, reason});
  settling_.look(death_known_.has_value());
  end_leaving_if_alone();
}

// --- loss ---------------------------------------------------------------------------------------

// A rank that knows of a death tells all others before its caller hears it. So whoever ends because of
// that death has named the dead one on every connection before the connection breaks, and is never blamed for it.
// Each later death goes the same way, for those who go on without the dead.
void Mesh::learn(Loss loss) {
  if (leaving_ || given_up_ || dead_ranks_[loss.rank.value]) return;
  if (loss.left) {
    if (left_ranks_[loss.rank.value]) return;
    left_ranks_[loss.rank.value] = true;
    list(loss);
    if (death_known_) return;
    if (rank_.value == 0) send_answers(collector_.lose(loss));
    if (loss.rank.value == 0) {
      rank_0_left_ = loss;
      call_.fail(loss);
    }
    if (leaving_known_) return;
    leaving_known_ = std::move(loss);
    left_.store(&*leaving_known_, std::memory_order_release);
    return raise_event();
  }
  dead_ranks_[loss.rank.value] = true;
  tell_all(loss);
  const bool drained = std::all_of(connections_.begin(), connections_.end(), [&](const auto& connection) {
    return !connection || connection->is_drained() || connection->rank == loss.rank.value;
  });
  part_with(loss.rank);
  const bool is_first = !death_known_;
  if (is_first) death_known_ = loss;
  list(std::move(loss));
  settling_.look(true);
  if (!is_first) return;
  if (drained) return publish_death();
  publish_timer_.expires_after(publish_max);
  publish_timer_.async_wait([this](const error_code& error) {
    if (!error) publish_death();
  });
}

void Mesh::tell_all(const Loss& loss) {
  wire::Message message;
  message.mutable_peer_lost()->mutable_loss()->set_rank(loss.rank.value);
  message.mutable_peer_lost()->mutable_loss()->set_reason(loss.reason);
  const Connection::Body body = Connection::encode(message);
  for (const auto& connection : connections_)
    if (connection) connection->send(body);
}

// What was said to it goes out when it reads; nothing more is said, and nothing it says counts.
void Mesh::part_with(Rank rank) {
  const std::shared_ptr<Connection> connection = std::exchange(connections_[rank.value], nullptr);
  if (!connection) return;
  connection->set_owner(nullptr);
  connection->finish();
}

// --- leases -------------------------------------------------------------------------------------

// Both sides of a lease: this rank says that it is alive, and gives up who did not for the lease's length.
void Mesh::beat() {
  wire::Message alive;
  alive.mutable_ping();
  const Connection::Body body = Connection::encode(alive);
  for (const std::uint32_t rank : watched_) {
    if (connections_[rank]) connections_[rank]->send(body);
  }
  for (const std::uint32_t rank : watched_) {
    if (leaving_ || given_up_) return;
    if (!connections_[rank]) continue;
    if (const auto silence_ns = lease_watch_.overdue_ns(*connections_[rank])) {
      learn({Rank{rank}, text("it has not answered for ", format_duration(*silence_ns),
                              "; its process is stopped, or its host cannot be reached")});
    }
  }
}

// A process that was stopped and goes on. It tells nobody of a loss: for the others it is the one that is lost.
void Mesh::take_being_given_up(Rank by, const std::string& reason) {
  if (leaving_ || given_up_) return;
  given_up_ = true;
  const Loss loss{by, text("it gave this rank up: \"", reason, "\"; was this process stopped?"), false, true};
  list(loss);
  if (death_known_) return;
  death_known_ = loss;
  settling_.look(true);
  publish_death();
}

void Mesh::abort() {
  asio::post(io_, [this] { give_oneself_up(); });
}

// The caller may be the one that hangs, so nothing here waits for news to be on its way.
void Mesh::give_oneself_up() {
  if (leaving_ || given_up_) return;
  given_up_ = true;
  const Loss told{.rank = rank_, .reason = std::string(abort_reason)};
  Loss loss = told;
  loss.given_up = loss.aborted = true;
  tell_all(told);
  list(loss);
  call_.fail(loss);
  if (death_known_) return;
  death_known_ = std::move(loss);
  death_.store(&*death_known_, std::memory_order_release);
  settling_.look(true);
  raise_event();
  if (rank_.value == 0) send_answers(collector_.lose(told));
}

// The first death is published before anything that is learned after it.
void Mesh::list(Loss loss) {
  if (death_known_ && death_.load(std::memory_order_relaxed) == nullptr) return held_.push_back(std::move(loss));
  const std::lock_guard lock(list_mutex_);
  list_.push_back(std::move(loss));
  listed_.store(list_.size(), std::memory_order_release);
}

std::vector<Loss> Mesh::losses(std::size_t known) const {
  if (listed_.load(std::memory_order_acquire) <= known) return {};
  const std::lock_guard lock(list_mutex_);
  return {list_.begin() + static_cast<std::ptrdiff_t>(known), list_.end()};
}

void Mesh::publish_death() {
  death_.store(&*death_known_, std::memory_order_release);
  for (Loss& loss : std::exchange(held_, {})) list(std::move(loss));
  raise_event();
  if (rank_.value == 0) {
    send_answers(collector_.lose(*death_known_));
    return call_.fail(*death_known_);
  }
  // A rank that was refused in a collective may end at once, and the news of its end overtake rank 0's
  // verdict: what rank 0 says comes first, and it says something, since it learns of the death as well.
  verdict_timer_.expires_after(verdict_after_death_max);
  verdict_timer_.async_wait([this](const error_code& error) {
    if (!error) call_.fail(*death_known_);
  });
}

void Mesh::raise_event() {
  const std::uint64_t one = 1;
  const ssize_t written = ::write(event_.value(), &one, sizeof one);
  GOSSAMER_CHECK(written == sizeof one, "an event descriptor takes two events");
}

std::optional<Loss> Mesh::loss() const {
  if (const Loss* death = death_.load(std::memory_order_acquire)) return *death;
  if (const Loss* left = left_.load(std::memory_order_acquire)) return *left;
  return std::nullopt;
}

// --- collectives --------------------------------------------------------------------------------

Result<std::vector<Blob>> Mesh::agree_among(std::span<const Rank> members, std::string_view subject,
                                            std::span<const Field> fields, const Contribution& mine,
                                            std::uint64_t deadline_ns) {
  GOSSAMER_ASSIGN(const auto list, members_of(subject, members, {rank_, rank_count_}));
  wire::Collect part;
  part.set_kind(wire::Collect::AGREE);
  if (list.size() < rank_count_)
    for (const Rank member : list) part.add_members(member.value);
  part.set_subject(std::string(subject));
  part.set_deadline_ns(deadline_ns);
  add_fields(*part.mutable_fields(), fields);
  part.set_blob(mine.blob.data(), mine.blob.size());
  if (mine.trouble) set_error(*part.mutable_trouble(), {mine.trouble->code, shown(mine.trouble->message)});
  GOSSAMER_ASSIGN(const auto verdict, collect(std::move(part)));
  return blobs_of(verdict, list.size());
}

Result<std::vector<Blob>> Mesh::all_gather(std::string_view subject, const Blob& mine, std::uint64_t deadline_ns) {
  wire::Collect part;
  part.set_kind(wire::Collect::ALL_GATHER);
  part.set_subject(std::string(subject));
  part.set_deadline_ns(deadline_ns);
  part.set_blob(mine.data(), mine.size());
  GOSSAMER_ASSIGN(const auto verdict, collect(std::move(part)));
  return blobs_of(verdict, rank_count_);
}

Result<wire::Verdict> Mesh::collect(wire::Collect part) {
  const std::string subject = part.subject();
  const std::uint64_t deadline_ns = part.deadline_ns();
  if (const std::size_t bytes = part.ByteSizeLong(); bytes > part_bytes_max) {
    // Rank 0 hears of it all the same, so that all ranks fail together and stay in step.
    part.clear_fields();
    part.clear_blob();
    part.set_subject(shown(subject));
    part.set_oversize_bytes(bytes);
  }
  if (const Loss* death = death_.load(std::memory_order_acquire)) return loss_error(subject, *death);
  GOSSAMER_ASSIGN(const auto sequence, call_.begin(subject));
  part.set_sequence(sequence);
  asio::post(io_, [this, part = std::move(part)]() mutable { contribute(std::move(part)); });
  return call_.wait(time_after(deadline_ns) + verdict_grace, deadline_ns);
}

void Mesh::contribute(wire::Collect part) {
  if (death_known_ && death_known_->aborted) return call_.fail(*death_known_);
  if (rank_.value == 0) return take_part(rank_, std::move(part));
  if (rank_0_left_) return call_.fail(*rank_0_left_);
  // A death that is not published yet ends the wait when it is.
  if (death_.load(std::memory_order_relaxed) != nullptr) return call_.fail(*death_known_);
  if (!connections_[0]) return;
  wire::Message message;
  *message.mutable_collect() = std::move(part);
  connections_[0]->send(message);
}

void Mesh::take_part(Rank rank, wire::Collect part) {
  auto answers = collector_.add(rank, std::move(part), SteadyClock().now_ns());
  if (!answers.ok()) return log(LogLevel::error, text("control: ", answers.error().message, "; ignored"));
  send_answers(*answers);
  watch_collectives();
}

// The own answer comes last, when the others' are out: the caller may end the process on a refusal.
void Mesh::send_answers(const std::vector<Answer>& answers) {
  const Answer* own = nullptr;
  bool drained = true;
  MoreBlobs encoded;  // what `frames` are of: all members of a collective share them
  std::vector<Connection::Body> frames;
  for (const Answer& answer : answers) {
    if (answer.to == rank_) {
      if (own == nullptr || answer.verdict.sequence() > own->verdict.sequence()) own = &answer;
    } else if (const auto& connection = connections_[answer.to.value]) {
      wire::Message message;
      *message.mutable_verdict() = answer.verdict;
      connection->send(message);
      if (answer.more != encoded) frames = Connection::encode_all(answer.more);
      encoded = answer.more;
      for (const Connection::Body& frame : frames) connection->send_in_turn(frame);
      drained = drained && connection->is_drained();
    }
  }
  if (own == nullptr) return;
  if (drained) return call_.deliver(whole_verdict(*own));
  own_verdict_timer_.expires_after(publish_max);
  own_verdict_timer_.async_wait([this, answer = *own](const error_code& error) {
    if (!error) call_.deliver(whole_verdict(answer));
  });
}

void Mesh::watch_collectives() {
  const auto next = collector_.next_deadline_ns();
  if (!next) {
    collect_timer_.cancel();
    return;
  }
  const std::uint64_t now_ns = SteadyClock().now_ns();
  collect_timer_.expires_at(time_after(*next > now_ns ? *next - now_ns : 0));
  collect_timer_.async_wait([this](const error_code& error) {
    if (error) return;
    send_answers(collector_.expire(SteadyClock().now_ns()));
    watch_collectives();
  });
}

// --- leaving ------------------------------------------------------------------------------------

void Mesh::watch(std::shared_ptr<const std::atomic<std::uint32_t>> in_flight) {
  asio::post(io_, [this, in_flight = std::move(in_flight)] { settling_.watch(in_flight); });
}

void Mesh::settle(std::uint64_t limit_ns, const std::function<bool()>& move) {
  const Time until = time_after(lease_ns_ > 0 ? std::min(limit_ns, lease_ns_) : limit_ns);
  asio::post(io_, [this] {
    settling_.start();
    settling_.look(death_known_.has_value());
  });
  settling_.wait(until, move);
}

void Mesh::leave() {
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) return;
  if (!left_by_caller_) {
    left_by_caller_ = true;
    call_.cancel();
    asio::post(io_, [this] { start_leaving(); });
  }
  changed_.wait_for(lock, leave_max + std::chrono::milliseconds(200), [&] { return leave_ended_; });
}

// Each peer closes its end when it has read the good-bye, so a connection's end says that it arrived.
void Mesh::start_leaving() {
  leaving_ = true;
  wire::Message message;
  message.mutable_goodbye();
  if (death_known_ && !given_up_) {
    message.mutable_goodbye()->mutable_loss()->set_rank(death_known_->rank.value);
    message.mutable_goodbye()->mutable_loss()->set_reason(death_known_->reason);
  }
  for (const auto& connection : connections_) {
    if (!connection) continue;
    connection->send(message);
    connection->finish();
  }
  leave_timer_.expires_after(leave_max);
  leave_timer_.async_wait([this](const error_code& error) {
    if (!error) end_leaving();
  });
  end_leaving_if_alone();
}

void Mesh::end_leaving_if_alone() {
  const bool alone = std::none_of(connections_.begin(), connections_.end(),
                                  [](const auto& connection) { return connection != nullptr; });
  if (leaving_ && alone) end_leaving();
}

void Mesh::end_leaving() {
  for (auto& connection : connections_) {
    if (connection) connection->close();
    connection.reset();
  }
  leave_timer_.cancel();
  settling_.stop();
  collect_timer_.cancel();
  lease_watch_.stop();
  const std::lock_guard lock(mutex_);
  leave_ended_ = true;
  changed_.notify_all();
}

}  // namespace

Result<std::unique_ptr<Control>> make_control_mesh(const MeshOptions& options, std::span<const Field> shared) {
  GOSSAMER_TRY(check_options(options));
  if (const std::size_t bytes = hello_bytes(shared); bytes > hello_bytes_max) {
    return Error{Code::invalid_argument, text("the shared fields have ", format_bytes(bytes), ", and ",
                                              format_bytes(hello_bytes_max), " is the limit")};
  }
  if (options.rank_count == 1) return make_control_alone();
  auto mesh = std::make_unique<Mesh>(options);
  GOSSAMER_TRY(mesh->join(options, shared));
  return std::unique_ptr<Control>(std::move(mesh));
}

}  // namespace gossamer::runtime
