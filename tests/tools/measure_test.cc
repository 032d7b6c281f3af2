#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <vector>

#include "tools/topo/measure_run.h"
#include "tools/topo/measure_summary.h"
#include "tools/topo/measurement_file.h"
#include "transport/simulation.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;
using topology::PairLoad;
using transport::SimLink;
using transport::SimOptions;

// A cluster whose ranks all measure, in one thread on a virtual clock.
class SimulatedCluster {
 public:
  SimulatedCluster(std::uint32_t rank_count, const SimOptions& network, const MeasureOptions& options,
                   std::uint32_t ranks_per_host = 1)
      : options_(options), network_(make_sim_network(network, clock_)) {
    transport::View view{Epoch{1}, {}, {}};
    for (std::uint32_t rank = 0; rank < rank_count; ++rank) {
      transports_.push_back(network_->make_transport());
      view.addresses.push_back(transports_.back()->address());
      if (rank % ranks_per_host == 0)
        parts_.measurement.hosts.push_back({text("node", rank / ranks_per_host), 4, {}, {}, 0});
      parts_.measurement.ranks.push_back({rank / ranks_per_host, false});
      parts_.place_of_rank.push_back(rank / ranks_per_host);
    }
    for (std::uint32_t rank = 0; rank < rank_count; ++rank) {
      view.rank = Rank{rank};
      EXPECT_TRUE(transports_[rank]->open_view(view).ok());
    }
    spare_ = network_->make_transport();
  }
  ~SimulatedCluster() {
    ranks_.clear();
    for (auto& each : transports_) EXPECT_TRUE(each->close_view(0).ok());
    memory_.clear();
  }
  SimulatedCluster(const SimulatedCluster&) = delete;
  SimulatedCluster& operator=(const SimulatedCluster&) = delete;

  CoordinatorParts& parts() { return parts_; }

  // Time passes by at least so much: quicker to play, and times are as coarse.
  void set_step(std::uint64_t step_ns) { step_ns_ = step_ns; }

  // The process of `rank` ends at this moment, and the others hear of it.
  void kill_at(std::uint32_t rank, std::uint64_t when_ns) { killed_ = {rank, when_ns}; }

  Measurement measure() {
    for (std::uint32_t rank = 0; rank < transports_.size(); ++rank) {
      memory_.push_back(*make_host_memory(*transports_[rank], options_.work.sizes.back()));
      const MeasureEnds ends = {transports_[rank].get(),
                                memory_.back().get(),
                                &clock_,
                                0,
                                Rank{rank},
                                static_cast<std::uint32_t>(transports_.size()),
                                {}};
      if (rank > 0) {
        ranks_.push_back(*make_member(ends, options_));
        continue;
      }
      auto made = *make_coordinator(ends, options_, parts_);
      coordinator_ = made.get();
      ranks_.push_back(std::move(made));
    }
    due_ns_.assign(ranks_.size(), 0);
    while (!all_finished()) step();
    return coordinator_->measurement();
  }

  [[nodiscard]] bool is_incomplete() const { return coordinator_->is_incomplete(); }
  [[nodiscard]] MeasureRank& rank(std::uint32_t number) { return *ranks_[number]; }
  [[nodiscard]] std::uint64_t now_ns() const { return clock_.now_ns(); }
  [[nodiscard]] std::uint64_t event_hash() const { return network_->event_hash(); }

 private:
  struct Killed {
    std::uint32_t rank = UINT32_MAX;
    std::uint64_t when_ns = UINT64_MAX;
  };

  bool all_finished() {
    for (std::uint32_t rank = 0; rank < ranks_.size(); ++rank) {
      if (rank != killed_.rank && !ranks_[rank]->finished()) return false;
    }
    return true;
  }

