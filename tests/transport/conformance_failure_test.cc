// What every transport must do when something goes wrong, short of a process's death.
#include <gtest/gtest.h>

#include <algorithm>

#include "cluster.h"
#include "skips.h"

namespace gossamer::transport {
namespace {

class ConformanceFailure : public OverBackends {};

INSTANTIATE_TEST_SUITE_P(, ConformanceFailure, ::testing::ValuesIn(all_backends()), backend_name);

// Goal: a message longer than its slice is an error of that receive alone, and no byte lands outside.
// Method: both protocols, the receive before and after the message; then a good exchange.
TEST_P(ConformanceFailure, AMessageLongerThanItsSliceIsMalformed) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(1), mebibyte);
  out.fill(1);
  std::uint64_t tag = 0;
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{8'000}, mebibyte}) {
    for (const bool receive_first : {true, false}) {
      in.clear();
      ++tag;
      const auto receive = [&] {
        return cluster.at(1).start_receive(Rank{0}, Tag{tag}, in.slice(0, bytes / 2), 1).ok();
      };
      if (receive_first) {
        ASSERT_TRUE(receive());
      }
      ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{tag}, out.slice(0, bytes), 2).ok());
      if (!receive_first) {
        // A later message from the same rank is here, so this one is.
        ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1000 + tag}, in.slice(mebibyte - 8, 8), 3).ok());
        ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1000 + tag}, out.slice(0, 8), 3).ok());
        ASSERT_EQ(cluster.await(1, 3).code, Code::done);
        ASSERT_EQ(cluster.await(0, 3).code, Code::done);
        ASSERT_TRUE(receive());
      }
      EXPECT_EQ(cluster.await(1, 1).code, Code::malformed) << bytes << " B, receive first: " << receive_first;
      EXPECT_NE(cluster.await(0, 2).code, Code::pending) << bytes << " B, receive first: " << receive_first;
      const std::byte* const all = in.slice().data();
      EXPECT_TRUE(std::all_of(all + bytes / 2, all + mebibyte - 8, [](std::byte b) { return b == std::byte{0}; }));
    }
  }
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{9999}, in.slice(), 4).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{9999}, out.slice(), 4).ok());
  EXPECT_EQ(cluster.await(1, 4).code, Code::done);
}

// Goal: a receive that nothing has matched can be given up; its memory is then left alone. Method:
// cancel one of two receives, send to both; cancel again with the same, now useless, token.
TEST_P(ConformanceFailure, ACancelledReceiveCompletesAndItsMemoryStays) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), 100);
  Block first(cluster.at(1), 100);
  Block second(cluster.at(1), 100);
  out.fill(2);
  const auto token = cluster.at(1).start_receive(Rank{0}, Tag{1}, first.slice(), 1);
  ASSERT_TRUE(token.ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{2}, second.slice(), 2).ok());
  cluster.at(1).cancel(*token);
  EXPECT_EQ(cluster.await(1, 1).code, Code::cancelled);
  cluster.at(1).cancel(*token);
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{2}, out.slice(), 2).ok());
  EXPECT_EQ(cluster.await(1, 2).code, Code::done);
  EXPECT_TRUE(second.holds(2, 100));
  EXPECT_TRUE(first.holds(0, 0));
  EXPECT_EQ(cluster.left_over(1), 0u);
}

// Goal: a receive whose message has come already cannot be taken back: it ends as done, with its bytes. Method: cancel
// after the message is known to be here, for short and long ones.
TEST_P(ConformanceFailure, ACancelAfterTheMatchEndsWithItsBytes) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(1), mebibyte);
  Block other(cluster.at(1), 8);
  out.fill(3);
  for (const std::size_t bytes : {std::size_t{8}, std::size_t{8'000}, mebibyte}) {
    in.clear();
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{bytes}, out.slice(0, bytes), 1).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(0, 8), 2).ok());
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, other.slice(), 2).ok());
    ASSERT_EQ(cluster.await(1, 2).code, Code::done);
    const auto token = cluster.at(1).start_receive(Rank{0}, Tag{bytes}, in.slice(), 1);
    ASSERT_TRUE(token.ok());
    for (int i = 0; i < 50; ++i) cluster.step();  // sim: the first may have been overtaken by the second
    cluster.at(1).cancel(*token);
    EXPECT_EQ(cluster.await(1, 1).code, Code::done) << bytes << " B";
    EXPECT_TRUE(in.holds(3, bytes));
    EXPECT_EQ(cluster.await(0, 1).code, Code::done);
    EXPECT_EQ(cluster.await(0, 2).code, Code::done);
  }
}

