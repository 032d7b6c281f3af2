// What only the simulated network does: time, order, death and the hash of all that happened.
#include <gtest/gtest.h>

#include <vector>

#include "cluster.h"

namespace gossamer::transport {
namespace {

const Backend& sim() { return all_backends().front(); }

// Goal: a message takes latency plus its bytes over the link's speed, on the virtual clock alone.
// Method: no jitter, one message, the clock moved by hand to just before and to the moment.
TEST(SimNetwork, AMessageTakesLatencyAndBandwidth) {
  Cluster cluster(sim(), 2, {.seed = 1, .latency_ns = 1'000, .jitter_ns = 0, .bytes_per_ns = 2.0});
  cluster.open(1);
  Block out(cluster.at(0), 4'000);
  Block in(cluster.at(1), 4'000);
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 2).ok());
  std::vector<Completion> batch(4);
  EXPECT_EQ(cluster.network().next_event_ns(), 2'000u);
  cluster.clock().advance_to(1'999);
  EXPECT_EQ(cluster.at(0).poll(batch), 0u);
  cluster.clock().advance_to(2'000);
  EXPECT_EQ(cluster.at(0).poll(batch), 1u);
  EXPECT_EQ(cluster.network().next_event_ns(), 3'000u);
  cluster.clock().advance_to(2'999);
  EXPECT_EQ(cluster.at(1).poll(batch), 0u);
  cluster.clock().advance_to(3'000);
  EXPECT_EQ(cluster.at(1).poll(batch), 1u);
  EXPECT_EQ(cluster.network().next_event_ns(), std::nullopt);
}

// Goal: sends of one rank queue behind each other, those of two ranks do not. Method: two sends of
// 1,000 ns each from rank 0, one from rank 2, all to rank 1.
TEST(SimNetwork, SendsOfOneRankShareItsLink) {
  Cluster cluster(sim(), 3, {.seed = 1, .latency_ns = 10, .jitter_ns = 0, .bytes_per_ns = 1.0});
  cluster.open(1);
  Block out(cluster.at(0), 1'000);
  Block other(cluster.at(2), 1'000);
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{2}, out.slice(), 2).ok());
  ASSERT_TRUE(cluster.at(2).start_send(Rank{1}, Tag{3}, other.slice(), 3).ok());
  std::vector<Completion> batch(4);
  cluster.clock().advance_to(1'000);
  EXPECT_EQ(cluster.at(0).poll(batch), 1u);
  EXPECT_EQ(cluster.at(2).poll(batch), 1u);
  cluster.clock().advance_to(1'999);
  EXPECT_EQ(cluster.at(0).poll(batch), 0u);
  cluster.clock().advance_to(2'000);
  EXPECT_EQ(cluster.at(0).poll(batch), 1u);
}

// Goal: with jitter messages overtake each other. Method: 50 small messages; the order of their
// completions is not the order of their sends.
TEST(SimNetwork, MessagesOvertakeEachOther) {
  Cluster cluster(sim(), 2, {.seed = 4, .latency_ns = 100, .jitter_ns = 10'000, .bytes_per_ns = 10.0});
  cluster.open(1);
  Block out(cluster.at(0), 8);
  Block in(cluster.at(1), 8 * 50);
  for (std::uint64_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{i}, in.slice(8 * i, 8), i).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{i}, out.slice(), i).ok());
  }
  cluster.clock().advance_to(1'000'000);
  std::vector<Completion> batch(64);
  ASSERT_EQ(cluster.at(1).poll(batch), 50u);
  std::size_t overtaken = 0;
  for (std::size_t i = 1; i < 50; ++i) overtaken += batch[i].context < batch[i - 1].context ? 1u : 0u;
  EXPECT_GT(overtaken, 5u);
}

// Runs some traffic between four ranks and returns the network's hash.
std::uint64_t hash_of_a_run(std::uint64_t seed, std::uint64_t contents) {
  Cluster cluster(sim(), 4, {.seed = seed, .latency_ns = 500, .jitter_ns = 500, .bytes_per_ns = 1.0});
  cluster.open(1);
  std::vector<std::unique_ptr<Block>> blocks;
  for (std::uint32_t me = 0; me < 4; ++me) {
    blocks.push_back(std::make_unique<Block>(cluster.at(me), 100));
    blocks.back()->fill(contents);
    for (std::uint32_t peer = 0; peer < 4; ++peer) {
      EXPECT_TRUE(cluster.at(me).start_send(Rank{peer}, Tag{me}, blocks.back()->slice(), peer).ok());
    }
  }
  while (cluster.network().next_event_ns()) cluster.step();
  return cluster.network().event_hash();
}

// Goal: equal seeds replay exactly; another seed or other bytes show in the hash. Method: four runs.
TEST(SimNetwork, EqualSeedsGiveEqualHashes) {
  EXPECT_EQ(hash_of_a_run(1, 1), hash_of_a_run(1, 1));
  EXPECT_NE(hash_of_a_run(1, 1), hash_of_a_run(2, 1));
  EXPECT_NE(hash_of_a_run(1, 1), hash_of_a_run(1, 2));
}

// Goal: death looks as with the real libraries: sends to the dead succeed, receives hang until
// fail_peer, what the dead had sent and was under way is lost. Method: kill in mid-flight.
TEST(SimNetwork, AKilledTransportIsSilent) {
  Cluster cluster(sim(), 2, {.seed = 1, .latency_ns = 1'000, .jitter_ns = 0, .bytes_per_ns = 10.0});
  cluster.open(1);
  Block out(cluster.at(0), 100);
  Block in(cluster.at(0), 100);
  Block peer(cluster.at(1), 100);
  ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{1}, in.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(1).start_send(Rank{0}, Tag{1}, peer.slice(), 2).ok());
  cluster.clock().advance_to(500);
  cluster.step();
  cluster.network().kill(cluster.at(1).address());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{2}, out.slice(), 3).ok());
  EXPECT_EQ(cluster.await(0, 3).code, Code::done);
  while (cluster.network().next_event_ns()) cluster.step();
  cluster.step();
  EXPECT_FALSE(cluster.has(0, 1));
  cluster.at(0).fail_peer(Rank{1});
  EXPECT_EQ(cluster.await(0, 1).code, Code::peer_lost);
}

// Goal: a message that comes before its receiver has opened the view is kept. Method: one rank opens
// and sends, time passes, then the other opens.
TEST(SimNetwork, AMessageMayComeBeforeItsViewIsOpen) {
  Cluster cluster(sim(), 2);
  View view{Epoch{1}, Rank{0}, {cluster.at(0).address(), cluster.at(1).address()}};
  Block out(cluster.at(0), 100);
  Block in(cluster.at(1), 100);
  out.fill(6);
  ASSERT_TRUE(cluster.at(0).open_view(view).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
  while (cluster.network().next_event_ns()) cluster.step();
  cluster.step();
  view.rank = Rank{1};
  ASSERT_TRUE(cluster.at(1).open_view(view).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 2).ok());
  EXPECT_EQ(cluster.await(1, 2).code, Code::done);
  EXPECT_TRUE(in.holds(6, 100));
}

// Goal: memory belongs to the transport until the completion. Method: bytes changed after the start
// and before the completion are what arrives, so such a mistake shows in simulations.
TEST(SimNetwork, BytesAreReadWhenTheyLeave) {
  Cluster cluster(sim(), 2);
  cluster.open(1);
  Block out(cluster.at(0), 100);
  Block in(cluster.at(1), 100);
  out.fill(1);
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 2).ok());
  out.fill(2);
  EXPECT_EQ(cluster.await(1, 2).code, Code::done);
  EXPECT_TRUE(in.holds(2, 100));
}

}  // namespace
}  // namespace gossamer::transport
