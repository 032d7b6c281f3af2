// What transports over real libraries do alike: sleeping, no allocation once warm.
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <vector>

#include "cluster.h"
#include "tests/support/allocations.h"

namespace gossamer::transport {
namespace {

std::vector<Backend> real_backends() {
  std::vector<Backend> backends = all_backends();
  std::erase_if(backends, [](const Backend& each) { return each.is_sim(); });
  return backends;
}

// Goal: no message is slept through. Method: rank 1 arms and, when told that it may, polls the
// descriptor; a message sent after that must wake it. Two hundred times, on each backend.
TEST(RealTransports, AnArmedTransportWakesForAMessage) {
  for (const Backend& backend : all_backends()) {
    if (backend.is_sim()) continue;
    Cluster cluster(backend, 2);
    if (!cluster.at(1).capabilities().can_sleep) continue;  // libfabric's shm has no descriptor
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

// Goal: no put is slept through, also one that is a store to shared memory and wakes nobody by itself. Method: as above
// with a wait for a notice; into memory of the caller and of the transport.
TEST(RealTransports, AnArmedTransportWakesForAPut) {
  for (const Backend& backend : real_backends()) {
    for (const bool own : {false, true}) {
      Cluster cluster(backend, 2);
      if (!cluster.at(1).capabilities().can_sleep) continue;
      cluster.open(1);
      Block out(cluster.at(0), 8);
      Block in(cluster.at(1), 8);
      const auto allocated = cluster.at(1).allocate_memory(8);
      ASSERT_TRUE(allocated.ok());
      const auto key = cluster.at(1).export_region(own ? *allocated : in.slice().region);
      ASSERT_TRUE(key.ok()) << key.error().message;
      const auto remote = cluster.at(0).import_region(Rank{1}, *key);
      ASSERT_TRUE(remote.ok()) << remote.error().message;
      int slept = 0;
      for (std::uint64_t i = 0; i < 100; ++i) {
        ASSERT_TRUE(cluster.at(1).start_await_notice(Rank{0}, Notice{4}, i).ok());
        bool armed = false;
        ASSERT_TRUE(cluster.wait([&] { return armed = cluster.at(1).arm(); }));
        ASSERT_TRUE(cluster.at(0).start_put(*remote, 0, out.slice(), Notice{4}, i).ok());
        pollfd event{cluster.at(1).event_descriptor(), POLLIN, 0};
        std::vector<Completion> batch(4);
        const SteadyClock clock;
        const std::uint64_t end_ns = clock.now_ns() + 5'000'000'000;
        int woken = 0;
        while (woken == 0 && clock.now_ns() < end_ns) {
          cluster.at(0).poll(batch);
          woken = ::poll(&event, 1, 1);
        }
        ASSERT_EQ(woken, 1) << backend << ", own: " << own;
        slept += armed ? 1 : 0;
        ASSERT_EQ(cluster.await(1, i).code, Code::done);
      }
      EXPECT_GT(slept, 0);
      cluster.at(1).release_memory(*allocated);
    }
  }
}

class WarmTransports : public ::testing::TestWithParam<Backend> {};

INSTANTIATE_TEST_SUITE_P(, WarmTransports, ::testing::ValuesIn(real_backends()),
                         [](const auto& instance) { return instance.param.name; });

// Goal: once warm, starts and polls allocate nothing. Method: count operator new over exchanges of
// several protocols.
TEST_P(WarmTransports, ExchangesAllocateNothing) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), 100'000);
  Block in(cluster.at(1), 100'000);
  std::array<Completion, 8> batch;
  std::size_t before = 0;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    if (i == 100) before = gossamer::testing::allocation_count();
    const std::size_t bytes = i % 3 == 0 ? 8 : i % 3 == 1 ? 4'000 : 100'000;
    const bool sent = cluster.at(0).start_send(Rank{1}, Tag{i}, out.slice(0, bytes), 1).ok();
    const bool received = cluster.at(1).start_receive(Rank{0}, Tag{i}, in.slice(), 2).ok();
    std::size_t ended = 0;
    for (int k = 0; k < 1'000'000 && ended < 2; ++k) ended += cluster.at(0).poll(batch) + cluster.at(1).poll(batch);
    ASSERT_TRUE(sent && received && ended == 2);
  }
  EXPECT_EQ(gossamer::testing::allocation_count() - before, 0u);
}

// Goal: the same for puts and waits. Method: as above, puts of several lengths into memory of both kinds.
TEST_P(WarmTransports, PutsAllocateNothing) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), 100'000);
  Block in(cluster.at(1), 100'000);
  const auto allocated = cluster.at(1).allocate_memory(100'000);
  ASSERT_TRUE(allocated.ok());
  std::array<RemoteRegion, 2> remotes;
  for (const bool own : {false, true}) {
    const auto key = cluster.at(1).export_region(own ? *allocated : in.slice().region);
    ASSERT_TRUE(key.ok());
    const auto remote = cluster.at(0).import_region(Rank{1}, *key);
    ASSERT_TRUE(remote.ok());
    remotes[own ? 1 : 0] = *remote;
  }
  std::array<Completion, 8> batch;
  std::size_t before = 0;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    if (i == 100) before = gossamer::testing::allocation_count();
    const std::size_t bytes = i % 3 == 0 ? 8 : i % 3 == 1 ? 4'000 : 100'000;
    const bool put = cluster.at(0).start_put(remotes[i % 2], 0, out.slice(0, bytes), Notice{1}, 1).ok();
    const bool waits = cluster.at(1).start_await_notice(Rank{0}, Notice{1}, 2).ok();
    std::size_t ended = 0;
    for (int k = 0; k < 1'000'000 && ended < 2; ++k) ended += cluster.at(0).poll(batch) + cluster.at(1).poll(batch);
    ASSERT_TRUE(put && waits && ended == 2);
  }
  EXPECT_EQ(gossamer::testing::allocation_count() - before, 0u);
  cluster.at(1).release_memory(*allocated);
}

}  // namespace
}  // namespace gossamer::transport
