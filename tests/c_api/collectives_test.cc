// Collectives between real processes in which one rank is wrong, late, without memory or gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "base/base.h"
#include "tests/c_api/peer_group.h"
#include "tests/tools/temporary_folder.h"

namespace gossamer::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds patience{60};

void expect_all_end(PeerGroup& group, unsigned rank_count) { testing::expect_all_end(group, rank_count, patience); }

PeerGroupOptions peers(unsigned rank_count, std::vector<std::string> arguments) {
  return {.rank_count = rank_count, .arguments = std::move(arguments), .program = COLLECTIVE_PEER};
}

// How long the rank was in gossamer_finalize.
long finalize_ms(const PeerGroup& group, unsigned rank) {
  const std::string words = "finalized in ";
  const std::size_t at = group.output(rank).find(words);
  return at == std::string::npos ? -1 : std::atol(group.output(rank).c_str() + at + words.size());
}

class CollectivesOf : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Ranks, CollectivesOf, ::testing::Values(2, 3, 4));

// Goal: every mistake of one rank in a collective call is told to the others at once, by rank and words, and the next
// collective works. Method: fifteen mistakes one after the other; the init timeout is longer than the test's patience.
TEST_P(CollectivesOf, AMistakeOfOneRankIsToldToAll) {
  PeerGroupOptions options = peers(GetParam(), {"mistakes"});
  options.environment = {{"GOSSAMER_INIT_TIMEOUT_S", "300"}};
  PeerGroup group(options);
  expect_all_end(group, GetParam());
}

// Goal: a refused reduce gives the operation that is in flight, and the loop that users write ends. Method: rank 0
// starts before the others may.
TEST_P(CollectivesOf, ARefusedReduceKeepsTheOperation) {
  PeerGroup group(peers(GetParam(), {"busy"}));
  expect_all_end(group, GetParam());
}

// Goal: one rank without memory fails a compressor on all, and what is made next has the right values. Method: a limit
// of address space on rank 1 alone.
TEST_P(CollectivesOf, OneRankWithoutMemoryFailsTheCompressorOnAll) {
#ifdef GOSSAMER_SANITIZE
  GTEST_SKIP() << "sanitizers need the address space that this test takes away";
#endif
  PeerGroup group(peers(GetParam(), {"memory"}));
  expect_all_end(group, GetParam());
}

// Goal: the last step of a rank that computes between its tests is not lost when the others finalize. Method: longer
// between two tests than the silence that makes a rank that left a lost one.
TEST_P(CollectivesOf, TheLastStepOfALateRankIsNotLost) {
  PeerGroup group(peers(GetParam(), {"late", "250"}));
  expect_all_end(group, GetParam());
}

// Goal: broadcasts have no end, and each has the right bytes. Method: more than there are plan numbers, from all roots,
// with the agreement and over plans in turn.
TEST(Broadcasts, HaveNoEnd) {
  PeerGroup group(peers(2, {"broadcasts", "4200"}));
  expect_all_end(group, 2);
}

// Goal: a broadcast ends within its time, whatever it has to do, and the next one is right. Method: 100 MB in 1 us and
// in 3 ms.
TEST(Broadcasts, EndWithinTheirTime) {
  for (const char* limit_us : {"1", "3000"}) {
    PeerGroup group(peers(3, {"deadline", limit_us}));
    ASSERT_NO_FATAL_FAILURE(expect_all_end(group, 3)) << limit_us << " us";
  }
}

// Goal: an abort ends what hangs, in any thread, with and without a progress thread, and the others hear of it. Method:
// rank 0 hangs in an operation while the others are in a barrier, and the other way round.
TEST(Abort, EndsWhatHangsAndTellsTheOthers) {
  for (const char* in_operation : {"1", "0"}) {
    for (const char* progress : {"inline", "thread"}) {
      PeerGroupOptions options = peers(3, {"abort", in_operation});
      options.environment = {{"GOSSAMER_PROGRESS", progress}};
      PeerGroup group(options);
      ASSERT_NO_FATAL_FAILURE(expect_all_end(group, 3)) << in_operation << progress;
      EXPECT_LT(finalize_ms(group, 0), 3000);
    }
  }
}

// Goal: an event loop learns of the ends of operations by one descriptor. Method: four operations at once on each rank,
// twenty times, and no call into the library but those that start them.
TEST(Completion, ADescriptorBecomesReadable) {
  PeerGroupOptions options = peers(3, {"descriptor"});
  options.environment = {{"GOSSAMER_PROGRESS", "thread"}};
  PeerGroup group(options);
  expect_all_end(group, 3);
}

// Goal: the report names the rank that others wait for. Method: the last of two ranks, and of three in shared memory,
// starts when the others have waited for it in vain; in shared memory and over TCP, with a progress thread and without.
TEST(Straggler, IsNamedInTheReport) {
  for (const char* progress : {"inline", "thread"}) {
    for (const bool is_shared : {true, false}) {
      const unsigned ranks = is_shared ? 3 : 2;
      PeerGroupOptions options = peers(ranks, {"straggler"});
      options.environment = {{"GOSSAMER_PROGRESS", progress}};
      if (!is_shared) options.environment["UCX_TLS"] = "tcp,self";
      PeerGroup group(options);
      ASSERT_NO_FATAL_FAILURE(expect_all_end(group, ranks)) << progress << is_shared;
    }
  }
}

// Goal: a state goes through a file into another compressor, on all ranks or on none. Method: two ranks, one of which
// at first has no file.
TEST(State, GoesThroughAFile) {
  const tools::TemporaryFolder folder;
  PeerGroup group(peers(2, {"state", folder.path()}));
  expect_all_end(group, 2);
}

// Goal: who finalizes waits neither for a peer that only computes nor for one that needs it in vain, and that one reads
// that it left. Method: rank 0 leaves; the others compute for 2 s, or start another step.
TEST(EarlyFinalize, WaitsForNobodyWhoNeedsNothing) {
  for (const char* evaluate_ms : {"2000", "0"}) {
    PeerGroup group(peers(3, {"early", evaluate_ms}));
    ASSERT_NO_FATAL_FAILURE(expect_all_end(group, 3));
    EXPECT_GE(finalize_ms(group, 0), 0);
    EXPECT_LT(finalize_ms(group, 0), 1500) << evaluate_ms;
  }
}

}  // namespace
}  // namespace gossamer::testing
