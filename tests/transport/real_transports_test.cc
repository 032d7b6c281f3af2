// What transports over real libraries do alike: sleeping, no allocation once warm.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "cluster.h"
#include "tests/support/allocations.h"
#include "tests/support/locks.h"

namespace gossamer::transport {
namespace {

// Every backend but one: libfabric's shm has no descriptor.
bool can_sleep(Cluster& cluster, const Backend& backend) {
  const bool can = cluster.at(1).capabilities().can_sleep;
  EXPECT_EQ(can, backend.name != "libfabric_shm") << backend;
  return can;
}

// Goal: no message is slept through. Method: rank 1 arms and, when told that it may, polls the
// descriptor; a message sent after that must wake it. Two hundred times, on each backend.
TEST(RealTransports, AnArmedTransportWakesForAMessage) {
  for (const Backend& backend : all_backends()) {
    if (backend.is_sim()) continue;
    Cluster cluster(backend, 2);
    if (!can_sleep(cluster, backend)) continue;
    cluster.open(1);
    Block out(cluster.at(0), 8);
    Block in(cluster.at(1), 8);
    int slept = 0;
    for (std::uint64_t i = 0; i < 200; ++i) {
      ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{i}, in.slice(), i).ok());
      bool armed = false;
      ASSERT_TRUE(cluster.wait([&] { return armed = cluster.at(1).arm(); }));
      ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{i}, out.slice(), i).ok());
      pollfd event{cluster.at(1).event_descriptor(), POLLIN, 0};
      std::vector<Completion> batch(4);
      const SteadyClock clock;
      const std::uint64_t end_ns = clock.now_ns() + 5'000'000'000;
      int woken = 0;
      while (woken == 0 && clock.now_ns() < end_ns) {
        cluster.at(0).poll(batch);  // the sender may still be connecting
        woken = ::poll(&event, 1, 1);
      }
      ASSERT_EQ(woken, 1) << backend;
      slept += armed ? 1 : 0;
      ASSERT_EQ(cluster.await(1, i).code, Code::done);
    }
    EXPECT_GT(slept, 0);
  }
}

// Rank 1 in a thread of its own: waits for `rounds` messages one after the other, and sleeps whenever it may. Returns
// how often it slept; stops at a sleep that nothing ends in 5 s.
struct Sleeper {
  Transport& transport;
  Slice in;
  std::atomic<std::uint64_t> waiting{0};  // the round whose wait is begun, from 1
  std::atomic<bool> overslept{false};
  std::uint64_t slept = 0;

