// The data path tried before a session counts as joined: what it finds, and whom it names.
#include "runtime/session/data_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/runtime/cluster_fixture.h"

namespace gossamer::runtime {
namespace {

using ::testing::HasSubstr;

// Ranks on a simulated network, each behind a fault decorator, that try their paths.
class TrialCluster {
 public:
  explicit TrialCluster(std::uint32_t rank_count) : network_(transport::make_sim_network({}, clock_)) {
    for (std::uint32_t r = 0; r < rank_count; ++r) {
      auto transport = network_->make_transport();
      addresses_.push_back(transport->address());
      ranks_.push_back(transport::make_fault_transport(std::move(transport), {}, clock_));
    }
    for (std::uint32_t r = 0; r < rank_count; ++r) {
      EXPECT_TRUE(ranks_[r]->open_view({Epoch{1}, Rank{r}, addresses_}).ok());
      trials.push_back(std::make_unique<DataPathTrial>(*ranks_[r], Rank{r}, rank_count));
    }
  }
  ~TrialCluster() {
    for (const auto& rank : ranks_) EXPECT_TRUE(rank->close_view(1'000'000'000).ok());
    for (const auto& trial : trials) trial->release();
  }

  // Starts all but those, and moves them on until nothing happens any more.
  void run(const std::function<bool(std::uint32_t)>& is_left_out = [](std::uint32_t) { return false; }) {
    for (std::uint32_t r = 0; r < trials.size(); ++r)
      if (!is_left_out(r)) trials[r]->start();
    while (true) {
      bool moved = false;
      for (std::uint32_t r = 0; r < trials.size(); ++r) moved |= !is_left_out(r) && trials[r]->pass();
      if (moved) continue;
      const auto next_ns = network_->next_event_ns();
      if (!next_ns) return;
      clock_.advance_to(*next_ns);
    }
  }
  transport::FaultTransport& at(std::uint32_t rank) { return *ranks_[rank]; }
  void kill(std::uint32_t rank) { network_->kill(addresses_[rank]); }

 private:
  VirtualClock clock_;
  std::unique_ptr<transport::SimNetwork> network_;
  std::vector<transport::Address> addresses_;
  std::vector<std::unique_ptr<transport::FaultTransport>> ranks_;

 public:
  std::vector<std::unique_ptr<DataPathTrial>> trials;
};

// Goal: where every path works, every trial ends without a word. Method: one to nine ranks, and as
// many that not every pair is tried.
TEST(DataPath, ThatWorksIsFound) {
  for (const std::uint32_t p : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 100u}) {
    TrialCluster cluster(p);
    cluster.run();
    for (const auto& trial : cluster.trials) {
      EXPECT_TRUE(trial->finished());
      EXPECT_FALSE(trial->failure().has_value());
    }
  }
}

// Goal: a path that carries nothing is silent at both ends, each of which names the other, and no other pair is
// blamed. Method: the link between ranks 1 and 3 of five is cut.
TEST(DataPath, ThatCarriesNothingIsSilentBetweenItsTwoRanks) {
  TrialCluster cluster(5);
  cluster.at(1).cut(Rank{3});
  cluster.at(3).cut(Rank{1});
  cluster.run();
  for (std::uint32_t r = 0; r < 5; ++r) {
    const auto failure = cluster.trials[r]->failure();
    ASSERT_EQ(failure.has_value(), r == 1 || r == 3) << "rank " << r;
    EXPECT_EQ(cluster.trials[r]->finished(), !failure.has_value());
    if (!failure) continue;
    EXPECT_EQ(failure->peer, Rank{r == 1 ? 3u : 1u});
    EXPECT_TRUE(failure->silent);
  }
}

// Goal: what a transport says of a path ends the trial of that pair at once, with its words. Method: rank 0's transport
// is told that rank 2's connection is gone, before the trial and in the middle of it.
TEST(DataPath, ThatBreaksIsToldWithTheTransportsWords) {
  for (const bool before : {true, false}) {
    TrialCluster cluster(3);
    if (before) {
      cluster.at(0).fail_peer(Rank{2});
      cluster.run();
    } else {
      cluster.run([](std::uint32_t rank) { return rank == 2; });
      cluster.at(0).fail_peer(Rank{2});
      while (cluster.trials[0]->pass()) {
      }
    }
    EXPECT_TRUE(cluster.trials[0]->finished());
    const auto failure = cluster.trials[0]->failure();
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->peer, Rank{2});
    EXPECT_FALSE(failure->silent);
    EXPECT_THAT(failure->reason, HasSubstr("rank 2"));
  }
}

// Goal: an operation whose connection breaks names the other rank and what moved its bytes, also where the control
// plane knows of no loss. Method: over each algorithm, rank 0's transport loses rank 1 at moments spread over a step,
// so that starts are refused and transfers under way are ended.
TEST(BrokenPath, OfAnOperationNamesTheOtherRankAndTheWay) {
  std::uint32_t ended = 0;
  for (const AlgorithmKind algorithm : all_algorithms()) {
    const testing::ClusterCase c{algorithm, 2, std::nullopt};
    testing::TestCluster probe(c, transport::FaultOptions{});
    ASSERT_NO_FATAL_FAILURE(probe.step(0));
    const std::uint64_t duration_ns = probe.cluster->clock().now_ns();
    for (std::uint64_t moment = 0; moment < 32; ++moment) {
      testing::TestCluster test(c, transport::FaultOptions{});
      test.compress_all(0);
      test.reduce_all();
      test.cluster->run_to(duration_ns * moment / 32);
      test.cluster->faults(Rank{0}).fail_peer(Rank{1});
      const auto outcome = test.run(1'000'000'000)[0];
      if (outcome.code == Code::done) continue;
      ASSERT_EQ(outcome.code, Code::peer_lost) << algorithm_name(algorithm);
      EXPECT_EQ(outcome.error.rank, Rank{1});
      EXPECT_THAT(outcome.error.message, HasSubstr("between rank 0 and rank 1 over fault(sim)"));
      ended += outcome.error.message.find("a message ended as peer_lost") != std::string::npos ? 1u : 0u;
    }
  }
  EXPECT_GT(ended, 0u);
}

}  // namespace
}  // namespace gossamer::runtime
