// What only the ucx transport does: lanes, sleeping, no allocation once warm.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <set>

#include "cluster.h"
#include "tests/support/allocations.h"
#include "transport/ucx/ucx_transport.h"

namespace gossamer::transport {
namespace {

// Goal: handling of peer errors does not cost shared memory: two endpoints on one host get a lane
// over it. Method: UCX's own description of the connection, with UCX free to choose all it finds.
TEST(UcxTransport, OneHostTalksOverSharedMemory) {
  Cluster cluster({"all", "ucx", "all"}, 2);
  const auto& ways = cluster.at(0).capabilities().ways;
  if (std::find(ways.begin(), ways.end(), "posix") == ways.end() &&
      std::find(ways.begin(), ways.end(), "sysv") == ways.end()) {
    GTEST_SKIP() << "this UCX has no shared-memory transport";
  }
  cluster.open(1);
  Block block(cluster.at(0), 8);
  Block in(cluster.at(1), 8);
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, block.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 2).ok());
  ASSERT_EQ(cluster.await(1, 2).code, Code::done);
  auto& transport = dynamic_cast<ucx::UcxTransport&>(cluster.at(0));
  const std::string description = transport.describe_peer(Rank{1});
  EXPECT_TRUE(description.find("posix/") != std::string::npos || description.find("sysv/") != std::string::npos)
      << description;
}

// Goal: the list of ways is what UCX was allowed. Method: two restricted transports.
TEST(UcxTransport, WaysAreThoseAllowed) {
  Cluster tcp({"tcp", "ucx", "tcp"}, 1);
  EXPECT_EQ(tcp.at(0).capabilities().ways, std::vector<std::string>{"tcp"});
  Cluster shared({"posix", "ucx", "posix,self"}, 1);
  const auto& ways = shared.at(0).capabilities().ways;
  EXPECT_EQ(std::set<std::string>(ways.begin(), ways.end()), (std::set<std::string>{"posix", "self"}));
  EXPECT_NE(shared.at(0).capabilities().version.find('.'), std::string::npos);
}

// Goal: no message is slept through. Method: rank 1 arms and, when told that it may, polls the
// descriptor; a message sent after that must wake it. Two hundred times, on each backend.
TEST(UcxTransport, AnArmedTransportWakesForAMessage) {
  for (const Backend& backend : all_backends()) {
    if (backend.transport != "ucx") continue;
    Cluster cluster(backend, 2);
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

// Goal: once warm, starts and polls allocate nothing. Method: count operator new over exchanges of
// several protocols.
TEST(UcxTransport, WarmExchangesAllocateNothing) {
  Cluster cluster({"posix", "ucx", "posix,self"}, 2);
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

// Goal: a close that gets no time says so, and the transport can then only be destroyed, which
// neither hangs nor crashes. Method: a rendezvous without a receiver, a deadline of zero.
TEST(UcxTransport, ACloseWithoutTimeIsADeadline) {
  Cluster cluster({"posix", "ucx", "posix,self"}, 2);
  cluster.open(1);
  Block out(cluster.at(0), 1'000'000);
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
  const Status closed = cluster.at(0).close_view(0);
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().code, Code::deadline);
  EXPECT_EQ(cluster.at(0).close_view(1).error().code, Code::deadline);
  EXPECT_EQ(cluster.at(0).open_view({Epoch{2}, Rank{0}, {cluster.at(0).address()}}).error().code, Code::unavailable);
  std::array<Completion, 1> batch;
  EXPECT_EQ(cluster.at(0).poll(batch), 0u);
  cluster.at(0).fail_peer(Rank{1});
  EXPECT_FALSE(cluster.at(0).arm());
}

}  // namespace
}  // namespace gossamer::transport
