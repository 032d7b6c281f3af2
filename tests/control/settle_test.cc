// Leaving in two steps: whoever has ended waits for those who still need it, and for nobody else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "tests/control/control_testing.h"

namespace gossamer::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

using Count = std::shared_ptr<std::atomic<std::uint32_t>>;

std::vector<Count> watch_all(const std::vector<std::unique_ptr<Control>>& session) {
  std::vector<Count> counts;
  for (const auto& control : session) {
    counts.push_back(std::make_shared<std::atomic<std::uint32_t>>(0));
    control->watch(counts.back());
  }
  return counts;
}

class RankCounts : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Settle, RankCounts, ::testing::Values(2, 3, 4));

// Goal: a rank that settles moves data on until the last peer's operation has ended, and no longer, whichever rank is
// late. Method: one rank's operation ends when the others have moved often enough; all then settle.
TEST_P(RankCounts, WaitsForTheLastOperationOfAnyPeer) {
  for (std::uint32_t late = 0; late < GetParam(); ++late) {
    const auto session = make_session(GetParam());
    ASSERT_EQ(session.size(), GetParam());
    const auto counts = watch_all(session);
    counts[late]->store(1);
    std::atomic<std::uint32_t> settled{0};
    std::atomic<int> moves{0};
    on_each(session, [&](std::uint32_t rank, Control& control) {
      if (rank == late) {
        while (moves.load() < 200) std::this_thread::yield();
        EXPECT_EQ(settled.load(), 0u) << "a rank left while an operation needed it";
        counts[late]->store(0);
      }
      control.settle(20 * second_ns, [&] {
        ++moves;
        return false;
      });
      ++settled;
      control.leave();
    });
    EXPECT_EQ(settled.load(), GetParam());
  }
}

// Goal: a peer that has nothing in flight does not make a leaving rank wait, even if it never settles; and it hears
// that the rank left. Method: rank 0 settles, the others look.
TEST_P(RankCounts, DoesNotWaitForPeersThatNeedNothing) {
  const auto session = make_session(GetParam());
  ASSERT_EQ(session.size(), GetParam());
  const auto counts = watch_all(session);
  const auto before = steady_clock::now();
  session[0]->settle(20 * second_ns, [] { return false; });
  EXPECT_LT(steady_clock::now() - before, milliseconds(2000));
  for (std::uint32_t rank = 1; rank < GetParam(); ++rank) {
    const auto loss = wait_for_loss(*session[rank], milliseconds(5000));
    ASSERT_TRUE(loss.has_value());
    EXPECT_EQ(loss->rank, Rank{0});
    EXPECT_TRUE(loss->left);
    EXPECT_EQ(loss->reason, "it left the session");
    EXPECT_EQ(session[rank]->agree("next", {}, 20 * second_ns).error().code, Code::peer_lost);
  }
  session[0]->leave();
}

// Goal: the wait is bounded, by its limit and by the lease. Method: a peer whose operation never ends.
TEST(Settle, IsBounded) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  const auto counts = watch_all(session);
  counts[1]->store(1);
  const auto before = steady_clock::now();
  session[0]->settle(second_ns / 5, [] { return false; });
  const auto took = steady_clock::now() - before;
  EXPECT_GE(took, milliseconds(200));
  EXPECT_LT(took, milliseconds(2000));
}

// Goal: a peer that is gone, in whatever way, is not waited for. Method: one with an operation that never ends leaves
// without settling.
TEST(Settle, EndsWhenThePeerThatIsWaitedForLeaves) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  const auto counts = watch_all(session);
  counts[1]->store(1);
  on_each(session, [&](std::uint32_t rank, Control& control) {
    const auto before = steady_clock::now();
    if (rank == 0) control.settle(20 * second_ns, [] { return false; });
    if (rank == 1) {
      EXPECT_TRUE(wait_for_loss(control, milliseconds(5000)).has_value());
    }
    control.leave();
    EXPECT_LT(steady_clock::now() - before, milliseconds(5000)) << "rank " << rank;
  });
}

}  // namespace
}  // namespace gossamer::runtime
