// The fault decorator over the simulated network: each fault does what transport.h says, does fire, and fires
// again from the same seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <set>
#include <vector>

#include "cluster.h"
#include "transport/fault/fate.h"

namespace gossamer::transport {
namespace {

Backend with_faults(const FaultOptions& options) { return {"fault", "sim", "", options}; }

FaultOptions one_event(const FaultEvent& event) {
  FaultOptions options;
  options.events = {event};
  return options;
}

const SimOptions exact_network = {.seed = 1, .latency_ns = 1'000, .jitter_ns = 0, .bytes_per_ns = 10.0};

// Two ranks with a block each, and messages of 100 B from rank 0 to rank 1.
struct Pair {
  explicit Pair(const FaultOptions& options, const SimOptions& network = exact_network)
      : cluster(with_faults(options), 2, network), out(cluster.at(0), 100), in(cluster.at(1), 100) {
    cluster.open(1);
    out.fill(1);
  }
  // Both starts of one message; contexts are the tag.
  void exchange(std::uint64_t tag) {
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{tag}, in.slice(), tag).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{tag}, out.slice(), tag).ok());
  }
  // Until nothing more can happen.
  void settle() {
    std::uint64_t before_ns = 0;
    for (int idle = 0; idle < 3; idle = cluster.clock().now_ns() == before_ns ? idle + 1 : 0) {
      before_ns = cluster.clock().now_ns();
      cluster.step();
    }
  }
  [[nodiscard]] const FaultCounts& counts() { return cluster.faults(0).counts(); }
  Cluster cluster;
  Block out;
  Block in;
};