  void step() {
    bool moved = false;
    std::uint64_t next_ns = UINT64_MAX;
    for (std::uint32_t rank = 0; rank < ranks_.size(); ++rank) {
      if (rank == killed_.rank && is_told_) continue;
      if (ranks_[rank]->finished()) continue;
      // Who sleeps is not asked.
      if (due_ns_[rank] <= clock_.now_ns()) {
        const bool has_moved = ranks_[rank]->advance();
        due_ns_[rank] = has_moved ? 0 : ranks_[rank]->wake_ns();
        moved = moved || has_moved;
      }
      if (due_ns_[rank] > clock_.now_ns()) next_ns = std::min(next_ns, due_ns_[rank]);
    }
    if (moved) return;
    static_cast<void>(spare_->poll({}));  // what arrives while all sleep arrives
    if (const auto event_ns = network_->next_event_ns()) next_ns = std::min(next_ns, *event_ns);
    if (clock_.now_ns() < killed_.when_ns && next_ns >= killed_.when_ns) next_ns = killed_.when_ns;
    // Lanes under way with nothing on the network wait for their patience to end.
    if (next_ns == UINT64_MAX) next_ns = clock_.now_ns() + 1'000'000;
    clock_.advance_to(std::max(next_ns, clock_.now_ns() + step_ns_));
    if (clock_.now_ns() >= killed_.when_ns && !is_told_) {
      is_told_ = true;
      due_ns_.assign(ranks_.size(), 0);
      network_->kill(transports_[killed_.rank]->address());
      for (std::uint32_t rank = 0; rank < ranks_.size(); ++rank)
        if (rank != killed_.rank) ranks_[rank]->lose(Rank{killed_.rank}, true);
    }
  }

  MeasureOptions options_;
  VirtualClock clock_;
  std::unique_ptr<transport::SimNetwork> network_;
  std::vector<std::unique_ptr<transport::Transport>> transports_;
  std::unique_ptr<transport::Transport> spare_;  // of nobody: moves the network on
  CoordinatorParts parts_;
  std::vector<std::unique_ptr<LaneMemory>> memory_;
  std::vector<std::unique_ptr<MeasureRank>> ranks_;
  MeasureCoordinator* coordinator_ = nullptr;
  std::vector<std::uint64_t> due_ns_;
  std::uint64_t step_ns_ = 0;
  Killed killed_;
  bool is_told_ = false;
};

MeasureOptions few_turns() {
  MeasureOptions options;
  options.work = {{8, 4'096, 32'768}, 3, 4, 4, 2};
  options.pair_ns = 5'000'000;
  return options;
}

