#include "tests/runtime/thread_cluster.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "runtime/control/alone.h"
#include "runtime/control/collect.h"

namespace gossamer::runtime::testing {

// Letters for each rank, in the order in which they came.
class PostOffice {
 public:
  explicit PostOffice(std::uint32_t rank_count)
      : boxes_(rank_count), failing_(rank_count, -1), registered_(rank_count) {}

  void send(Rank to, Tag tag, const std::byte* data, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    boxes_[to.value].push_back({tag, {data, data + bytes}});
  }
  std::optional<std::vector<std::byte>> take(Rank to, Tag tag) {
    const std::lock_guard lock(mutex_);
    auto& box = boxes_[to.value];
    const auto found = std::find_if(box.begin(), box.end(), [&](const Letter& letter) { return letter.tag == tag; });
    if (found == box.end()) return std::nullopt;
    auto bytes = std::move(found->bytes);
    box.erase(found);
    return bytes;
  }
  bool registers(Rank rank) {
    const std::lock_guard lock(mutex_);
    int& failing = failing_[rank.value];
    if (failing >= 0 && failing-- == 0) return false;
    ++registered_[rank.value];
    return true;
  }
  void releases(Rank rank) {
    const std::lock_guard lock(mutex_);
    --registered_[rank.value];
  }
  void fail(std::uint32_t rank, int number) {
    const std::lock_guard lock(mutex_);
    failing_[rank] = number;
  }
  int registered(std::uint32_t rank) {
    const std::lock_guard lock(mutex_);
    return registered_[rank];
  }
  std::size_t letters() {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& box : boxes_) count += box.size();
    return count;
  }

 private:
  struct Letter {
    Tag tag;
    std::vector<std::byte> bytes;
  };
  std::mutex mutex_;
  std::vector<std::deque<Letter>> boxes_;
  std::vector<int> failing_;
  std::vector<int> registered_;
};

// Rank 0's book, and where each rank waits for its verdict.
class Table {
 public:
  explicit Table(std::uint32_t rank_count) : collector_(rank_count), next_(rank_count, 0), verdicts_(rank_count) {}

  Result<wire::Verdict> collect(Rank rank, wire::Collect part) {
    std::unique_lock lock(mutex_);
    const std::uint64_t sequence = next_[rank.value]++;
    part.set_sequence(sequence);
    const std::uint64_t deadline_ns = part.deadline_ns();
    give(*collector_.add(rank, std::move(part), clock_.now_ns()));
    auto& own = verdicts_[rank.value];
    const auto came = [&] { return own && own->sequence() == sequence; };
    const auto limit = std::chrono::steady_clock::now() + std::chrono::nanoseconds(deadline_ns);
    while (!came() && changed_.wait_until(lock, limit) != std::cv_status::timeout) {
    }
    if (!came()) give(collector_.expire(clock_.now_ns() + 1'000'000));
    GOSSAMER_CHECK(came(), "a collective without a verdict at its deadline");
    const wire::Verdict verdict = *std::exchange(own, std::nullopt);
    if (verdict.code() != 0) return error_of(verdict);
    return verdict;
  }

 private:
  void give(const std::vector<Answer>& answers) {
    for (const Answer& answer : answers) verdicts_[answer.to.value] = whole_verdict(answer);
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  SteadyClock clock_;
  Collector collector_;
  std::vector<std::uint64_t> next_;
  std::vector<std::optional<wire::Verdict>> verdicts_;
};

namespace {

class OfficeTransport final : public transport::Transport {
 public:
  OfficeTransport(std::shared_ptr<PostOffice> office, Rank rank) : office_(std::move(office)), rank_(rank) {}