// Goal: a delayed message arrives exactly so much later, and an undelayed one when it did before. Method: one
// of two messages is delayed by 5,000 ns; the network takes 10 ns for the bytes and 1,000 ns on the way.
TEST(Fault, ADelayedMessageArrivesLater) {
  Pair pair(one_event({.kind = FaultKind::delay, .rank = Rank{0}, .message = 1, .duration_ns = 5'000}));
  pair.exchange(10);
  EXPECT_EQ(pair.cluster.await(1, 10).code, Code::done);
  EXPECT_EQ(pair.cluster.clock().now_ns(), 1'010u);
  pair.exchange(11);
  EXPECT_EQ(pair.cluster.await(1, 11).code, Code::done);
  EXPECT_EQ(pair.cluster.clock().now_ns(), 1'010u + 5'000u + 1'010u);
  EXPECT_EQ(pair.cluster.await(0, 11).code, Code::done);
  EXPECT_TRUE(pair.in.holds(1, 100));
  EXPECT_EQ(pair.counts()[FaultKind::delay], 1u);
}

// Goal: a dropped message's send ends done, its receive waits on, and the next message is not harmed. Method:
// the second of three messages is dropped.
TEST(Fault, ADroppedMessageIsSentAndNeverArrives) {
  Pair pair(one_event({.kind = FaultKind::drop, .rank = Rank{0}, .peer = Rank{1}, .message = 1}));
  for (const std::uint64_t tag : {10u, 11u, 12u}) pair.exchange(tag);
  pair.settle();
  for (const std::uint64_t tag : {10u, 11u, 12u}) {
    EXPECT_EQ(pair.cluster.await(0, tag).code, Code::done);
    EXPECT_EQ(pair.cluster.has(1, tag), tag != 11) << tag;
  }
  EXPECT_EQ(pair.counts()[FaultKind::drop], 1u);
}

// Goal: a duplicate is received once and completes once; the second copy waits under its tag, which no later
// message may carry. Method: all messages twice; then receives of the old tags, and a new view.
TEST(Fault, ADuplicateWaitsUnderATagThatIsNotUsedAgain) {
  FaultOptions options;
  options.duplicate = 1.0;
  Pair pair(options);
  for (std::uint64_t tag = 0; tag < 20; ++tag) {
    pair.in.clear();
    pair.exchange(tag);
    EXPECT_EQ(pair.cluster.await(1, tag).code, Code::done);
    EXPECT_EQ(pair.cluster.await(0, tag).code, Code::done);
    EXPECT_TRUE(pair.in.holds(1, 100));
  }
  pair.out.clear();  // ours again since the completion: the copies have their own bytes
  pair.settle();
  EXPECT_EQ(pair.cluster.left_over(0) + pair.cluster.left_over(1), 0u);
  EXPECT_EQ(pair.counts()[FaultKind::duplicate], 20u);
  // A tag that was used again would meet the old copy.
  pair.in.clear();
  ASSERT_TRUE(pair.cluster.at(1).start_receive(Rank{0}, Tag{7}, pair.in.slice(), 7).ok());
  EXPECT_EQ(pair.cluster.await(1, 7).code, Code::done);
  EXPECT_TRUE(pair.in.holds(1, 100));
  // The end of the view takes the other copies with it.
  pair.cluster.close();
  pair.cluster.open(2);
  ASSERT_TRUE(pair.cluster.at(1).start_receive(Rank{0}, Tag{8}, pair.in.slice(), 8).ok());
  pair.settle();
  EXPECT_FALSE(pair.cluster.has(1, 8));
}

std::size_t bits_that_differ(const Block& a, const Block& b, std::size_t bytes) {
  std::size_t bits = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::byte difference = a.slice().data()[i] ^ b.slice().data()[i];
    bits += static_cast<std::size_t>(std::popcount(std::to_integer<unsigned>(difference)));
  }
  return bits;
}

// Goal: corruption changes one bit of what arrives, anywhere in the message, and nothing of the sender's. Method:
// 400 messages of 100 B and some empty ones; the bits are collected.
TEST(Fault, ACorruptedMessageDiffersInOneBit) {
  FaultOptions options;
  options.corrupt = 1.0;
  Pair pair(options);
  std::set<std::size_t> places;
  for (std::uint64_t tag = 0; tag < 400; ++tag) {
    pair.exchange(tag);
    EXPECT_EQ(pair.cluster.await(1, tag).bytes, 100u);
    EXPECT_EQ(pair.cluster.await(0, tag).bytes, 100u);
    EXPECT_TRUE(pair.out.holds(1, 100));
    ASSERT_EQ(bits_that_differ(pair.in, pair.out, 100), 1u);
    for (std::size_t i = 0; i < 100; ++i)
      if (pair.in.slice().data()[i] != pair.out.slice().data()[i]) places.insert(i);
  }
  EXPECT_GT(places.size(), 80u);  // of 100 bytes
  EXPECT_EQ(pair.counts()[FaultKind::corrupt], 400u);
  ASSERT_TRUE(pair.cluster.at(1).start_receive(Rank{0}, Tag{999}, pair.in.slice(), 1).ok());
  ASSERT_TRUE(pair.cluster.at(0).start_send(Rank{1}, Tag{999}, pair.out.slice(0, 0), 1).ok());
  EXPECT_EQ(pair.cluster.await(1, 1).code, Code::done);
  EXPECT_EQ(pair.counts()[FaultKind::corrupt], 400u);  // nothing to change
}

// Goal: an endpoint that stalls gives out nothing and sends nothing until the stall is over, and then all.
// Method: a stall planned for the middle of a message's way, another message started in it.
TEST(Fault, AStalledEndpointMakesNoProgress) {
  Pair pair(one_event({.kind = FaultKind::stall, .rank = Rank{0}, .at_ns = 500, .duration_ns = 10'000}));
  Block back(pair.cluster.at(0), 100);
  Block answer(pair.cluster.at(1), 100);
  ASSERT_TRUE(pair.cluster.at(0).start_receive(Rank{1}, Tag{1}, back.slice(), 1).ok());
  ASSERT_TRUE(pair.cluster.at(1).start_send(Rank{0}, Tag{1}, answer.slice(), 1).ok());
  while (pair.cluster.clock().now_ns() < 500) pair.cluster.step();
  pair.cluster.step();
  pair.exchange(2);
  while (pair.cluster.clock().now_ns() < 1'010) pair.cluster.step();
  std::array<Completion, 4> batch;
  EXPECT_EQ(pair.cluster.at(0).poll(batch), 0u);  // though its message is here
  EXPECT_FALSE(pair.cluster.at(0).arm());
  EXPECT_EQ(pair.cluster.await(0, 1).code, Code::done);
  EXPECT_EQ(pair.cluster.clock().now_ns(), 10'500u);
  EXPECT_EQ(pair.cluster.await(1, 2).code, Code::done);
  EXPECT_EQ(pair.cluster.clock().now_ns(), 10'500u + 1'010u);
  EXPECT_EQ(pair.counts()[FaultKind::stall], 1u);
}

// Goal: a cut link carries nothing, either way, from its moment until its end, and other links are whole.
// Method: three ranks, a cut by time between two of them at both ends; messages before, in and after it.
TEST(Fault, ACutLinkCarriesNothingUntilItIsRestored) {
  Cluster cluster(
      with_faults(one_event(
          {.kind = FaultKind::cut, .rank = Rank{0}, .peer = Rank{1}, .at_ns = 10'000, .duration_ns = 50'000})),
      3, exact_network);
  cluster.open(1);
  std::vector<std::unique_ptr<Block>> blocks;
  for (std::uint32_t r = 0; r < 3; ++r) blocks.push_back(std::make_unique<Block>(cluster.at(r), 100));
  const auto exchange_all = [&](std::uint64_t tag) {
    for (std::uint32_t from = 0; from < 3; ++from)
      for (std::uint32_t to = 0; to < 3; ++to) {
        const std::uint64_t context = 100 * tag + 10 * from + to;
        ASSERT_TRUE(cluster.at(to).start_receive(Rank{from}, Tag{context}, blocks[to]->slice(0, 50), context).ok());
        ASSERT_TRUE(cluster.at(from).start_send(Rank{to}, Tag{context}, blocks[from]->slice(50, 50), context).ok());
      }
  };
  const auto pass_to = [&](std::uint64_t now_ns) {
    while (cluster.clock().now_ns() < now_ns) cluster.step();
  };
  const auto arrived = [&](std::uint64_t tag, std::uint32_t from, std::uint32_t to) {
    return cluster.has(to, 100 * tag + 10 * from + to);
  };
  exchange_all(1);
  pass_to(10'000);
  exchange_all(2);
  pass_to(60'000);
  for (int i = 0; i < 10; ++i) cluster.step();
  exchange_all(3);
  for (int i = 0; i < 50; ++i) cluster.step();
  for (std::uint32_t from = 0; from < 3; ++from)
    for (std::uint32_t to = 0; to < 3; ++to) {
      const bool on_the_link = from != to && from < 2 && to < 2;
      EXPECT_TRUE(arrived(1, from, to)) << from << " to " << to;
      EXPECT_EQ(arrived(2, from, to), !on_the_link) << from << " to " << to;
      EXPECT_TRUE(arrived(3, from, to)) << from << " to " << to;
    }
  EXPECT_EQ(cluster.faults(0).counts()[FaultKind::cut], 1u);
  EXPECT_EQ(cluster.faults(1).counts()[FaultKind::cut], 1u);
  EXPECT_EQ(cluster.faults(2).counts()[FaultKind::cut], 0u);
  EXPECT_EQ(cluster.faults(0).counts().lost_in_cuts, 1u);
}

// Goal: one decorated end suffices: what comes from the cut peer is lost there, and its receive goes on to match
// a later message. Method: rank 1 alone cuts, rank 0 sends under one tag before and after the restoring.
TEST(Fault, AReceiveOutlivesTheCutOfItsLink) {
  Pair pair(FaultOptions{});
  pair.cluster.faults(1).cut(Rank{0});
  pair.exchange(5);
  EXPECT_EQ(pair.cluster.await(0, 5).code, Code::done);
  pair.settle();
  EXPECT_FALSE(pair.cluster.has(1, 5));
  EXPECT_EQ(pair.cluster.faults(1).counts().lost_in_cuts, 1u);
  pair.cluster.faults(1).restore(Rank{0});
  pair.out.fill(2);
  ASSERT_TRUE(pair.cluster.at(0).start_send(Rank{1}, Tag{5}, pair.out.slice(), 6).ok());
  EXPECT_EQ(pair.cluster.await(1, 5).code, Code::done);
  EXPECT_TRUE(pair.in.holds(2, 100));
  // And while it is cut again, a receive can be given up or lost as ever.
  pair.cluster.faults(1).cut(Rank{0});
  const auto token = pair.cluster.at(1).start_receive(Rank{0}, Tag{8}, pair.in.slice(), 8);
  ASSERT_TRUE(token.ok());
  ASSERT_TRUE(pair.cluster.at(1).start_receive(Rank{0}, Tag{9}, pair.in.slice(), 9).ok());
  pair.cluster.at(1).cancel(*token);
  EXPECT_EQ(pair.cluster.await(1, 8).code, Code::cancelled);
  pair.cluster.at(1).fail_peer(Rank{0});
  EXPECT_EQ(pair.cluster.await(1, 9).code, Code::peer_lost);
}

// Goal: a killed endpoint is silent for ever: starts succeed and complete never, nothing leaves. Method: killed
// at its second message, with one held and one under way to it.
TEST(Fault, AKilledEndpointIsSilent) {
  FaultOptions options;
  options.events = {{.kind = FaultKind::delay, .rank = Rank{0}, .message = 0, .duration_ns = 100'000},
                    {.kind = FaultKind::kill, .rank = Rank{0}, .message = 1}};
  Pair pair(options);
  Block back(pair.cluster.at(0), 100);
  ASSERT_TRUE(pair.cluster.at(0).start_receive(Rank{1}, Tag{1}, back.slice(), 1).ok());
  ASSERT_TRUE(pair.cluster.at(1).start_send(Rank{0}, Tag{1}, pair.in.slice(), 1).ok());
  for (const std::uint64_t tag : {10u, 11u, 12u}) pair.exchange(tag);
  pair.cluster.at(0).fail_peer(Rank{1});  // the dead do nothing
  pair.settle();
  EXPECT_TRUE(pair.cluster.faults(0).is_dead());
  EXPECT_EQ(pair.cluster.left_over(0), 0u);
  for (const std::uint64_t tag : {10u, 11u, 12u}) EXPECT_FALSE(pair.cluster.has(1, tag)) << tag;
  EXPECT_EQ(pair.cluster.await(1, 1).code, Code::done);  // a send to the dead succeeds
  EXPECT_EQ(pair.counts()[FaultKind::kill], 1u);
  EXPECT_EQ(pair.cluster.faults(0).next_event_ns(), std::nullopt);
}

// Goal: what is held obeys the contract: it can be given up, is lost with its peer, and goes with its view.
// Method: delays of all starts, each end once on both kinds of start.
TEST(Fault, HeldStartsEndAsOthersDo) {
  FaultOptions options;
  options.delay = 1.0;
  options.delay_ns_max = 1'000'000;
  Pair pair(options);
  Transport& transport = pair.cluster.at(0);
  const auto send = transport.start_send(Rank{1}, Tag{1}, pair.out.slice(), 1);
  const auto receive = transport.start_receive(Rank{1}, Tag{2}, pair.out.slice(), 2);
  ASSERT_TRUE(send.ok() && receive.ok());
  transport.cancel(*send);
  transport.cancel(*receive);
  EXPECT_EQ(pair.cluster.await(0, 1).code, Code::cancelled);
  EXPECT_EQ(pair.cluster.await(0, 2).code, Code::cancelled);
  transport.cancel(*send);  // ended: nothing
  ASSERT_TRUE(transport.start_send(Rank{1}, Tag{3}, pair.out.slice(), 3).ok());
  ASSERT_TRUE(transport.start_receive(Rank{1}, Tag{4}, pair.out.slice(), 4).ok());
  transport.fail_peer(Rank{1});
  EXPECT_EQ(pair.cluster.await(0, 3).code, Code::peer_lost);
  EXPECT_EQ(pair.cluster.await(0, 4).code, Code::peer_lost);
  EXPECT_EQ(transport.start_send(Rank{1}, Tag{5}, pair.out.slice(), 5).error().code, Code::peer_lost);
  ASSERT_TRUE(transport.start_send(Rank{0}, Tag{6}, pair.out.slice(), 6).ok());
  pair.cluster.close();
  pair.cluster.open(2);
  pair.settle();
  EXPECT_EQ(pair.cluster.left_over(0), 0u);
}

struct FaultyRun {
  std::uint64_t events = 0;
  FaultCounts counts;  // of all ranks together
};

// Random traffic between four ranks under every fault.
FaultyRun run_with_every_fault(std::uint64_t seed) {
  FaultOptions options{.seed = seed, .delay = 0.3, .drop = 0.1, .duplicate = 0.1, .corrupt = 0.1, .stall = 0.02};
  options.events = {{.kind = FaultKind::cut, .rank = Rank{1}, .peer = Rank{2}, .at_ns = 20'000, .duration_ns = 100'000},
                    {.kind = FaultKind::kill, .rank = Rank{3}, .at_ns = 300'000}};
  Cluster cluster(with_faults(options), 4, {.seed = seed});
  cluster.open(1);
  std::vector<std::unique_ptr<Block>> blocks;
  for (std::size_t r = 0; r < 4; ++r) blocks.push_back(std::make_unique<Block>(cluster.at(r), 2'000));
  for (std::uint64_t tag = 0; tag < 100; ++tag) {
    for (std::uint32_t from = 0; from < 4; ++from) {
      const std::uint32_t to = static_cast<std::uint32_t>(mix64(tag, from) % 4);
      EXPECT_TRUE(cluster.at(to).start_receive(Rank{from}, Tag{tag}, blocks[to]->slice(0, 1'000), tag).ok());
      EXPECT_TRUE(cluster.at(from).start_send(Rank{to}, Tag{tag}, blocks[from]->slice(1'000, 1'000), 1'000).ok());
    }
    for (int i = 0; i < 6; ++i) cluster.step();
  }
  FaultyRun run;
  for (int i = 0; i < 2'000; ++i) cluster.step();
  run.events = cluster.network().event_hash();
  for (std::size_t r = 0; r < 4; ++r) {
    const FaultCounts& counts = cluster.faults(r).counts();
    for (std::size_t k = 0; k < fault_kind_count; ++k) run.counts.fired[k] += counts.fired[k];
    run.counts.lost_in_cuts += counts.lost_in_cuts;
    run.counts.hash = mix64(run.counts.hash, counts.hash);
  }
  return run;
}

// Goal: no injector that never fires. Method: random traffic under all chances, a planned cut and a planned
// kill; every counter has moved.
TEST(Fault, EveryKindFires) {
  const FaultyRun run = run_with_every_fault(1);
  for (std::size_t k = 0; k < fault_kind_count; ++k)
    EXPECT_GT(run.counts.fired[k], 0u) << fault_kind_name(static_cast<FaultKind>(k));
  EXPECT_GT(run.counts.lost_in_cuts, 0u);
}

// Goal: equal seeds give equal runs, other seeds others. Method: the network's hash of every delivery, and the
// decorators' of every fault, over several seeds.
TEST(Fault, EqualSeedsRepeatExactly) {
  std::set<std::uint64_t> events;
  std::set<std::uint64_t> faults;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const FaultyRun one = run_with_every_fault(seed);
    const FaultyRun two = run_with_every_fault(seed);
    EXPECT_EQ(one.events, two.events) << seed;
    EXPECT_EQ(one.counts.hash, two.counts.hash) << seed;
    EXPECT_EQ(one.counts.fired, two.counts.fired) << seed;
    events.insert(one.events);
    faults.insert(one.counts.hash);
  }
  EXPECT_EQ(events.size(), 5u);
  EXPECT_EQ(faults.size(), 5u);
}

// Goal: a fault is a function of seed, ranks and number, not of the transport. Method: the same traffic over the
// simulated network and over UCX; faults and what arrived are the same.
TEST(Fault, TheSameMessagesAreHitOnEveryTransport) {
  const FaultOptions options{.seed = 9, .delay = 0.2, .drop = 0.2, .duplicate = 0.2, .corrupt = 0.2};
  std::vector<std::uint64_t> hashes;
  std::vector<std::uint64_t> contents;
  for (const Backend& backend : {Backend{"", "sim", "", options}, Backend{"", "ucx", "posix,self", options},
                                 Backend{"", "ucx", "tcp", options}}) {
    Cluster cluster(backend, 2);
    cluster.open(1);
    Block out(cluster.at(0), 1'000);
    Block in(cluster.at(1), 1'000);
    out.fill(3);
    std::uint64_t content = 0;
    for (std::uint64_t tag = 0; tag < 100; ++tag) {
      const std::uint64_t dropped = cluster.faults(0).counts()[FaultKind::drop];
      in.clear();
      ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{tag}, in.slice(), tag).ok());
      ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{tag}, out.slice(), tag).ok());
      EXPECT_EQ(cluster.await(0, tag).code, Code::done);
      if (cluster.faults(0).counts()[FaultKind::drop] > dropped) continue;
      ASSERT_EQ(cluster.await(1, tag).code, Code::done);
      for (std::size_t i = 0; i < 1'000; ++i)
        content = mix64(content, std::to_integer<std::uint64_t>(in.slice().data()[i]));
    }
    EXPECT_TRUE(out.holds(3, 1'000));
    hashes.push_back(mix64(cluster.faults(0).counts().hash, cluster.faults(1).counts().hash));
    contents.push_back(content);
    cluster.close();
  }
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    EXPECT_EQ(hashes[i], hashes[0]);
    EXPECT_EQ(contents[i], contents[0]);
  }
}

// Goal: chances are what they say, and one leaves the others' messages alone. Method: 20,000 fates counted; the
// same with another kind's chance changed.
TEST(Fault, ChancesHoldAndDoNotDisturbEachOther) {
  FaultOptions options{.seed = 3, .delay = 0.25, .drop = 0.05, .stall = 0.01};
  FaultOptions more = options;
  more.delay = 0.5;
  constexpr std::uint64_t count = 20'000;
  std::uint64_t drops = 0;
  std::uint64_t delays = 0;
  std::uint64_t more_delays = 0;
  std::uint64_t stalls = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const fault::Fate fate = fault::fate_of_message(options, Rank{i % 3 == 0 ? 1u : 2u}, Rank{0}, i);
    const fault::Fate other = fault::fate_of_message(more, Rank{i % 3 == 0 ? 1u : 2u}, Rank{0}, i);
    drops += fate.drop ? 1u : 0u;
    delays += fate.delay_ns > 0 ? 1u : 0u;
    stalls += fate.stall_ns > 0 ? 1u : 0u;
    more_delays += other.delay_ns > 0 ? 1u : 0u;
    EXPECT_LE(fate.delay_ns, options.delay_ns_max);
    EXPECT_LE(fate.stall_ns, options.stall_ns_max);
    ASSERT_EQ(fate.drop, other.drop);
    ASSERT_EQ(fate.stall_ns, other.stall_ns);
    if (fate.delay_ns > 0) {
      ASSERT_EQ(fate.delay_ns, other.delay_ns);
    }
  }
  // Five standard deviations of a binomial count, seeded: this cannot come and go.
  EXPECT_NEAR(static_cast<double>(drops), 1'000.0, 155.0);
  EXPECT_NEAR(static_cast<double>(delays), 5'000.0, 310.0);
  EXPECT_NEAR(static_cast<double>(more_delays), 10'000.0, 355.0);
  EXPECT_NEAR(static_cast<double>(stalls), 200.0, 71.0);
}

}  // namespace
}  // namespace gossamer::transport
