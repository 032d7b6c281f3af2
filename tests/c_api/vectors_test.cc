// Users' collectives between real processes: every kind, groups, mistakes, deaths, and many of them for long.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>

#include "tests/c_api/peer_group.h"
#include "tests/support/sweep.h"

namespace gossamer::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds patience{100};

PeerGroupOptions peers(unsigned rank_count, std::vector<std::string> arguments) {
  return {.rank_count = rank_count, .arguments = std::move(arguments), .program = VECTOR_PEER};
}

void expect_all_end(PeerGroup& group, unsigned rank_count) { testing::expect_all_end(group, rank_count, patience); }

class VectorsOf : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Ranks, VectorsOf, ::testing::Values(1, 2, 3, 4, 6));

// Goal: every kind, from nothing to some MB, again and again on the same memory. Method: whole numbers beside a loop;
// the caller's memory and gossamer_allocate's.
TEST_P(VectorsOf, AreWhatALoopSays) {
  for (const char* mode : {"kinds", "allocated"}) {
    PeerGroup group(peers(GetParam(), {mode}));
    expect_all_end(group, GetParam());
  }
}

// Goal: the same over TCP. Method: UCX without shared memory.
TEST_P(VectorsOf, AreWhatALoopSaysOverTcp) {
  PeerGroupOptions options = peers(GetParam(), {"kinds"});
  options.environment = {{"UCX_TLS", "tcp,self"}};
  PeerGroup group(options);
  expect_all_end(group, GetParam());
}

// Goal: groups that overlap, made and dropped while all ranks sum. Method: parities, and all but the first.
TEST_P(VectorsOf, OfGroupsDoNotMeet) {
  PeerGroup group(peers(GetParam(), {"groups"}));
  expect_all_end(group, GetParam());
}

// Goal: a mistake of one rank is told to the others at once, and the next call works. Method: one after the other; the
// init timeout is longer than the test's patience.
TEST(Vectors, AMistakeOfOneRankIsToldToAll) {
  PeerGroupOptions options = peers(3, {"mistakes"});
  options.environment = {{"GOSSAMER_INIT_TIMEOUT_S", "300"}};
  PeerGroup group(options);
  expect_all_end(group, 3);
}

// Goal: a death in the middle of a sum ends the others', with its rank. Method: SIGKILL once all have begun.
class VectorsAfterADeath : public VectorsOf {};
INSTANTIATE_TEST_SUITE_P(Ranks, VectorsAfterADeath, ::testing::Values(2, 3, 4, 6));
TEST_P(VectorsAfterADeath, EndWithTheRankThatDied) {
  PeerGroup group(peers(GetParam(), {"death"}));
  for (unsigned r = 0; r < GetParam(); ++r) ASSERT_TRUE(group.wait_for_line(r, "ready", patience)) << group.output(r);
  group.signal(1, SIGKILL);
  for (unsigned r = 0; r < GetParam(); ++r) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << "rank " << r << " hangs:\n" << group.output(r);
    if (r == 1) continue;
    EXPECT_THAT(group.output(r), HasSubstr("GOSSAMER_PEER_LOST")) << "rank " << r;
    EXPECT_THAT(group.output(r), HasSubstr("rank 1")) << "rank " << r;
  }
}

// Goal: neighbour exchange over every graph of any number of ranks comes to the mean, in a group too, many in flight.
// Method: thirty turns, each rank in an order of its own; shared memory and TCP.
class NeighborsOf : public VectorsOf {};
INSTANTIATE_TEST_SUITE_P(Ranks, NeighborsOf, ::testing::Values(1, 2, 3, 4));
TEST_P(NeighborsOf, ComeToTheMean) {
  for (const char* transports : {"", "tcp,self"}) {
    PeerGroupOptions options = peers(GetParam(), {"gossip", "7"});
    if (*transports != '\0') options.environment = {{"UCX_TLS", transports}};
    PeerGroup group(options);
    expect_all_end(group, GetParam());
  }
}

// Goal: graphs that differ or do not mix are told to all, in words. Method: one after the other.
TEST(Neighbors, AMistakeOfOneRankIsToldToAll) {
  PeerGroupOptions options = peers(3, {"graph_mistakes"});
  options.environment = {{"GOSSAMER_INIT_TIMEOUT_S", "300"}};
  PeerGroup group(options);
  expect_all_end(group, 3);
}

// Goal: after two deaths, one after the other, those who are left go on and come together, while sums end as lost.
// Method: SIGKILL in the middle of exchanges of five; what each ends with is printed.
// Over TCP: a rank that is killed while it sends through UCX's shared memory can leave its receiver's queue stuck for
// all.
TEST(Neighbors, GoOnWithoutTheDead) {
  PeerGroupOptions options = peers(5, {"gossip_death", "300"});
  options.environment = {{"UCX_TLS", "tcp,self"}};
  PeerGroup group(options);
  for (unsigned r = 0; r < 5; ++r) ASSERT_TRUE(group.wait_for_line(r, "ready", patience)) << group.output(r);
  group.signal(1, SIGKILL);
  group.signal(4, SIGKILL);
  std::vector<double> values;
  for (const unsigned r : {0u, 2u, 3u}) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << "rank " << r << " hangs:\n" << group.output(r);
    const std::string& output = group.output(r);
    const std::size_t at = output.find("value ");
    ASSERT_NE(at, std::string::npos) << "rank " << r << ":\n" << output;
    values.push_back(std::atof(output.c_str() + at + 6));
  }
  EXPECT_NEAR(values[0], values[1], 1e-4);
  EXPECT_NEAR(values[0], values[2], 1e-4);
  EXPECT_GE(values[0], 0.0);
  EXPECT_LE(values[0], 4.0);
}

// Goal: nothing grows and nothing hangs. Method: mixed operations, up to a dozen in flight, with eight ranks; each
// value of the sweep is a seed.
TEST(VectorSoak, OfEightRanksNeitherGrowsNorHangs) {
  // What the address sanitizer keeps of freed memory is no growth of ours.
  const char* const given = std::getenv("ASAN_OPTIONS");
  const std::string options = given == nullptr ? "" : given;
  ::setenv("ASAN_OPTIONS", (options + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64").c_str(), 1);
  for (const std::uint64_t seed : sweep({1, 25}, 1)) {
    SCOPED_TRACE(replay_of(seed));
    PeerGroup group(peers(8, {"soak", sweep_choice().sample ? "10000" : "2000", std::to_string(seed)}));
    expect_all_end(group, 8);
  }
  ::setenv("ASAN_OPTIONS", options.c_str(), 1);
}

}  // namespace
}  // namespace gossamer::testing