  void run(std::uint64_t rounds) {
    std::array<Completion, 4> batch;
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      if (!transport.start_receive(Rank{0}, Tag{round}, in, round).ok()) overslept = true;
      waiting = round;
      while (!overslept && transport.poll(batch) == 0) {
        if (!transport.arm()) continue;
        pollfd event{transport.event_descriptor(), POLLIN, 0};
        ++slept;
        if (::poll(&event, 1, 5'000) != 1) overslept = true;
      }
      if (overslept) break;
    }
    waiting = rounds + 1;
  }
};

// Goal: nothing is slept through that comes while its target falls asleep, at whatever moment. Method: target and
// source in threads of their own; what the target waits for comes 0 to 60 us after its wait began, 1,500 times.
TEST(RealTransports, WhatComesWhileItsTargetFallsAsleepWakesIt) {
  constexpr std::uint64_t rounds = 1'500;
  for (const Backend& backend : real_backends()) {
    Cluster cluster(backend, 2);
    if (!can_sleep(cluster, backend)) continue;
    cluster.open(1);
    Transport& source = cluster.at(0);
    Block out(source, 8);
    Block in(cluster.at(1), 8);
    Sleeper sleeper{cluster.at(1), in.slice()};
    std::thread target([&] { sleeper.run(rounds); });
    std::array<Completion, 4> batch;
    Random random(0);
    const SteadyClock clock;
    bool started = true;
    for (std::uint64_t round = 1; round <= rounds && started; ++round) {
      while (sleeper.waiting < round) source.poll(batch);  // the target may still be connecting
      for (const std::uint64_t at_ns = clock.now_ns() + random.below(60'000); clock.now_ns() < at_ns;) {
      }
      started = source.start_send(Rank{1}, Tag{round}, out.slice(), 1).ok();
    }
    while (sleeper.waiting <= rounds) source.poll(batch);
    target.join();
    EXPECT_TRUE(started) << backend;
    EXPECT_FALSE(sleeper.overslept) << backend;
    EXPECT_GT(sleeper.slept, 0u) << backend;
  }
}

class WarmTransports : public ::testing::TestWithParam<Backend> {};

INSTANTIATE_TEST_SUITE_P(, WarmTransports, ::testing::ValuesIn(real_backends()),
                         [](const auto& instance) { return instance.param.name; });

using Count = std::size_t();

// A thousand messages of several protocols; what `count` says of all but the first hundred.
std::size_t counted_over_exchanges(const Backend& backend, Count* count, std::size_t bytes_max = 100'000) {
  Cluster cluster(backend, 2);
  cluster.open(1);
  Block out(cluster.at(0), 100'000);
  Block in(cluster.at(1), 100'000);
  std::array<Completion, 8> batch;
  std::size_t before = 0;
  for (std::uint64_t round = 0; round < 1'000; ++round) {
    std::size_t ended = 0;
    if (round == 100) before = count();
    const std::size_t bytes = std::min<std::size_t>(bytes_max, round % 3 == 0 ? 8 : round % 3 == 1 ? 4'000 : 100'000);
    const bool started = cluster.at(0).start_send(Rank{1}, Tag{round}, out.slice(0, bytes), 1).ok() &&
                         cluster.at(1).start_receive(Rank{0}, Tag{round}, in.slice(), 2).ok();
    for (int k = 0; k < 1'000'000 && ended < 2; ++k) ended += cluster.at(0).poll(batch) + cluster.at(1).poll(batch);
    GOSSAMER_CHECK(started && ended == 2, text("round ", round, ": ", ended, " of 2 starts ended"));
  }
  return count() - before;
}

// Goal: once warm, starts and polls allocate nothing. Method: operator new is counted over messages.
TEST_P(WarmTransports, ExchangesAllocateNothing) {
  EXPECT_EQ(counted_over_exchanges(GetParam(), gossamer::testing::allocation_count), 0u);
}

// Goal: nor do they take a lock: one thread at a time is the contract, so there is nothing to guard. Method: the same,
// with the locks that this program takes in this thread; first that they are counted.
TEST_P(WarmTransports, ExchangesTakeNoLock) {
  if (!gossamer::testing::counts_locks()) GTEST_SKIP() << "a sanitizer stands where locks are counted";
  const std::size_t before = gossamer::testing::own_lock_count();
  std::mutex mutex;
  { const std::lock_guard lock(mutex); }
  ASSERT_EQ(gossamer::testing::own_lock_count(), before + 1);
  EXPECT_EQ(counted_over_exchanges(GetParam(), gossamer::testing::own_lock_count), 0u);
}

// libfabric is not held to the next one: with FI_THREAD_DOMAIN its providers leave out some locks, and take others,
// uncontended, whenever they progress. Nor is the driver of soft-RoCE, which takes one at each look at its queue.
std::vector<Backend> backends_without_inner_locks() {
  std::vector<Backend> backends = real_backends();
  std::erase_if(backends, [](const Backend& each) { return each.transport != "ucx" || each.name == "ucx_rc_verbs"; });
  return backends;
}

class WarmUcx : public ::testing::TestWithParam<Backend> {};
INSTANTIATE_TEST_SUITE_P(, WarmUcx, ::testing::ValuesIn(backends_without_inner_locks()),
                         [](const auto& instance) { return instance.param.name; });

// Goal: a message without a rendezvous costs no lock in UCX either, as UCS_THREAD_MODE_SERIALIZED promises. Method: the
// locks of libraries, over 900 short messages: far fewer than messages, as UCX looks after its connections from time to
// time; first that they are counted.
TEST_P(WarmUcx, ShortExchangesTakeNoLockInside) {
  if (!gossamer::testing::counts_locks()) GTEST_SKIP() << "a sanitizer stands where locks are counted";
  const std::size_t before = gossamer::testing::library_lock_count();
  { const Cluster cluster(GetParam(), 1); }
  ASSERT_GT(gossamer::testing::library_lock_count(), before);
  const std::size_t exchanges = counted_over_exchanges(GetParam(), gossamer::testing::library_lock_count, 4'000);
  RecordProperty("locks_in_900_exchanges", text(exchanges));
  EXPECT_LT(exchanges, 90u);
}

}  // namespace
}  // namespace gossamer::transport
