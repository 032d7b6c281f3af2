// What only the ucx transport does: lanes, and a close that runs out of time.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "cluster.h"
#include "survivor.h"
#include "ucx_lanes.h"

namespace gossamer::transport {
namespace {

// Counts the lines with some words, by level, while it lives.
class LinesWith {
 public:
  explicit LinesWith(std::string words) {
    set_log_sink(LogLevel::debug, [this, words](LogLevel level, std::string_view line) {
      if (line.find(words) == std::string_view::npos) return;
      const std::lock_guard lock(mutex_);
      ++counts_[static_cast<std::size_t>(level)];
    });
  }
  ~LinesWith() { set_log_sink(LogLevel::error, {}); }
  std::size_t at(LogLevel level) {
    const std::lock_guard lock(mutex_);
    return counts_[static_cast<std::size_t>(level)];
  }

 private:
  std::mutex mutex_;
  std::array<std::size_t, 4> counts_{};
};

class EndedConnection : public ::testing::Test, protected Survivor {};

// Goal: a connection that ends with nothing under way is no news, as when a peer has left in good order; one that
// breaks what is under way is. Method: a peer in another process exchanges a message and is gone; UCX, which looks
// after idle connections at an interval that is short here, tells it with nothing pending, and with a receive.
TEST_F(EndedConnection, IsNewsOnlyWhereSomethingIsUnderWay) {
  ASSERT_EQ(::setenv("UCX_KEEPALIVE_INTERVAL", "20ms", 1), 0);
  for (const bool pending : {false, true}) {
    LinesWith broken("the connection to rank 1 broke");
    ASSERT_NO_FATAL_FAILURE(begin({"ucx", "posix,self"}, "idle"));
    ASSERT_NO_FATAL_FAILURE(exchange());
    if (pending) {
      ASSERT_TRUE(transport_->start_receive(Rank{1}, Tag{3}, slice(8), 3).ok());
    }
    peer_->kill();
    EXPECT_TRUE(poll_until([&] { return broken.at(LogLevel::debug) + broken.at(LogLevel::info) > 0; }, 10 * second_ns));
    EXPECT_EQ(broken.at(LogLevel::debug), pending ? 0u : 1u);
    EXPECT_EQ(broken.at(LogLevel::info), pending ? 1u : 0u);
    transport_->fail_peer(Rank{1});
    transport_.reset();
  }
  ::unsetenv("UCX_KEEPALIVE_INTERVAL");
}

// Goal: nobody is warned of a variable that Gossamer has set itself. Method: transports without TCP; UCX says once in a
// process what it did not read.
TEST(UcxTransport, OwnVariablesAreNotWarnedOf) {
  LinesWith unused("unused env variable");
  Cluster cluster({"posix", "ucx", "posix,self"}, 1);
  EXPECT_EQ(unused.at(LogLevel::warning), 0u);
}

// How many of this process's sockets have a send buffer of so many bytes, of which Linux takes twice as many.
int sockets_with_send_buffer(int bytes) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int buffer = 0;
    socklen_t length = sizeof buffer;
    if (::getsockopt(std::stoi(entry.path().filename()), SOL_SOCKET, SO_SNDBUF, &buffer, &length) == 0)
      found += buffer == 2 * bytes ? 1 : 0;
  }
  return found;
}

// Goal: connections over TCP have the send buffers that were asked for, unless the user has set UCX's own. Method: two
// transports that reach each other over TCP alone; their sockets, as the kernel has them.
TEST(UcxTransport, TcpHasTheSendBufferThatWasAskedFor) {
  constexpr int asked = 96 << 10;
  constexpr int users = 80 << 10;
  ASSERT_EQ(::setenv("UCX_TLS", "tcp", 1), 0);
  for (const bool set_by_user : {false, true}) {
    if (set_by_user) {
      ASSERT_EQ(::setenv("UCX_TCP_SNDBUF", std::to_string(users).c_str(), 1), 0);
    }
    std::array<std::unique_ptr<Transport>, 2> both;
    for (auto& each : both) {
      auto made = make_ucx_transport({.job = "send buffer", .local_host = "127.0.0.1", .tcp_send_buffer_bytes = asked});
      ASSERT_TRUE(made.ok()) << made.error().message;
      each = std::move(*made);
    }
    for (std::uint32_t rank = 0; rank < 2; ++rank)
      ASSERT_TRUE(both[rank]->open_view({Epoch{1}, Rank{rank}, {both[0]->address(), both[1]->address()}}).ok());
    std::array<std::byte, 8> bytes{};
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
      auto region = both[rank]->register_memory(bytes.data(), bytes.size(), MemoryKind::host);
      ASSERT_TRUE(region.ok());
      ASSERT_TRUE(both[rank]->start_send(Rank{1 - rank}, Tag{1}, {*region, 0, bytes.size()}, 1).ok());
    }
    const std::uint64_t end_ns = SteadyClock().now_ns() + allowance(5'000'000'000);
    std::array<Completion, 4> completions;
    while (sockets_with_send_buffer(set_by_user ? users : asked) < 2 && SteadyClock().now_ns() < end_ns)
      for (auto& each : both) (void)each->poll(completions);
    EXPECT_GE(sockets_with_send_buffer(set_by_user ? users : asked), 2);
    EXPECT_EQ(sockets_with_send_buffer(set_by_user ? asked : users), 0);
  }
  ::unsetenv("UCX_TCP_SNDBUF");
  ::unsetenv("UCX_TLS");
}

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
  const std::string description = ucx::lanes_of(cluster.at(0), Rank{1});
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
