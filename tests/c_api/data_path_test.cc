// Real processes whose data path does not work: every rank learns it from init, with both ranks and the remedy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "tests/c_api/peer_group.h"

namespace gossamer::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr seconds path_patience{60};

// Each rank has the same sentence of two ranks, one of which is `culprit`, and gossamer_last_error_rank is one of them.
void expect_named(PeerGroup& group, unsigned rank_count, unsigned culprit) {
  std::string shared;
  for (unsigned r = 0; r < rank_count; ++r) {
    ASSERT_TRUE(group.wait_for_end(r, path_patience)) << "rank " << r << " hangs:\n" << group.output(r);
    EXPECT_TRUE(WIFEXITED(group.status(r)) && WEXITSTATUS(group.status(r)) == 10) << group.output(r);
    const std::string& output = group.output(r);
    EXPECT_THAT(output,
                AnyOf(HasSubstr("error GOSSAMER_UNAVAILABLE at init"), HasSubstr("error GOSSAMER_DEADLINE at init")));
    EXPECT_THAT(output, AllOf(HasSubstr("the data path between rank "), HasSubstr(text("rank ", culprit)),
                              HasSubstr("UCX_TLS=tcp"), HasSubstr("ucx (")));
    const std::size_t begin = output.find("the data path between");
    const std::string pair = output.substr(begin, output.find(" does not work", begin) - begin);
    if (r == 0) shared = pair;
    EXPECT_EQ(pair, shared);
    EXPECT_THAT(output, Not(HasSubstr("at init, rank -1")));
    EXPECT_THAT(output, Not(HasSubstr(text("at init, rank ", r, ","))));
  }
  EXPECT_THAT(shared_memory_left(group.job()), ::testing::IsEmpty());
}

// Goal: a rank whose transports reach nobody else is named at init. Method: UCX_TLS=self on one of three.
TEST(DataPath, OfARankThatReachesNobodyIsAnErrorOfInit) {
  PeerGroup group({.rank_count = 3,
                   .arguments = {},
                   .environment = {{"GOSSAMER_INIT_TIMEOUT_S", "4"}},
                   .environment_of = {{1, {{"UCX_TLS", "self"}}}}});
  expect_named(group, 3, 1);
}

// Goal: ranks that have no transport in common learn it at init. Method: shared memory on one, TCP on the other.
TEST(DataPath, OfRanksWithoutACommonTransportIsAnErrorOfInit) {
  PeerGroup group({.rank_count = 2,
                   .arguments = {},
                   .environment = {{"GOSSAMER_INIT_TIMEOUT_S", "4"}},
                   .environment_of = {{0, {{"UCX_TLS", "posix,self"}}}, {1, {{"UCX_TLS", "tcp,self"}}}}});
  expect_named(group, 2, 1);
}

// Goal: ranks of two users on one host, who may not open each other's memory, are told so at init, and that TCP is the
// way out, which it is. Method: rank 1 becomes another user before it starts; then the same with UCX_TLS=tcp.
TEST(DataPath, OfTwoUsersIsAnErrorOfInitAndWorksOverTcp) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to start a rank as another user";
  const std::string start =
      "if [ $GOSSAMER_RANK = 1 ]; then exec setpriv --reuid=12345 --regid=12345 --clear-groups \"$0\" \"$@\"; fi; "
      "exec \"$0\" \"$@\"";
  const std::vector<std::string> arguments = {"-c", start, EXCHANGE_PEER, "--steps", "2"};
  PeerGroup denied({.rank_count = 2,
                    .arguments = arguments,
                    .environment = {{"GOSSAMER_INIT_TIMEOUT_S", "3"}},
                    .environment_of = {},
                    .program = "/bin/sh"});
  ASSERT_TRUE(denied.wait_for_end(1, path_patience));
  if (WIFEXITED(denied.status(1)) && WEXITSTATUS(denied.status(1)) >= 126)
    GTEST_SKIP() << "another user cannot run " << EXCHANGE_PEER << ": " << denied.output(1);
  expect_named(denied, 2, 1);
  PeerGroup over_tcp({.rank_count = 2,
                      .arguments = arguments,
                      .environment = {{"UCX_TLS", "tcp"}},
                      .environment_of = {},
                      .program = "/bin/sh"});
  for (unsigned r = 0; r < 2; ++r) {
    ASSERT_TRUE(over_tcp.wait_for_end(r, path_patience)) << over_tcp.output(r);
    EXPECT_THAT(over_tcp.output(r), HasSubstr("done 2"));
  }
}

}  // namespace
}  // namespace gossamer::testing