  [[nodiscard]] const transport::Capabilities& capabilities() const override { return capabilities_; }
  [[nodiscard]] const transport::Address& address() const override { return address_; }
  Status open_view(const transport::View&) override { return {}; }
  Status close_view(std::uint64_t) override { return {}; }
  Result<transport::Region> register_memory(void* base, std::size_t bytes, MemoryKind kind) override {
    if (!office_->registers(rank_)) return Error{Code::out_of_resources, "no memory can be locked (injected)"};
    return transport::Region{++last_, static_cast<std::byte*>(base), bytes, kind};
  }
  void release_memory(const transport::Region&) override { office_->releases(rank_); }
  Result<transport::Token> start_send(Rank peer, Tag tag, const transport::Slice& slice,
                                      std::uint64_t context) override {
    office_->send(peer, tag, slice.data(), slice.bytes);
    ended_.push_back({context, Code::done, slice.bytes});
    return transport::Token{++last_};
  }
  Result<transport::Token> start_receive(Rank, Tag tag, const transport::Slice& slice, std::uint64_t context) override {
    receives_.push_back({++last_, tag, slice, context});
    return transport::Token{last_};
  }
  void cancel(transport::Token token) override {
    const auto found = std::find_if(receives_.begin(), receives_.end(),
                                    [&](const Receive& receive) { return receive.token == token.value; });
    if (found == receives_.end()) return;
    ended_.push_back({found->context, Code::cancelled, 0});
    receives_.erase(found);
  }
  std::size_t poll(std::span<transport::Completion> completions) override {
    for (auto receive = receives_.begin(); receive != receives_.end();) {
      const auto bytes = office_->take(rank_, receive->tag);
      if (!bytes) {
        ++receive;
        continue;
      }
      const bool fits = bytes->size() <= receive->slice.bytes;
      if (fits) std::copy(bytes->begin(), bytes->end(), receive->slice.data());
      ended_.push_back({receive->context, fits ? Code::done : Code::malformed, bytes->size()});
      receive = receives_.erase(receive);
    }
    const std::size_t count = std::min(completions.size(), ended_.size());
    std::copy_n(ended_.begin(), count, completions.begin());
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  void fail_peer(Rank) override {}
  [[nodiscard]] int event_descriptor() const override { return -1; }
  [[nodiscard]] bool arm() override { return false; }

 private:
  struct Receive {
    std::uint64_t token = 0;
    Tag tag;
    transport::Slice slice;
    std::uint64_t context = 0;
  };
  std::shared_ptr<PostOffice> office_;
  const Rank rank_;
  transport::Capabilities capabilities_;
  transport::Address address_;
  std::uint64_t last_ = 0;
  std::vector<Receive> receives_;
  std::vector<transport::Completion> ended_;
};

class TableControl final : public QuietControl {
 public:
  TableControl(std::shared_ptr<Table> table, Rank rank, std::uint32_t rank_count)
      : table_(std::move(table)), rank_(rank), rank_count_(rank_count) {}

  Result<std::vector<Blob>> agree_among(std::span<const Rank> members, std::string_view subject,
                                        std::span<const Field> fields, const Contribution& mine,
                                        std::uint64_t deadline_ns) override {
    wire::Collect part;
    part.set_kind(wire::Collect::AGREE);
    for (const Rank member : members) part.add_members(member.value);
    add_fields(*part.mutable_fields(), fields);
    if (mine.trouble) set_error(*part.mutable_trouble(), *mine.trouble);
    return collect(std::move(part), subject, mine.blob, deadline_ns);
  }
  Result<std::vector<Blob>> all_gather(std::string_view subject, const Blob& mine, std::uint64_t deadline_ns) override {
    wire::Collect part;
    part.set_kind(wire::Collect::ALL_GATHER);
    return collect(std::move(part), subject, mine, deadline_ns);
  }

 private:
  Result<std::vector<Blob>> collect(wire::Collect part, std::string_view subject, const Blob& mine,
                                    std::uint64_t deadline_ns) {
    part.set_subject(std::string(subject));
    part.set_deadline_ns(deadline_ns);
    part.set_blob(mine.data(), mine.size());
    const auto members = static_cast<std::uint32_t>(part.members_size());
    const auto verdict = table_->collect(rank_, std::move(part));
    GOSSAMER_TRY(verdict);
    return blobs_of(*verdict, members == 0 ? rank_count_ : members);
  }

  std::shared_ptr<Table> table_;
  const Rank rank_;
  const std::uint32_t rank_count_;
};

}  // namespace

ThreadCluster::ThreadCluster(std::uint32_t rank_count, std::uint64_t timeout_ns)
    : office_(std::make_shared<PostOffice>(rank_count)), table_(std::make_shared<Table>(rank_count)) {
  for (std::uint32_t rank = 0; rank < rank_count; ++rank) {
    SessionParts parts;
    parts.rank = Rank{rank};
    parts.rank_count = rank_count;
    parts.clock = std::make_unique<SteadyClock>();
    parts.control = std::make_unique<TableControl>(table_, Rank{rank}, rank_count);
    parts.transport = std::make_unique<OfficeTransport>(office_, Rank{rank});
    parts.patience = {.spins = 20, .yields = 200};
    parts.timeout_ns = timeout_ns;
    auto session = Session::make(std::move(parts));
    GOSSAMER_CHECK(session.ok(), "a session of threads");
    sessions_.push_back(std::move(*session));
  }
}

ThreadCluster::~ThreadCluster() = default;

void ThreadCluster::on_each(const std::function<void(std::uint32_t, Session&)>& act) {
  std::vector<std::jthread> threads;
  for (std::uint32_t rank = 0; rank < rank_count(); ++rank)
    threads.emplace_back([&, rank] { act(rank, *sessions_[rank]); });
}

void ThreadCluster::fail_registration(std::uint32_t rank, int number) { office_->fail(rank, number); }
int ThreadCluster::registered(std::uint32_t rank) const { return office_->registered(rank); }
std::size_t ThreadCluster::letters() const { return office_->letters(); }

}  // namespace gossamer::runtime::testing