// Goal: a cancelled send completes too, one way or the other. Method: cancel a rendezvous before its
// receive is posted, then post it.
TEST_P(ConformanceFailure, ACancelledSendStillCompletes) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(1), mebibyte);
  const auto token = cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1);
  ASSERT_TRUE(token.ok());
  cluster.at(0).cancel(*token);
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 2).ok());
  const Code code = cluster.await(0, 1).code;
  EXPECT_TRUE(code == Code::cancelled || code == Code::done) << code_name(code);
  cluster.close();  // the receive may be pending
}

// Goal: wrong calls are told at once, in words. Method: each mistake once.
TEST_P(ConformanceFailure, MistakesOfTheCallerAreNamed) {
  Cluster cluster(GetParam(), 2);
  Transport& transport = cluster.at(0);
  Block block(transport, 100);
  EXPECT_EQ(transport.start_send(Rank{1}, Tag{1}, block.slice(), 1).error().code, Code::invalid_argument);
  cluster.open(1);
  EXPECT_EQ(transport.open_view({Epoch{2}, Rank{0}, {transport.address()}}).error().code, Code::busy);
  const auto outside = transport.start_send(Rank{2}, Tag{1}, block.slice(), 1);
  ASSERT_FALSE(outside.ok());
  EXPECT_EQ(outside.error().code, Code::invalid_argument);
  EXPECT_NE(outside.error().message.find("has 2 ranks"), std::string::npos) << outside.error().message;
  EXPECT_EQ(transport.start_receive(Rank{1}, Tag{1}, block.slice(50, 51), 1).error().code, Code::invalid_argument);
  Slice foreign = block.slice();
  foreign.region.id = 77;
  EXPECT_EQ(transport.start_send(Rank{1}, Tag{1}, foreign, 1).error().code, Code::invalid_argument);
  EXPECT_EQ(transport.register_memory(nullptr, 8, MemoryKind::host).error().code, Code::invalid_argument);
  cluster.close();
  EXPECT_EQ(transport.open_view({Epoch{2}, Rank{1}, {transport.address()}}).error().code, Code::invalid_argument);
  EXPECT_EQ(transport.open_view({Epoch{2}, Rank{0}, {Address{}}}).error().code, Code::invalid_argument);
  EXPECT_EQ(transport.open_view({Epoch{2}, Rank{0}, {Address(40)}}).error().code, Code::invalid_argument);
  cluster.open(3);
}

// Goal: an address that was cut or changed on its way is refused with its rank, before a library reads it. Method: a
// peer's address at every shorter length, one byte longer, and with each byte changed; then as it is.
TEST_P(ConformanceFailure, ADamagedAddressIsRefused) {
  Cluster cluster(GetParam(), 2);
  const Address good = cluster.at(1).address();
  const auto open = [&](const Address& address) {
    return cluster.at(0).open_view({Epoch{1}, Rank{0}, {cluster.at(0).address(), address}});
  };
  const auto expect_refused = [&](const Address& address, const std::string& what) {
    const Status opened = open(address);
    ASSERT_FALSE(opened.ok()) << what;
    EXPECT_EQ(opened.error().code, Code::invalid_argument) << what;
    EXPECT_NE(opened.error().message.find("rank 1"), std::string::npos) << what << ": " << opened.error().message;
  };
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    expect_refused(Address(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(bytes)), text(bytes, " B"));
  }
  Address longer = good;
  longer.push_back(std::byte{0});
  expect_refused(longer, "longer");
  for (std::size_t i = 0; i < good.size(); ++i) {
    Address changed = good;
    changed[i] ^= std::byte{0x10};
    expect_refused(changed, text("byte ", i));
  }
  EXPECT_TRUE(open(good).ok());
}

