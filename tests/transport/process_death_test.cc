// What happens when a rank's process dies: real processes, SIGKILL, over the real library.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "cluster.h"
#include "make_transport.h"
#include "peer_process.h"
#include "transport/shared_memory.h"

namespace gossamer::transport {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::size_t large = std::size_t{4} << 20;

struct DeathCase {
  std::string name;  // of the backend
  TransportChoice choice;
  std::string mode;  // of transport_peer
};

std::vector<DeathCase> death_cases() {
  std::vector<DeathCase> cases;
  for (const Backend& backend : all_backends()) {
    if (backend.is_sim()) continue;
    for (const char* mode : {"absent", "idle", "echo", "flood", "large"}) {
      cases.push_back({backend.name, {backend.transport, backend.ways}, mode});
    }
  }
  return cases;
}

void PrintTo(const DeathCase& death, std::ostream* out) { *out << death.name << ", " << death.mode; }

// Rank 0 in this process, rank 1 in another that will be killed.
class ProcessDeath : public testing::TestWithParam<DeathCase> {
 protected:
  void SetUp() override {
    auto made = make_transport(GetParam().choice, "death");
    ASSERT_TRUE(made.ok()) << made.error().message;
    transport_ = std::move(*made);
    memory_.resize(large);
    auto region = transport_->register_memory(memory_.data(), memory_.size(), MemoryKind::host);
    ASSERT_TRUE(region.ok());
    region_ = *region;
    peer_.emplace("death", GetParam().choice, GetParam().mode);
    const Address address = peer_->read_address();
    ASSERT_FALSE(address.empty());
    ASSERT_TRUE(transport_->open_view({Epoch{1}, Rank{0}, {transport_->address(), address}}).ok());
    if (GetParam().mode == "absent") return;
    ASSERT_TRUE(peer_->write_view(transport_->address(), address));
  }

  // Polls until the condition holds or the time is over.
  template <typename Condition>
  bool poll_until(const Condition& condition, std::uint64_t duration_ns) {
    const std::uint64_t end_ns = clock_.now_ns() + duration_ns;
    std::vector<Completion> batch(64);
    while (!condition()) {
      if (clock_.now_ns() > end_ns) return false;
      const std::size_t count = transport_->poll(batch);
      for (std::size_t i = 0; i < count; ++i) completions_.emplace(batch[i].context, batch[i]);
    }
    return true;
  }

  [[nodiscard]] Slice slice(std::size_t bytes) const { return {region_, 0, bytes}; }

