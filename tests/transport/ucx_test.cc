// What only the ucx transport does: lanes, and a close that runs out of time.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cluster.h"
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