// Goal: memory that a transport cannot move is refused when it is registered. Method: CUDA memory,
// where the transport does not list it.
TEST_P(ConformanceFailure, MemoryOfAnotherKindIsRefused) {
  Cluster cluster(GetParam(), 1);
  const auto& kinds = cluster.at(0).capabilities().memory_kinds;
  if (std::find(kinds.begin(), kinds.end(), MemoryKind::cuda) != kinds.end()) {
    GTEST_SKIP() << "this UCX moves CUDA memory";
  }
  std::byte memory[8];
  const auto region = cluster.at(0).register_memory(memory, sizeof memory, MemoryKind::cuda);
  ASSERT_FALSE(region.ok());
  EXPECT_EQ(region.error().code, Code::unavailable);
  EXPECT_NE(region.error().message.find("cuda"), std::string::npos) << region.error().message;
}

// Goal: after fail_peer each start that was pending with that peer ends as peer_lost within a second,
// each later one fails at once, and other peers are not disturbed. Method: three ranks, receives and
// rendezvous sends pending, one rank given up while it is silent.
TEST_P(ConformanceFailure, FailPeerEndsItsStartsAndNoOthers) {
  Cluster cluster(GetParam(), 3);
  cluster.open(1);
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(0), mebibyte);
  Block other(cluster.at(2), mebibyte);
  out.fill(3);
  ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{1}, in.slice(0, 100), 1).ok());
  ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{2}, in.slice(), 2).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{3}, out.slice(), 3).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{2}, Tag{4}, out.slice(), 4).ok());
  const SteadyClock clock;
  const std::uint64_t start_ns = clock.now_ns();
  cluster.at(0).fail_peer(Rank{1});
  for (const std::uint64_t context : {1u, 2u, 3u}) EXPECT_EQ(cluster.await(0, context).code, Code::peer_lost);
  EXPECT_LT(clock.now_ns() - start_ns, allowance(second_ns));
  EXPECT_EQ(cluster.at(0).start_send(Rank{1}, Tag{5}, out.slice(), 5).error().code, Code::peer_lost);
  EXPECT_EQ(cluster.at(0).start_receive(Rank{1}, Tag{6}, in.slice(), 6).error().code, Code::peer_lost);
  cluster.at(0).fail_peer(Rank{1});  // twice is as once
  ASSERT_TRUE(cluster.at(2).start_receive(Rank{0}, Tag{4}, other.slice(), 7).ok());
  EXPECT_EQ(cluster.await(2, 7).code, Code::done);
  EXPECT_EQ(cluster.await(0, 4).code, Code::done);
  EXPECT_TRUE(other.holds(3, mebibyte));
  EXPECT_EQ(cluster.left_over(0), 0u);
}

// Goal: the same while a rendezvous is under way in both directions. Method: large messages matched
// on both sides, a few steps, then one side gives the other up; over an adapter at a third of the moments, since each
// is two closings at their deadline there.
TEST_P(ConformanceFailure, FailPeerEndsMatchedRendezvous) {
  const SteadyClock clock;
  constexpr std::size_t huge = 4 * mebibyte;
  const int stride = rdma_backends().empty() ? 1 : 3;
  for (int steps = 0; steps < 12; steps += stride) {
    Cluster cluster(GetParam(), 2);
    cluster.open(1);
    Block out(cluster.at(0), huge);
    Block in(cluster.at(0), huge);
    Block peer_out(cluster.at(1), huge);
    Block peer_in(cluster.at(1), huge);
    ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{1}, in.slice(), 1).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{2}, out.slice(), 2).ok());
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{2}, peer_in.slice(), 3).ok());
    ASSERT_TRUE(cluster.at(1).start_send(Rank{0}, Tag{1}, peer_out.slice(), 4).ok());
    for (int i = 0; i < 3 * steps; ++i) cluster.step();
    const bool received = cluster.has(0, 1);
    const bool sent = cluster.has(0, 2);
    cluster.at(0).fail_peer(Rank{1});
    EXPECT_EQ(cluster.await(0, 1).code, received ? Code::done : Code::peer_lost) << steps;
    EXPECT_EQ(cluster.await(0, 2).code, sent ? Code::done : Code::peer_lost) << steps;
    // The other side may be stuck behind a full queue that nobody polls: bounded, not always ok.
    for (const std::size_t rank : {0u, 1u}) {
      const std::uint64_t start_ns = clock.now_ns();
      const Status closed = cluster.at(rank).close_view(second_ns / 2);
      EXPECT_TRUE(closed.ok() || closed.error().code == Code::deadline);
      EXPECT_LT(clock.now_ns() - start_ns, allowance(second_ns));
    }
  }
}

