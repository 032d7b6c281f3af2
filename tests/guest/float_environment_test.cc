// A rank whose program flushes denormals, rounds another way or traps exceptions ends with the bits of its peers, and
// finds its environment as it left it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/c_api/peer_group.h"

namespace gossamer::testing {
namespace {

constexpr std::chrono::seconds patience{60};

void expect_equal_weights(const PeerGroupOptions& options) {
  PeerGroup group(options);
  for (unsigned r = 0; r < options.rank_count; ++r) {
    ASSERT_TRUE(group.wait_for_end(r, patience)) << "rank " << r << " hangs:\n" << group.output(r);
    ASSERT_TRUE(WIFEXITED(group.status(r)) && WEXITSTATUS(group.status(r)) == 0)
        << "rank " << r << " status " << group.status(r) << ":\n"
        << group.output(r);
  }
}

class Environments : public ::testing::TestWithParam<const char*> {};

// Goal: one rank's floating-point environment changes nothing. Method: three ranks, of which rank 1 has another one
// than the others and, by its settings, progresses and sketches in threads that it started; each algorithm, with
// gradients around the smallest normal number and others that must be rounded. Weights by hash, the control register by
// rank 1.
TEST_P(Environments, OfOneRankChangeNoBit) {
  const std::vector<std::vector<std::string>> cases = {{"1", "0", "0"}, {"1", "3", "4"}, {"2", "0", "0"},
                                                       {"3", "0", "0"}, {"4", "0", "0"}, {"4", "0", "2"}};
  for (const auto& arguments : cases) {
    expect_equal_weights({.rank_count = 3,
                          .arguments = arguments,
                          .environment = {{"GOSSAMER_PROGRESS", "inline"}},
                          .environment_of = {{1, {{"TEST_ENVIRONMENT", GetParam()}}}}});
  }
}

// Goal: threads that the library starts do not inherit it either. Method: as above, set before init, with a progress
// thread and two threads that sketch.
TEST_P(Environments, OfTheThreadThatJoinsAreNotInherited) {
  expect_equal_weights({.rank_count = 3,
                        .arguments = {"4", "0", "0"},
                        .environment = {{"GOSSAMER_PROGRESS", "inline"}},
                        .environment_of = {{1,
                                            {{"TEST_ENVIRONMENT", GetParam()},
                                             {"TEST_BEFORE_INIT", "1"},
                                             {"GOSSAMER_PROGRESS", "thread"},
                                             {"GOSSAMER_THREADS", "2"}}}}});
}
INSTANTIATE_TEST_SUITE_P(FloatingPoint, Environments, ::testing::Values("flush", "up", "trap"),
                         [](const auto& environment) { return std::string(environment.param); });

}  // namespace
}  // namespace gossamer::testing