  SteadyClock clock_;
  std::vector<std::byte> memory_;
  std::unique_ptr<Transport> transport_;
  Region region_;
  std::optional<PeerProcess> peer_;
  std::map<std::uint64_t, Completion> completions_;
};

INSTANTIATE_TEST_SUITE_P(, ProcessDeath, testing::ValuesIn(death_cases()),
                         [](const auto& instance) { return instance.param.name + "_" + instance.param.mode; });

// Goal: a killed rank ends nothing but its own starts: each start with it ends as done or peer_lost
// within a second of fail_peer, closing and destruction are bounded, the next transport of this
// process works, and the sweep leaves nothing in /dev/shm. Method: kill the peer before it connects,
// while it is idle, while it polls, and while it sends small or large messages; with receives, small
// sends enough to fill its queue, and large sends pending.
TEST_P(ProcessDeath, SurvivorGoesOnWithoutTheDead) {
  if (GetParam().mode != "absent") {
    ASSERT_TRUE(transport_->start_receive(Rank{1}, Tag{2}, slice(8), 2).ok());
    ASSERT_TRUE(transport_->start_send(Rank{1}, Tag{1}, slice(8), 1).ok());
    ASSERT_TRUE(poll_until([&] { return completions_.contains(1) && completions_.contains(2); }, 20 * second_ns));
    ASSERT_TRUE(poll_until([&] { return peer_->signalled(); }, 20 * second_ns));
    if (GetParam().mode == "flood" || GetParam().mode == "large") {
      ASSERT_TRUE(poll_until([&] { return peer_->signalled(); }, 20 * second_ns));
    }
  }
  std::uint64_t context = 100;
  const std::uint64_t first = context;
  const auto expect = [&](const Result<Token>& token) {
    if (token.ok()) {
      ++context;
    } else {
      EXPECT_EQ(token.error().code, Code::peer_lost) << token.error().message;
    }
  };
  const auto start_all = [&](std::uint64_t tag) {
    expect(transport_->start_receive(Rank{1}, Tag{tag}, slice(100), context));
    expect(transport_->start_receive(Rank{1}, Tag{1'001 + tag}, slice(large), context));  // matches when flooded
    expect(transport_->start_send(Rank{1}, Tag{tag + 50}, slice(large), context));
    for (std::uint64_t i = 0; i < 600; ++i)
      expect(transport_->start_send(Rank{1}, Tag{50'000 + i}, slice(8'000), context));
  };
  start_all(10);
  if (GetParam().mode != "absent") poll_until([] { return false; }, second_ns / 50);  // some of it is under way
  const pid_t dead = peer_->pid();
  peer_->kill();
  start_all(11);
  poll_until([] { return false; }, second_ns / 50);

  const std::uint64_t failed_ns = clock_.now_ns();
  transport_->fail_peer(Rank{1});
  const bool ended = poll_until(
      [&] { return completions_.size() >= context - first + (GetParam().mode == "absent" ? 0 : 2); }, second_ns);
  EXPECT_TRUE(ended) << completions_.size() << " of " << context - first;
  for (const auto& [id, completion] : completions_) {
    EXPECT_TRUE(completion.code == Code::done || completion.code == Code::peer_lost) << code_name(completion.code);
  }
  EXPECT_LT(clock_.now_ns() - failed_ns, second_ns);
  EXPECT_EQ(transport_->start_send(Rank{1}, Tag{1}, slice(8), 1).error().code, Code::peer_lost);

  const std::uint64_t close_ns = clock_.now_ns();
  const Status closed = transport_->close_view(second_ns);
  EXPECT_TRUE(closed.ok() || closed.error().code == Code::deadline) << closed.error().message;
  EXPECT_LT(clock_.now_ns() - close_ns, second_ns + second_ns / 2);
  RecordProperty("closed", closed.ok() ? "yes" : "no");
  const std::uint64_t destroy_ns = clock_.now_ns();
  transport_.reset();
  EXPECT_LT(clock_.now_ns() - destroy_ns, second_ns);

  auto next = make_transport(GetParam().choice, "death");
  EXPECT_TRUE(next.ok());
  static_cast<void>(sweep_shared_memory("death"));
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(text("gossamer-death-", dead, "-"))) << entry.path();
  }
}

void expect_nothing_left(pid_t pid) {
  const std::string mark = text("gossamer-setup-death-", pid, "-");
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(mark)) << entry.path();
  }
}

// Goal: a killed rank's folder is there until the sweep, and is not swept while the rank lives.
// Method: kill a rank that has told its address, so its transport exists.
TEST(ProcessDeathInSetup, SweepRemovesTheFolderOfTheDead) {
  PeerProcess peer("setup-death", {"ucx", "posix,self"}, "absent");
  ASSERT_FALSE(peer.read_address().empty());
  const std::string mark = text("/dev/shm/gossamer-setup-death-", peer.pid(), "-");
  const auto swept = [&] {
    const std::vector<std::string> removed = sweep_shared_memory("setup-death");
    return std::count_if(removed.begin(), removed.end(),
                         [&](const std::string& name) { return name.starts_with(mark); });
  };
  EXPECT_EQ(swept(), 0);
  const pid_t pid = peer.pid();
  peer.kill();
  EXPECT_EQ(swept(), 1);
  expect_nothing_left(pid);
}

// Goal: a rank killed at any moment of setting shared memory up leaves nothing after a sweep. Method:
// kill ranks that make and destroy transports without end.
TEST(ProcessDeathInSetup, SweepCopesWithEveryMomentOfDeath) {
  for (int round = 0; round < 20; ++round) {
    PeerProcess peer("setup-death", {"ucx", "posix,self"}, "setup");
    const SteadyClock clock;
    const std::uint64_t end_ns = clock.now_ns() + 20 * second_ns;
    for (int made = 0; made <= round % 5;) {
      if (peer.signalled()) ++made;
      ASSERT_LT(clock.now_ns(), end_ns);
    }
    const pid_t pid = peer.pid();
    peer.kill();
    static_cast<void>(sweep_shared_memory("setup-death"));
    expect_nothing_left(pid);
  }
}

}  // namespace
}  // namespace gossamer::transport
