// What every transport must do while all its peers live.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <utility>

#include "cluster.h"
#include "skips.h"

namespace gossamer::transport {
namespace {

class Conformance : public OverBackends {};

INSTANTIATE_TEST_SUITE_P(, Conformance, ::testing::ValuesIn(all_backends()), backend_name);

// Sizes on both sides of where UCX 1.13 changes its protocol (ucp_ep_print_info): 93 and 8,256 B for
// shared memory, 8,185 and 20,553 B for tcp, 262,144 B for sends of no hurry.
std::vector<std::size_t> edge_sizes() {
  std::vector<std::size_t> sizes = {0, 1, 7, 8, 9, 65'536, mebibyte + 1, 8 * mebibyte};
  for (const std::size_t edge : {93u, 8'185u, 8'192u, 8'256u, 20'553u, 262'144u}) {
    for (const std::size_t size : {edge - 1, edge + 0, edge + 1}) sizes.push_back(size);
  }
  return sizes;
}

// Goal: what is sent is what is received, for every protocol, posted before the message. Method:
// seeded contents over sizes at the protocol edges, into a block that is one byte larger.
TEST_P(Conformance, MessagesOfEverySizeArriveWhole) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), 8 * mebibyte);
  Block in(cluster.at(1), 8 * mebibyte + 1);
  out.fill(5);
  for (const std::size_t bytes : edge_sizes()) {
    in.clear();
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{bytes}, in.slice(), 1).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{bytes}, out.slice(0, bytes), 2).ok());
    const Completion received = cluster.await(1, 1);
    EXPECT_EQ(received.code, Code::done) << bytes << " B";
    EXPECT_EQ(received.bytes, bytes);
    EXPECT_TRUE(in.holds(5, bytes)) << bytes << " B";
    const Completion sent = cluster.await(0, 2);
    EXPECT_EQ(sent.code, Code::done) << bytes << " B";
    EXPECT_EQ(sent.bytes, bytes);
  }
}

// Goal: the same wherever a library may have an edge, libfabric's providers as well: ofi_rxm's are at its buffers,
// shm's at the powers of two. Method: some 1,000 sizes, the receive before and after the send in turns.
TEST_P(Conformance, EverySizeAroundAnEdgeArrivesWhole) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), 70'000);
  Block in(cluster.at(1), 70'000);
  out.fill(13);
  for (const std::size_t bytes : sizes_around_edges()) {
    std::memset(in.slice().data(), 0, bytes + 1);
    const auto receive = [&] { return cluster.at(1).start_receive(Rank{0}, Tag{bytes}, in.slice(), 1).ok(); };
    ASSERT_TRUE(bytes % 2 == 0 || receive());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{bytes}, out.slice(0, bytes), 2).ok());
    ASSERT_TRUE(bytes % 2 != 0 || receive());
    const Completion received = cluster.await(1, 1);
    ASSERT_EQ(received.code, Code::done) << bytes << " B";
    ASSERT_EQ(received.bytes, bytes);
    ASSERT_EQ(std::memcmp(in.slice().data(), out.slice().data(), bytes), 0) << bytes << " B";
    ASSERT_EQ(in.slice().data()[bytes], std::byte{0}) << bytes << " B";
    ASSERT_EQ(cluster.await(0, 2).code, Code::done);
  }
}

// Goal: the largest messages arrive whole. Method: one of 256 MiB, compared as a whole; about a second.
TEST_P(Conformance, AMessageOf256MebibytesArrivesWhole) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), 256 * mebibyte);
  Block in(cluster.at(1), 256 * mebibyte);
  out.fill(6);
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 2).ok());
  EXPECT_EQ(cluster.await(1, 1).code, Code::done);
  EXPECT_EQ(cluster.await(0, 2).code, Code::done);
  EXPECT_EQ(std::memcmp(in.slice().data(), out.slice().data(), 256 * mebibyte), 0);
}