// Goal: closing a view ends all that is pending, drops the completions and is bounded. Method: every
// kind of start pending on both sides; the memory is then used by the next view.
TEST_P(ConformanceFailure, CloseViewDropsWhatIsPending) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(0), mebibyte);
  Block peer(cluster.at(1), mebibyte);
  ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{1}, in.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{2}, out.slice(), 2).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{3}, out.slice(0, 8), 3).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{4}, peer.slice(), 4).ok());
  const SteadyClock clock;
  const std::uint64_t start_ns = clock.now_ns();
  cluster.close();
  EXPECT_LT(clock.now_ns() - start_ns, allowance(2 * second_ns));
  cluster.open(2);
  for (int i = 0; i < 100; ++i) cluster.step();
  EXPECT_EQ(cluster.left_over(0) + cluster.left_over(1), 0u);
  out.fill(4);
  // Another tag, as every view has its own: what left late may still wait there under the old one.
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1'002}, out.slice(), 5).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1'002}, peer.slice(), 6).ok());
  EXPECT_EQ(cluster.await(1, 6).code, Code::done);
  EXPECT_TRUE(peer.holds(4, mebibyte));
}

// Goal: a message of an old view never lands in a receive of a new one. Method: messages of every
// protocol wait unmatched when the view closes, either rank first; the next view uses their tags.
TEST_P(ConformanceFailure, MessagesOfAnOldViewNeverLand) {
  for (const std::size_t first_to_close : {0u, 1u}) {
    Cluster cluster(GetParam(), 2);
    cluster.open(1);
    Block out(cluster.at(0), mebibyte);
    Block in(cluster.at(1), mebibyte);
    const std::vector<std::size_t> sizes = {0, 8, 8'000, mebibyte};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      out.fill(100);
      ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{i}, out.slice(0, sizes[i]), i).ok());
    }
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{50}, in.slice(), 50).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{50}, out.slice(0, 8), 50).ok());
    ASSERT_EQ(cluster.await(1, 50).code, Code::done);  // so the others wait there
    ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{51}, out.slice(0, 8), 51).ok());
    ASSERT_TRUE(cluster.at(1).start_send(Rank{0}, Tag{51}, in.slice(0, 8), 51).ok());
    ASSERT_EQ(cluster.await(0, 51).code, Code::done);  // and both are connected
    ASSERT_TRUE(cluster.at(first_to_close).close_view(2 * second_ns).ok());
    cluster.close();
    cluster.open(2);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      in.clear();
      out.fill(200 + i);
      ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{i}, in.slice(), i).ok());
      for (int k = 0; k < 100; ++k) cluster.step();
      EXPECT_FALSE(cluster.has(1, i)) << "an old message landed, " << sizes[i] << " B";
      ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{i}, out.slice(0, sizes[i] / 2), i).ok());
      const Completion received = cluster.await(1, i);
      EXPECT_EQ(received.code, Code::done);
      EXPECT_EQ(received.bytes, sizes[i] / 2);
      EXPECT_TRUE(in.holds(200 + i, sizes[i] / 2));
      EXPECT_EQ(cluster.await(0, i).code, Code::done);
    }
  }
}

// Goal: the destructor is bounded with a view open and everything pending. Method: destroy at once.
TEST_P(ConformanceFailure, DestructionWithAnOpenViewIsBounded) {
  const SteadyClock clock;
  std::uint64_t start_ns = 0;
  std::vector<std::byte> memory(mebibyte);  // outlives the transports
  {
    Cluster cluster(GetParam(), 2);
    cluster.open(1);
    const auto region = cluster.at(0).register_memory(memory.data(), mebibyte, MemoryKind::host);
    ASSERT_TRUE(region.ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, {*region, 0, mebibyte}, 1).ok());
    ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{2}, {*region, 0, mebibyte}, 2).ok());
    for (int i = 0; i < 5; ++i) cluster.step();
    start_ns = clock.now_ns();
  }
  EXPECT_LT(clock.now_ns() - start_ns, allowance(3 * second_ns));
}

}  // namespace
}  // namespace gossamer::transport
