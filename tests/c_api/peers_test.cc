// Real processes over real UCX: all rank counts agree, and every way to fail ends in time with the right words.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>

#include "base/base.h"
#include "tests/c_api/peer_group.h"
#include "tests/support/sweep.h"
#include "tests/tools/temporary_folder.h"

namespace gossamer::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr seconds patience{60};

void expect_all_done(PeerGroup& group, unsigned rank_count, const std::string& line) {
  for (unsigned r = 0; r < rank_count; ++r) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << "rank " << r << " hangs:\n" << group.output(r);
    ASSERT_TRUE(WIFEXITED(group.status(r)) && WEXITSTATUS(group.status(r)) == 0) << "rank " << r << ":\n"
                                                                                 << group.output(r);
    EXPECT_THAT(group.output(r), HasSubstr(line));
  }
  EXPECT_THAT(shared_memory_left(group.job()), ::testing::IsEmpty());
}

class RankCounts : public ::testing::TestWithParam<unsigned> {};

// Goal: every rank count ends with the same weights on all ranks. Method: all algorithms, weights compared by hash.
TEST_P(RankCounts, EndWithEqualWeights) {
  for (const char* algorithm : {"1", "2", "3", "4"}) {
    PeerGroup group({.rank_count = GetParam(), .arguments = {"--algorithm", algorithm, "--steps", "12"}});
    ASSERT_NO_FATAL_FAILURE(expect_all_done(group, GetParam(), "done 12"));
  }
}
INSTANTIATE_TEST_SUITE_P(Peers, RankCounts, ::testing::Values(1, 2, 3, 4, 6, 8));

// Goal: a progress thread gives the same result as progress inside wait. Method: both, three ranks.
TEST(Progress, ThreadAndInlineBothWork) {
  for (const char* progress : {"1", "2"}) {
    PeerGroup group({.rank_count = 3, .arguments = {"--progress", progress, "--steps", "30"}});
    ASSERT_NO_FATAL_FAILURE(expect_all_done(group, 3, "done 30"));
  }
}

// Goal: the tcp lanes alone work as well as shared memory. Method: UCX forced to tcp.
TEST(Lanes, TcpAloneWorks) {
  PeerGroup group({.rank_count = 3, .arguments = {"--steps", "12"}, .environment = {{"UCX_TLS", "tcp,self"}}});
  expect_all_done(group, 3, "done 12");
}

// Goal: NaN on one rank is an error with rank and index on every rank, and the steps after it work.
TEST(NonFinite, IsNamedOnEveryRankAndTheNextStepWorks) {
  PeerGroup group({.rank_count = 4, .arguments = {"--steps", "8", "--nan-at", "3"}});
  expect_all_done(group, 4, "done 7");
  for (unsigned r = 0; r < 4; ++r) EXPECT_THAT(group.output(r), HasSubstr("not finite: rank 1 index 4321"));
}

// Kills `victim` once rank 0 has taken some steps, after a random while, and checks every survivor.
void kill_one_of_four(unsigned victim, const char* algorithm, const char* schedule, unsigned delay_us) {
  PeerGroup group(
      {.rank_count = 4, .arguments = {"--algorithm", algorithm, "--schedule", schedule, "--steps", "1000000"}});
  for (unsigned r = 0; r < 4; ++r) ASSERT_TRUE(group.wait_for_line(r, "ready", patience)) << group.output(r);
  // A random moment inside the steps: what passes here is the peers' work, not a wait for a state.
  const auto moment = steady_clock::now() + std::chrono::microseconds(delay_us);
  while (steady_clock::now() < moment) {
  }
  group.signal(victim, SIGKILL);
  const auto killed_at = steady_clock::now();
  for (unsigned r = 0; r < 4; ++r) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << "rank " << r << " hangs after the death of rank " << victim << ":\n"
                                                 << group.output(r);
    if (r == victim) continue;
    const auto took = std::chrono::duration_cast<milliseconds>(group.ended_at(r) - killed_at).count();
    EXPECT_LT(took, GOSSAMER_KILL_LIMIT_MS) << "rank " << r << ":\n" << group.output(r);
    EXPECT_TRUE(WIFEXITED(group.status(r)) && WEXITSTATUS(group.status(r)) == 10)
        << "rank " << r << " status " << group.status(r) << ":\n"
        << group.output(r);
    EXPECT_THAT(group.output(r), HasSubstr(text("error GOSSAMER_PEER_LOST at step, rank ", victim, ",")))
        << "rank " << r;
    EXPECT_THAT(group.output(r), HasSubstr("finalized")) << "rank " << r;
  }
  EXPECT_THAT(shared_memory_left(group.job()), ::testing::IsEmpty());
}