// Goal: a tag may be used again for the same peer as soon as its message has completed on both sides; nothing is
// promised about two that are in flight together (sim lets them overtake). Method: 300 messages with one tag, of
// changing length and protocol, each started when the former has ended.
TEST_P(Conformance, ATagIsUsedAgainAfterItsCompletions) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(1), mebibyte);
  out.fill(11);
  Random random(4);
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::size_t bytes = random.below(i % 10 == 0 ? mebibyte : 20'000) + 1;
    const std::size_t offset = random.below(mebibyte - bytes + 1);
    const bool receive_first = random.below(2) == 0;
    const auto receive = [&] { return cluster.at(1).start_receive(Rank{0}, Tag{5}, in.slice(), 1).ok(); };
    ASSERT_TRUE(!receive_first || receive());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{5}, out.slice(offset, bytes), 2).ok());
    if (i % 3 == 0) cluster.step();
    ASSERT_TRUE(receive_first || receive());
    const Completion received = cluster.await(1, 1);
    ASSERT_EQ(received.code, Code::done);
    ASSERT_EQ(received.bytes, bytes);
    ASSERT_EQ(std::memcmp(in.slice().data(), out.slice().data() + offset, bytes), 0) << "message " << i;
    ASSERT_EQ(cluster.await(0, 2).code, Code::done);
  }
}

// Goal: far more messages may be in flight than any queue of a library holds. Method: 5,000 of 8 B and 5,000 of
// 2,000 B are sent before the first receive is posted, which then come in the opposite order.
TEST_P(Conformance, TenThousandMessagesWaitForTheirReceives) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  constexpr std::size_t count = 10'000;
  Block out(cluster.at(0), count * 8 + 2'000);
  Block in(cluster.at(1), count * 8 + 2'000);
  out.fill(12);
  const auto size_of = [](std::size_t i) { return i % 2 == 0 ? std::size_t{8} : std::size_t{2'000}; };
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{i}, out.slice(i * 8, size_of(i)), i).ok());
  }
  for (int i = 0; i < 1'000; ++i) cluster.step();
  for (std::size_t i = count; i-- > 0;) {
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{i}, in.slice(i * 8, size_of(i)), i).ok());
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Completion received = cluster.await(1, i);
    ASSERT_EQ(received.code, Code::done) << i;
    ASSERT_EQ(received.bytes, size_of(i));
    ASSERT_EQ(cluster.await(0, i).code, Code::done) << i;
  }
  // Neighbours write the same bytes where they overlap.
  EXPECT_EQ(std::memcmp(in.slice().data(), out.slice().data(), count * 8 + 1'992), 0);
}

// Goal: a message may come before its receive is posted. Method: all sizes are sent, then a last
// message that has a receive; when that is here, the others wait; then they are received.
TEST_P(Conformance, MessagesThatComeBeforeTheirReceiveAreKept) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  const std::vector<std::size_t> sizes = {0, 8, 93, 8'192, 8'256, 20'553, mebibyte};
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(1), mebibyte);
  out.fill(7);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{100 + i}, out.slice(0, sizes[i]), i).ok());
  }
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(0, 8), 1000).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(0, 8), 1000).ok());
  ASSERT_EQ(cluster.await(1, 1000).code, Code::done);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    in.clear();
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{100 + i}, in.slice(), i).ok());
    const Completion received = cluster.await(1, i);
    EXPECT_EQ(received.code, Code::done);
    EXPECT_EQ(received.bytes, sizes[i]);
    EXPECT_TRUE(in.holds(7, sizes[i])) << sizes[i] << " B";
    EXPECT_EQ(cluster.await(0, i).code, Code::done);
  }
}

// Goal: matching is by tag, whatever the order. Method: 500 messages in flight, receives and sends
// started in two different shuffled orders, in turns, with sizes of several protocols.
TEST_P(Conformance, ManyMessagesInFlightMatchByTag) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  constexpr std::size_t count = 500;
  constexpr std::size_t part = 16'384;
  Block out(cluster.at(0), count * part);
  Block in(cluster.at(1), count * part);
  out.fill(8);
  in.clear();
  const auto size_of = [](std::size_t i) { return std::vector<std::size_t>{8, 200, 9'000, part}[i % 4]; };
  std::vector<std::size_t> send_order(count);
  std::iota(send_order.begin(), send_order.end(), 0);
  std::vector<std::size_t> receive_order = send_order;
  Random random(3);
  for (std::size_t i = count - 1; i > 0; --i) {
    std::swap(send_order[i], send_order[random.below(i + 1)]);
    std::swap(receive_order[i], receive_order[random.below(i + 1)]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t s = send_order[i];
    const std::size_t r = receive_order[i];
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{s << 40}, out.slice(s * part, size_of(s)), s).ok());
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{r << 40}, in.slice(r * part, part), r).ok());
    if (i % 16 == 0) cluster.step();
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Completion received = cluster.await(1, i);
    ASSERT_EQ(received.code, Code::done);
    ASSERT_EQ(received.bytes, size_of(i));
    ASSERT_TRUE(std::equal(in.slice(i * part, 0).data(), in.slice(i * part, 0).data() + size_of(i),
                           out.slice(i * part, 0).data()));
    ASSERT_EQ(cluster.await(0, i).code, Code::done);
  }
}

