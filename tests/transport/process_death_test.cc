// What happens when a rank's process dies: real processes, SIGKILL, over the real library.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "cluster.h"
#include "make_transport.h"
#include "peer_process.h"
#include "survivor.h"
#include "tests/support/shared_memory_left.h"
#include "transport/shared_memory.h"

namespace gossamer::transport {
namespace {

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

class ProcessDeath : public ::testing::TestWithParam<DeathCase>, protected Survivor {
 protected:
  void SetUp() override { begin(GetParam().choice, GetParam().mode); }
};

INSTANTIATE_TEST_SUITE_P(, ProcessDeath, ::testing::ValuesIn(death_cases()),
                         [](const auto& instance) { return instance.param.name + "_" + instance.param.mode; });

// Goal: a killed rank ends nothing but its own starts: each start with it ends as done or peer_lost
// within a second of fail_peer, closing and destruction are bounded, the sweep leaves nothing in /dev/shm,
// and the next transport of this process reaches the next process. Method: kill the peer before it connects,
// while it is idle, while it polls, and while it sends small or large messages; with receives, small
// sends enough to fill its queue, and large sends pending.
TEST_P(ProcessDeath, SurvivorGoesOnWithoutTheDead) {
  if (GetParam().mode != "absent") {
    ASSERT_NO_FATAL_FAILURE(exchange());
    if (GetParam().mode == "flood" || GetParam().mode == "large") {
      ASSERT_TRUE(poll_until([&] { return peer_->has_signalled(); }, 20 * second_ns));
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
  const bool ended =
      poll_until([&] { return completions_.size() >= context - first + (GetParam().mode == "absent" ? 0 : 2); },
                 allowance(second_ns));
  EXPECT_TRUE(ended) << completions_.size() << " of " << context - first;
  for (const auto& [id, completion] : completions_) {
    EXPECT_TRUE(completion.code == Code::done || completion.code == Code::peer_lost) << code_name(completion.code);
  }
  EXPECT_LT(clock_.now_ns() - failed_ns, allowance(second_ns));
  EXPECT_EQ(transport_->start_send(Rank{1}, Tag{1}, slice(8), 1).error().code, Code::peer_lost);

  expect_an_orderly_end(dead);
}

void expect_nothing_left(pid_t pid) {
  const auto left = gossamer::testing::shared_memory_left(text("gossamer-setup-death-", pid, "-"));
  EXPECT_TRUE(left.empty()) << left.front();
}

// Goal: a killed rank's folder is there until the sweep, and is not swept while the rank lives.
// Method: kill a rank that has told its address, so its transport exists.
TEST(ProcessDeathInSetup, SweepRemovesTheFolderOfTheDead) {
  PeerProcess peer("setup-death", {"ucx", "posix,self"}, "absent");
  ASSERT_FALSE(peer.read_address().empty());
  const std::string mark = text("gossamer-setup-death-", peer.pid(), "-");
  static_cast<void>(sweep_shared_memory());
  EXPECT_EQ(gossamer::testing::shared_memory_names(mark).size(), 1u);
  const pid_t pid = peer.pid();
  peer.kill();
  static_cast<void>(sweep_shared_memory());
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
      if (peer.has_signalled()) ++made;
      ASSERT_LT(clock.now_ns(), end_ns);
    }
    const pid_t pid = peer.pid();
    peer.kill();
    static_cast<void>(sweep_shared_memory());
    expect_nothing_left(pid);
  }
}

}  // namespace
}  // namespace gossamer::transport