// Links that all differ, by both ends.
SimLink link_of(std::uint32_t from, std::uint32_t to) {
  return {1'000 + 100 * from + 10 * to, 1.0 + 0.05 * from + 0.01 * to};
}

SimOptions without_jitter() {
  SimOptions network;
  network.jitter_ns = 0;
  network.link = link_of;
  return network;
}

const topology::PairMeasurement* find(const Measurement& m, PairLoad load, std::uint32_t from, std::uint32_t to) {
  for (const auto& pair : m.pairs)
    if (pair.load == load && pair.from == from && pair.to == to) return &pair;
  return nullptr;
}

// Goal: what the network was told comes out again, each direction its own, in 64 ranks. Method: 64 ranks on links of
// known latency and bandwidth without jitter; a round trip's latency is the mean of both ways.
TEST(Measure, FindsLatencyAndBandwidthOfEveryLinkOf64Ranks) {
  MeasureOptions options = few_turns();
  options.loaded = false;
  options.retested = 0.0;
  SimulatedCluster cluster(64, without_jitter(), options);
  const Measurement m = cluster.measure();
  ASSERT_EQ(m.pairs.size(), 64u * 63);
  EXPECT_FALSE(cluster.is_incomplete());
  for (const auto& pair : m.pairs) {
    ASSERT_TRUE(pair.fit) << pair.from << " to " << pair.to << pair.missing;
    const SimLink there = link_of(pair.from, pair.to);
    const SimLink back = link_of(pair.to, pair.from);
    const double latency_ns = static_cast<double>(there.latency_ns + back.latency_ns) / 2;
    EXPECT_NEAR(pair.fit->alpha_ns.value, latency_ns, 0.02 * latency_ns) << pair.from << " to " << pair.to;
    EXPECT_NEAR(pair.fit->beta_ns_per_byte.value, 1 / there.bytes_per_ns, 0.01 / there.bytes_per_ns);
    EXPECT_LE(pair.fit->beta_ns_per_byte.low, 1.001 / there.bytes_per_ns);
    EXPECT_GE(pair.fit->beta_ns_per_byte.high, 0.999 / there.bytes_per_ns);
    EXPECT_EQ(pair.passes, 1u);
  }
}

// Goal: both loads, odd counts, and hosts that ranks share: every ordered pair once, and equal seeds give equal files.
// Method: 7 ranks on 4 hosts, twice, with jitter.
TEST(Measure, MeasuresEveryPairInBothLoadsAndRepeats) {
  SimOptions network;
  network.seed = 3;
  std::set<std::string> files;
  std::set<std::uint64_t> hashes;
  for (int run = 0; run < 2; ++run) {
    SimulatedCluster cluster(7, network, few_turns(), 2);
    const Measurement m = cluster.measure();
    EXPECT_EQ(m.pairs.size(), 2u * 7 * 6);
    for (const auto& pair : m.pairs) EXPECT_EQ(pair.sizes.size(), 3u) << pair.from << " to " << pair.to << pair.missing;
    files.insert(write_measurement(m));
    hashes.insert(cluster.event_hash());
    const auto read = parse_measurement(*files.begin(), "m");
    EXPECT_TRUE(read.ok()) << read.error().message;
  }
  EXPECT_EQ(files.size(), 1u);
  EXPECT_EQ(hashes.size(), 1u);
}

// Goal: a loaded pass is loaded: what a rank receives does not wait, what it sends waits behind what its own answers
// send. Method: under load no pair is quicker than idle.
TEST(Measure, IsNotQuickerUnderLoad) {
  SimulatedCluster cluster(4, without_jitter(), few_turns());
  const Measurement m = cluster.measure();
  for (const auto& pair : m.pairs) {
    if (pair.load == PairLoad::idle) continue;
    const auto* idle = find(m, PairLoad::idle, pair.from, pair.to);
    ASSERT_NE(idle, nullptr);
    for (std::size_t i = 0; i < pair.sizes.size(); ++i)
      EXPECT_GE(pair.sizes[i].p50_ns.value, 0.999 * idle->sizes[i].p50_ns.value);
  }
}

// Goal: a death in mid-run leaves NA with the host's name for its pairs, all others measured, and everybody ends.
// Method: rank 5 of 8 dies half through the 28 idle slots.
TEST(Measure, KeepsWhatIsMeasuredWhenARankDies) {
  SimulatedCluster cluster(8, without_jitter(), few_turns(), 8);
  cluster.kill_at(5, 14 * few_turns().pair_ns);
  const Measurement m = cluster.measure();
  EXPECT_TRUE(cluster.is_incomplete());
  EXPECT_EQ(m.pairs.size(), 2u * 8 * 7);
  EXPECT_TRUE(m.ranks[5].died);
  std::size_t missing = 0;
  for (const auto& pair : m.pairs) {
    const bool is_its_own = pair.from == 5 || pair.to == 5;
    EXPECT_TRUE(is_its_own || !pair.sizes.empty()) << pair.from << " to " << pair.to << ": " << pair.missing;
    if (pair.missing.empty()) continue;
    EXPECT_EQ(pair.missing, "rank 5 on node0 died");
    ++missing;
  }
  EXPECT_GE(missing, 14u);
  EXPECT_LT(missing, 28u);
  EXPECT_EQ(missing_words(m).rfind("rank 5 on node0 died: ", 0), 0u) << missing_words(m);
  for (std::uint32_t rank = 1; rank < 8; ++rank) {
    if (rank == 5) continue;
    EXPECT_TRUE(cluster.rank(rank).status().ok() && cluster.rank(rank).is_incomplete());
  }
}

// Goal: without rank 0 nobody waits for ever. Method: it dies; each member ends with words that name it.
TEST(Measure, EndsEverywhereWhenRank0Dies) {
  SimulatedCluster cluster(4, without_jitter(), few_turns());
  cluster.kill_at(0, 2 * few_turns().pair_ns);
  static_cast<void>(cluster.measure());
  for (std::uint32_t rank = 1; rank < 4; ++rank) {
    ASSERT_FALSE(cluster.rank(rank).status().ok());
    EXPECT_EQ(cluster.rank(rank).status().error().code, Code::peer_lost);
  }
}

// Goal: what a file has is not measured again. Method: half of a result's idle pairs are given; no slot of theirs is
// planned, they come out as they went in, and the rest is measured.
TEST(Measure, ResumesWithWhatIsMissing) {
  MeasureOptions options = few_turns();
  options.loaded = false;
  Measurement first;
  {
    SimulatedCluster cluster(6, without_jitter(), options, 6);
    first = cluster.measure();
    EXPECT_EQ(planned_slots(options, cluster.parts()), 15u);
  }
  Measurement half = first;
  std::erase_if(half.pairs, [](const auto& pair) { return std::min(pair.from, pair.to) > 0; });
  for (auto& pair : half.pairs) pair.sizes.front().count = 4'711;
  SimulatedCluster cluster(6, without_jitter(), options, 6);
  cluster.parts().measurement.pairs = half.pairs;
  EXPECT_EQ(planned_slots(options, cluster.parts()), 10u);
  const Measurement all = cluster.measure();
  ASSERT_EQ(all.pairs.size(), first.pairs.size());
  for (const auto& pair : all.pairs)
    EXPECT_EQ(pair.sizes.front().count == 4'711, std::min(pair.from, pair.to) == 0) << pair.from << " to " << pair.to;
}

// Goal: a pair that something disturbs once is measured again, and what is then believed is undisturbed; one that is
// slow stays slow. Method: the link from 1 to 2 is ten times slower for the messages of one lane, that from 4 to 3 for
// all.
TEST(Measure, LooksAgainAtWhatIsSuspicious) {
  MeasureOptions options = few_turns();
  options.pair_ns = 20'000'000;
  options.loaded = false;
  SimOptions network;
  network.jitter_ns = 0;
  std::size_t asked = 0;
  network.link = [&asked](std::uint32_t from, std::uint32_t to) {
    const bool is_disturbed = from == 1 && to == 2 && ++asked < 45;
    const bool is_slow = from == 4 && to == 3;
    return SimLink{2'000, is_disturbed || is_slow ? 0.1 : 1.0};
  };
  SimulatedCluster cluster(8, network, options, 8);
  const Measurement m = cluster.measure();
  EXPECT_EQ(find(m, PairLoad::idle, 1, 2)->passes, 2u);
  EXPECT_EQ(find(m, PairLoad::idle, 4, 3)->passes, 2u);
  EXPECT_EQ(find(m, PairLoad::idle, 6, 7)->passes, 1u);
  EXPECT_NEAR(find(m, PairLoad::idle, 1, 2)->fit->beta_ns_per_byte.value, 1.0, 0.1);
  EXPECT_NEAR(find(m, PairLoad::idle, 4, 3)->fit->beta_ns_per_byte.value, 10.0, 0.5);
}

// Goal: of a thousand ranks a twentieth of the pairs says how fast each rank is. Method: 1,024 ranks on 1,024 hosts,
// three of them with a tenth of the bandwidth; for every rank the median of its directions.
TEST(Measure, SamplesAThousandRanks) {
  MeasureOptions options = few_turns();
  options.loaded = false;
  options.fraction = 0.008;
  options.retested = 0.0;
  options.work = {{8, 4'096}, 1, 1, 1, 1};
  const std::set<std::uint32_t> slow = {17, 500, 1'023};
  SimOptions network;
  network.link = [&slow](std::uint32_t from, std::uint32_t to) {
    return SimLink{2'000, slow.count(from) + slow.count(to) > 0 ? 0.1 : 1.0};
  };
  SimulatedCluster cluster(1'024, network, options);
  cluster.set_step(500);
  const Measurement m = cluster.measure();
  EXPECT_LT(static_cast<double>(m.pairs.size()), 0.01 * 1'024 * 1'023);
  std::vector<std::vector<double>> betas(1'024);
  for (const auto& pair : m.pairs) {
    ASSERT_TRUE(pair.fit) << pair.missing;
    betas[pair.from].push_back(pair.fit->beta_ns_per_byte.value);
  }
  for (std::uint32_t rank = 0; rank < 1'024; ++rank) {
    ASSERT_GE(betas[rank].size(), 8u);
    std::sort(betas[rank].begin(), betas[rank].end());
    EXPECT_EQ(betas[rank][betas[rank].size() / 2] > 5.0, slow.count(rank) > 0) << rank;
  }
  EXPECT_NE(measurement_summary(m).find("sampled: "), std::string::npos);
}

}  // namespace
}  // namespace gossamer::tools