// Goal: a rank can send to itself. Method: every protocol, the receive before and after the send.
TEST_P(Conformance, ARankSendsToItself) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), mebibyte);
  Block in(cluster.at(0), mebibyte);
  out.fill(9);
  std::uint64_t tag = 0;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{8}, std::size_t{9'000}, mebibyte}) {
    for (const bool receive_first : {true, false}) {
      in.clear();
      ++tag;
      const auto receive = [&] { return cluster.at(0).start_receive(Rank{0}, Tag{tag}, in.slice(), 1).ok(); };
      bool posted = receive_first && receive();
      ASSERT_TRUE(cluster.at(0).start_send(Rank{0}, Tag{tag}, out.slice(0, bytes), 2).ok());
      posted = posted || receive();
      ASSERT_TRUE(posted);
      const Completion received = cluster.await(0, 1);
      EXPECT_EQ(received.code, Code::done);
      EXPECT_EQ(received.bytes, bytes);
      EXPECT_TRUE(in.holds(9, bytes));
      EXPECT_EQ(cluster.await(0, 2).code, Code::done);
    }
  }
}

// Goal: buffers need no alignment, and bytes outside the slice stay as they are. Method: odd
// addresses on both sides, slices in the middle of a region.
TEST_P(Conformance, UnalignedSlicesTouchOnlyTheirBytes) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), 100'000, 1);
  Block in(cluster.at(1), 100'000, 3);
  out.fill(10);
  std::uint64_t tag = 0;
  for (const std::size_t bytes : {1u, 13u, 4'097u, 70'001u}) {
    in.clear();
    ++tag;
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{tag}, in.slice(17, bytes), 1).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{tag}, out.slice(5, bytes), 2).ok());
    ASSERT_EQ(cluster.await(1, 1).code, Code::done);
    ASSERT_EQ(cluster.await(0, 2).code, Code::done);
    const std::byte* const all = in.slice().data();
    EXPECT_TRUE(std::equal(all + 17, all + 17 + bytes, out.slice().data() + 5));
    EXPECT_TRUE(std::all_of(all, all + 17, [](std::byte b) { return b == std::byte{0}; }));
    EXPECT_TRUE(std::all_of(all + 17 + bytes, all + 100'000, [](std::byte b) { return b == std::byte{0}; }));
  }
}

// Goal: memory may be registered again after its release, and regions do not disturb each other.
// Method: many rounds of register, exchange, release on both sides, with one region kept.
TEST_P(Conformance, RegistrationsComeAndGo) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block kept(cluster.at(0), 64);
  kept.fill(1);
  for (std::uint64_t round = 1; round <= 50; ++round) {
    Block out(cluster.at(0), 10'000);
    Block in(cluster.at(1), 10'000);
    out.fill(round);
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{round}, in.slice(), 1).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{round}, out.slice(), 2).ok());
    ASSERT_EQ(cluster.await(1, 1).code, Code::done);
    ASSERT_EQ(cluster.await(0, 2).code, Code::done);
    ASSERT_TRUE(in.holds(round, 10'000));
  }
  EXPECT_TRUE(kept.holds(1, 64));
}

// Goal: three ranks talk pairwise at once, each pair apart. Method: everyone sends to everyone the
// bytes that name the pair; the tag holds the source, as the runtime's does.
TEST_P(Conformance, ThreeRanksExchangePairwise) {
  Cluster cluster(GetParam(), 3);
  cluster.open(1);
  constexpr std::size_t bytes = 30'000;
  std::vector<std::unique_ptr<Block>> out;
  std::vector<std::unique_ptr<Block>> in;
  for (std::uint32_t me = 0; me < 3; ++me) {
    for (std::uint32_t peer = 0; peer < 3; ++peer) {
      out.push_back(std::make_unique<Block>(cluster.at(me), bytes));
      in.push_back(std::make_unique<Block>(cluster.at(me), bytes));
      out.back()->fill(10 * me + peer);
      ASSERT_TRUE(cluster.at(me).start_receive(Rank{peer}, Tag{peer}, in.back()->slice(), peer).ok());
      ASSERT_TRUE(cluster.at(me).start_send(Rank{peer}, Tag{me}, out.back()->slice(), 10 + peer).ok());
    }
  }
  for (std::uint32_t me = 0; me < 3; ++me) {
    for (std::uint32_t peer = 0; peer < 3; ++peer) {
      EXPECT_EQ(cluster.await(me, peer).code, Code::done);
      EXPECT_EQ(cluster.await(me, 10 + peer).code, Code::done);
      EXPECT_TRUE(in[3 * me + peer]->holds(10 * peer + me, bytes)) << "from " << peer << " to " << me;
    }
  }
}