// Goal: killing any one of four at a random moment, twenty times: each survivor ends with the right error in
// under 2 s, without a leftover in shared memory. Method: seeded moments, victims, algorithms. A sweep over 1,000
// kills.
TEST(Kill, TwentyTimesEachSurvivorNamesTheVictimInTime) {
  for (const std::uint64_t seed : sweep({1, 1'000}, 20)) {
    SCOPED_TRACE(replay_of(seed));
    Random random(seed);
    const auto victim = static_cast<unsigned>(random.below(4));
    const std::string algorithm = std::to_string(1 + random.below(4));
    const auto delay_us = static_cast<unsigned>(random.below(60'000));
    ASSERT_NO_FATAL_FAILURE(kill_one_of_four(victim, algorithm.c_str(), "0", delay_us));
    if (HasFailure()) FAIL() << "victim " << victim << ", algorithm " << algorithm;
  }
}

class KillOnSchedule : public ::testing::TestWithParam<const char*> {};

// Goal: the same on every schedule. Method: gs-SGD, each victim once.
TEST_P(KillOnSchedule, EachVictimIsNamed) {
  for (unsigned victim = 0; victim < 4; ++victim)
    ASSERT_NO_FATAL_FAILURE(kill_one_of_four(victim, "1", GetParam(), 7'000 * (victim + 1)));
}
INSTANTIATE_TEST_SUITE_P(Schedules, KillOnSchedule, ::testing::Values("1", "2", "3", "4", "5"));

// Goal: who waits for a stopped peer is told who waits for whom, in which step, and for how long. Method: rank 1
// stops itself; the others wait for half a second.
TEST(Stopped, TheWaitSaysWhoWaitsForWhom) {
  PeerGroup group(
      {.rank_count = 3, .arguments = {"--steps", "9", "--stop-at", "2", "--wait-ms", "500", "--schedule", "3"}});
  for (const unsigned r : {0u, 2u}) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << group.output(r);
    EXPECT_THAT(group.output(r),
                ::testing::ContainsRegex(text("error GOSSAMER_DEADLINE at step, rank -1, index -1: rank ", r,
                                              " waits for rank [0-9], gs-sgd step 3, sketch .* slice [0-9], 5")));
  }
}

// Goal: a rank that is stopped while it exchanges is given up by all others within its lease, with its rank and the
// reason, and ends with an error of its own when it goes on. Method: SIGSTOP of each of three ranks in turn, in the
// middle of steps without end; waits without a limit worth naming; SIGCONT when the others have ended.
TEST(Stopped, RankIsGivenUpWithinItsLeaseAndLearnsIt) {
  for (unsigned victim = 0; victim < 3; ++victim) {
    PeerGroup group({.rank_count = 3, .arguments = {"--steps", "1000000"}, .environment = {{"GOSSAMER_LEASE_S", "1"}}});
    for (unsigned r = 0; r < 3; ++r) ASSERT_TRUE(group.wait_for_line(r, "step 100", patience)) << group.output(r);
    group.signal(victim, SIGSTOP);
    const auto stopped_at = steady_clock::now();
    for (unsigned r = 0; r < 3; ++r) {
      if (r == victim) continue;
      ASSERT_TRUE(group.wait_for_end(r, patience)) << "rank " << r << " hangs:\n" << group.output(r);
      const auto took = std::chrono::duration_cast<milliseconds>(group.ended_at(r) - stopped_at).count();
      EXPECT_GT(took, 800) << "rank " << r;
      EXPECT_LT(took, 2'000 + GOSSAMER_KILL_LIMIT_MS) << "rank " << r;
      EXPECT_THAT(group.output(r), HasSubstr(text("error GOSSAMER_PEER_LOST at step, rank ", victim,
                                                  ", index -1: rank ", victim, " is lost: it has not answered for ")));
    }
    group.signal(victim, SIGCONT);
    ASSERT_TRUE(group.wait_for_end(victim, patience)) << "the stopped rank hangs:\n" << group.output(victim);
    EXPECT_THAT(group.output(victim), ::testing::AllOf(HasSubstr("error GOSSAMER_PEER_LOST at step"),
                                                       HasSubstr("it gave this rank up"), HasSubstr("finalized")));
    EXPECT_THAT(shared_memory_left(group.job()), ::testing::IsEmpty());
  }
}

// Goal: a configuration that differs on one rank is refused on every rank with the field and both values.
TEST(Mismatch, IsRefusedOnEveryRankWithBothValues) {
  PeerGroup group({.rank_count = 3,
                   .arguments = {"--columns", "4096"},
                   .environment = {},
                   .environment_of = {{2, {{"EXCHANGE_PEER_COLUMNS", "8192"}}}}});
  for (unsigned r = 0; r < 3; ++r) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << group.output(r);
    EXPECT_THAT(group.output(r), HasSubstr("error GOSSAMER_MISMATCH at compressor"));
    EXPECT_THAT(group.output(r), ::testing::AllOf(HasSubstr("columns"), HasSubstr("4096"), HasSubstr("8192")));
  }
  EXPECT_THAT(shared_memory_left(group.job()), ::testing::IsEmpty());  // they exit without finalize
}

// What a rank printed behind `word` at the beginning of a line.
std::string said(const PeerGroup& group, unsigned rank, const std::string& word) {
  const std::string output = "\n" + group.output(rank);
  const std::size_t at = output.find("\n" + word);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + 1 + word.size();
  return output.substr(begin, output.find('\n', begin) - begin);
}

// A butterfly over four ranks, distance 2 first: no kind does it.
constexpr const char* far_pairs_first =
    "gossamer-schedule 1\nkind butterfly\ncollective all-reduce\nranks 4\nroot 0\nslices 1\n"
    "rank 0\nsend 0+1 to 2; merge 0+1 from 2\nsend 0+1 to 1; merge 0+1 from 1\n"
    "rank 1\nsend 0+1 to 3; merge 0+1 from 3\nsend 0+1 to 0; merge 0+1 from 0\n"
    "rank 2\nsend 0+1 to 0; merge 0+1 from 0\nsend 0+1 to 3; merge 0+1 from 3\n"
    "rank 3\nsend 0+1 to 1; merge 0+1 from 1\nsend 0+1 to 2; merge 0+1 from 2\nend\n";

// Goal: a schedule that a user wrote, rules, and two levels over hosts run between processes, with the right sums.
// Method: dense, whose sums are exact here: the weights of each have the bits of a tree's; the log says which it was.
TEST(UserSchedule, EndsWithTheWeightsOfATree) {
  const tools::TemporaryFolder folder;
  std::ofstream(folder / "pairs.txt") << far_pairs_first;
  const auto run = [&](const std::string& schedule, const std::map<std::string, std::string>& environment,
                       bool on_two_hosts, const std::string& log) -> std::string {
    PeerGroupOptions options{.rank_count = 4,
                             .arguments = {"--algorithm", "4", "--steps", "5", "--schedule", schedule, "--log", "1"},
                             .environment = environment};
    if (on_two_hosts)
      for (unsigned r = 0; r < 4; ++r) options.environment_of[r] = {{"GOSSAMER_HOST", r < 2 ? "a" : "b"}};
    PeerGroup group(options);
    expect_all_done(group, 4, "done 5");
    EXPECT_THAT(group.output(0), ::testing::ContainsRegex("all-reduce over 4 ranks.*: " + log));
    return said(group, 0, "weights ");
  };
  const std::string expected = run("1", {}, false, "binomial-tree .as configured");
  EXPECT_EQ(expected.size(), 16u);
  EXPECT_EQ(run("0", {{"GOSSAMER_SCHEDULE", "file:" + (folder / "pairs.txt")}}, false, "file:.*by the rule"), expected);
  EXPECT_EQ(run("0", {{"GOSSAMER_SCHEDULE", "0-4k:star;4k-:ring"}}, false, "ring .by the rule \"4k-:ring\""), expected);
  EXPECT_EQ(run("0", {{"GOSSAMER_COST", "near shared-memory; far tcp-1g"}}, true, "(rails|leaders) of "), expected);
}

// Goal: ranks whose rules, or whose files of one name, differ are told at joining; a file that cannot be read, and a
// wrong one with the proof's words, on every rank. Method: rules of two texts; files of one relative path in two
// folders; no file; a rank that overwrites what it should add to.
TEST(UserSchedule, MistakesAreToldOnEveryRank) {
  const tools::TemporaryFolder folder;
  for (const char* name : {"0", "1"}) std::filesystem::create_directory(folder / name);
  const std::string pairs = far_pairs_first;
  std::string wrong = pairs;
  wrong.replace(wrong.find("merge 0+1 from 2"), 16, "receive 0+1 from 2");
  const auto write = [&](const char* rank, const std::string& content) {
    std::ofstream((folder / rank) + "/pairs.txt") << content;
  };
  const auto expect_all = [&](const std::string& rules, const std::string& rules_of_1, unsigned ranks,
                              const auto& words) {
    PeerGroupOptions options{
        .rank_count = ranks,
        .arguments = {"-c", "cd " + folder.path() + "/$((GOSSAMER_RANK % 2)) && exec " + EXCHANGE_PEER + " --steps 1"},
        .environment = {{"GOSSAMER_SCHEDULE", rules}},
        .environment_of = {{1, {{"GOSSAMER_SCHEDULE", rules_of_1}}}},
        .program = "/bin/sh"};
    PeerGroup group(options);
    for (unsigned r = 0; r < ranks; ++r) {
      ASSERT_TRUE(group.wait_for_end(r, patience)) << group.output(r);
      EXPECT_THAT(group.output(r), words);
    }
  };
  expect_all("ring", "0-4k:star;4k-:ring", 2,
             ::testing::AllOf(HasSubstr("error GOSSAMER_MISMATCH at init"),
                              HasSubstr("schedule: rank 0 has ring, rank 1 has 0-4k:star;4k-:ring")));
  write("0", pairs);
  write("1", "# another\n" + pairs);
  expect_all("file:pairs.txt", "file:pairs.txt", 2,
             ::testing::AllOf(HasSubstr("error GOSSAMER_MISMATCH at init"),
                              HasSubstr("schedule file pairs.txt: rank 0 has hash "), HasSubstr(", rank 1 has hash ")));
  expect_all("file:none.txt", "file:none.txt", 2,
             HasSubstr("error GOSSAMER_UNAVAILABLE at init, rank -1, index -1: schedule file none.txt: No such file"));
  write("0", wrong);
  write("1", wrong);
  expect_all("file:pairs.txt", "file:pairs.txt", 4,
             ::testing::AllOf(HasSubstr("error GOSSAMER_INVALID_ARGUMENT at compressor"),
                              HasSubstr("schedule file pairs.txt: rank 0 in round 0")));
}

// Goal: a rank whose own configuration is wrong says so, and the others do not wait for it. Method: too many columns.
TEST(Mismatch, AnInvalidConfigurationOfOneRankEndsAll) {
  PeerGroup group({.rank_count = 2,
                   .arguments = {},
                   .environment = {},
                   .environment_of = {{1, {{"EXCHANGE_PEER_COLUMNS", "200001"}}}}});
  for (unsigned r = 0; r < 2; ++r) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << group.output(r);
    EXPECT_THAT(group.output(r), HasSubstr("columns is 200001"));
  }
  EXPECT_THAT(group.output(1), HasSubstr("GOSSAMER_INVALID_ARGUMENT"));
}

// Goal: ranks that never come are named when the time is over. Method: rank count 4, two of them end at once.
TEST(Missing, RanksThatDidNotComeAreNamed) {
  PeerGroup group({.rank_count = 4,
                   .arguments = {},
                   .environment = {{"GOSSAMER_INIT_TIMEOUT_S", "2"}},
                   .environment_of = {{2, {{"GOSSAMER_RANK_COUNT", "none"}}}, {3, {{"GOSSAMER_RANK_COUNT", "none"}}}}});
  for (const unsigned r : {0u, 1u}) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << group.output(r);
    EXPECT_THAT(group.output(r), ::testing::AllOf(HasSubstr("GOSSAMER_DEADLINE"), HasSubstr("2 and 3")));
  }
}

// A TCP socket that listens at a loopback address of this process alone.
class Listener {
 public:
  explicit Listener(std::uint16_t port) : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    inet_pton(AF_INET, address().c_str(), &name.sin_addr);
    if (bind(descriptor_, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 || listen(descriptor_, 64) != 0)
      throw std::runtime_error("no listening socket on the loopback");
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { close(descriptor_); }
  static std::string address() {
    const auto pid = static_cast<unsigned>(getpid());
    return text("127.", 1 + pid % 250, ".", pid / 250 % 250, ".", 1 + pid / 62500 % 250);
  }

 private:
  int descriptor_;
};

// What torchrun sets for `rank`, in the place of what a group of peers sets.
std::map<std::string, std::string> torchrun_environment(unsigned rank, const char* port) {
  return {{"GOSSAMER_RANK", ""},
          {"GOSSAMER_RANK_COUNT", ""},
          {"GOSSAMER_RENDEZVOUS", ""},
          {"GOSSAMER_RENDEZVOUS_FD", ""},
          {"RANK", std::to_string(rank)},
          {"WORLD_SIZE", "2"},
          {"MASTER_ADDR", Listener::address()},
          {"MASTER_PORT", port}};
}

// Goal: ranks that torchrun started meet although its agent holds MASTER_PORT. Method: a listener there, two ranks.
TEST(Torchrun, AgentAtMasterPortIsNotInTheWay) {
  const Listener agent(20100);
  PeerGroup group({.rank_count = 2,
                   .arguments = {"--steps", "3"},
                   .environment = {},
                   .environment_of = {{0, torchrun_environment(0, "20100")}, {1, torchrun_environment(1, "20100")}}});
  expect_all_done(group, 2, "done 3");
}

// Goal: where the port beside it is taken as well, rank 0 says what that port is and what to do. Method: both taken.
TEST(Torchrun, TakenPortBesideMasterPortIsExplained) {
  const Listener agent(20110), other(20111);
  PeerGroup group({.rank_count = 1, .environment_of = {{0, torchrun_environment(0, "20110")}}});
  ASSERT_TRUE(group.wait_for_end(0, patience)) << group.output(0);
  EXPECT_THAT(group.output(0), ::testing::AllOf(HasSubstr(text("cannot listen at ", Listener::address(), ":20111")),
                                                HasSubstr("MASTER_PORT, which torchrun itself holds")));
}

// Goal: two jobs that share a rendezvous do not mix, where nobody named them: who belongs to the other one hears it at
// once, and those who wait for the right one at their deadline. Method: ranks 0 and 1 of a Slurm job, rank 2 of
// another.
TEST(Jobs, RankOfAnotherSlurmJobIsTurnedAway) {
  const std::map<std::string, std::string> first = {{"GOSSAMER_JOB", ""}, {"SLURM_JOB_ID", "1"}},
                                           second = {{"GOSSAMER_JOB", ""}, {"SLURM_JOB_ID", "2"}};
  PeerGroup group({.rank_count = 3,
                   .arguments = {"--steps", "3"},
                   .environment = {{"GOSSAMER_INIT_TIMEOUT_S", "2"}},
                   .environment_of = {{0, first}, {1, first}, {2, second}}});
  ASSERT_TRUE(group.wait_for_end(2, patience)) << group.output(2);
  EXPECT_THAT(group.output(2), HasSubstr("error GOSSAMER_MISMATCH at init, rank 2, index -1: job: rank 0 has 1, rank 2 "
                                         "has 2 ("));
  for (const unsigned r : {0u, 1u}) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << group.output(r);
    EXPECT_THAT(group.output(r),
                ::testing::AllOf(HasSubstr("GOSSAMER_DEADLINE at init, rank 2"),
                                 HasSubstr("1 connection was turned away, the first one because: job: ")));
  }
}

}  // namespace
}  // namespace gossamer::testing