// Goal: long messages of several peers at once end each with its own bytes, and all of them. Method: three peers send to
// one rank, in rounds, so that their libraries count alike; the first has most to send, so that it ends last; every byte
// is compared when its receive ends.
TEST_P(Conformance, LongMessagesOfSeveralPeersEndWithTheirOwnBytes) {
  constexpr std::array<std::size_t, 3> bytes = {4 * mebibyte, mebibyte, mebibyte / 4};
  Cluster cluster(GetParam(), bytes.size() + 1);
  cluster.open(1);
  std::vector<std::unique_ptr<Block>> out;
  std::vector<std::unique_ptr<Block>> in;
  for (std::uint32_t i = 0; i < bytes.size(); ++i) {
    out.push_back(std::make_unique<Block>(cluster.at(i + 1), bytes[i]));
    in.push_back(std::make_unique<Block>(cluster.at(0), bytes[i]));
    out.back()->fill(i + 1);
  }
  for (int round = 0; round < 4; ++round) {
    for (std::uint32_t i = 0; i < bytes.size(); ++i) {
      in[i]->clear();
      ASSERT_TRUE(cluster.at(0).start_receive(Rank{i + 1}, Tag{i + 1}, in[i]->slice(), i).ok());
      ASSERT_TRUE(cluster.at(i + 1).start_send(Rank{0}, Tag{i + 1}, out[i]->slice(), 1).ok());
    }
    for (std::uint32_t i = 0; i < bytes.size(); ++i) {
      ASSERT_EQ(cluster.await(0, i).code, Code::done) << "from rank " << i + 1 << " in round " << round;
      ASSERT_TRUE(in[i]->holds(i + 1, bytes[i])) << "from rank " << i + 1 << " in round " << round;
    }
    for (std::uint32_t i = 0; i < bytes.size(); ++i) ASSERT_EQ(cluster.await(i + 1, 1).code, Code::done);
  }
}

// Goal: views follow each other on the same transports, and each start has one completion. Method:
// ten views with traffic both ways.
TEST_P(Conformance, ViewsFollowEachOther) {
  Cluster cluster(GetParam(), 2);
  Block a(cluster.at(0), 9'000);
  Block b(cluster.at(1), 9'000);
  const Address address = cluster.at(0).address();
  for (std::uint32_t epoch = 1; epoch <= 10; ++epoch) {
    cluster.open(epoch);
    a.fill(epoch);
    b.clear();
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, a.slice(), 1).ok());
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, b.slice(), 2).ok());
    ASSERT_EQ(cluster.await(1, 2).code, Code::done);
    ASSERT_EQ(cluster.await(0, 1).code, Code::done);
    ASSERT_TRUE(b.holds(epoch, 9'000));
    ASSERT_TRUE(cluster.at(1).start_send(Rank{0}, Tag{2}, b.slice(), 3).ok());
    ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{2}, a.slice(), 4).ok());
    ASSERT_EQ(cluster.await(0, 4).code, Code::done);
    ASSERT_EQ(cluster.await(1, 3).code, Code::done);
    EXPECT_EQ(cluster.left_over(0) + cluster.left_over(1), 0u);
    cluster.close();
    EXPECT_EQ(cluster.at(0).address(), address);
  }
}

// Goal: a transport says what it is. Method: the fields that callers choose by.
TEST_P(Conformance, CapabilitiesNameTheTransport) {
  Cluster cluster(GetParam(), 1);
  const Capabilities& capabilities = cluster.at(0).capabilities();
  EXPECT_EQ(capabilities.name, GetParam().capability_name());
  EXPECT_FALSE(capabilities.version.empty());
  EXPECT_FALSE(capabilities.ways.empty());
  EXPECT_NE(std::find(capabilities.memory_kinds.begin(), capabilities.memory_kinds.end(), MemoryKind::host),
            capabilities.memory_kinds.end());
  EXPECT_EQ(capabilities.can_sleep, cluster.at(0).event_descriptor() >= 0);
}

}  // namespace
}  // namespace gossamer::transport
