// The simulated twin of the control plane.
#include "runtime/control/sim.h"

#include <gtest/gtest.h>

#include <array>

namespace gossamer::runtime {
namespace {

// Goal: a death is known exactly after its delay, to all but the dead, and a later one does not replace it.
// Method: a virtual clock, two deaths.
TEST(SimControl, DeathIsKnownExactlyAfterItsDelay) {
  VirtualClock clock;
  SimControlHub hub(3, clock);
  const auto zero = hub.make_control(Rank{0});
  clock.advance_to(1000);
  hub.kill(Rank{2}, 50);
  clock.advance_to(1049);
  EXPECT_FALSE(zero->loss().has_value());
  clock.advance_to(1050);
  ASSERT_TRUE(zero->loss().has_value());
  EXPECT_EQ(zero->loss()->rank, Rank{2});
  hub.kill(Rank{1}, 0);
  EXPECT_EQ(zero->loss()->rank, Rank{2});
  EXPECT_EQ(zero->agree("plan", {}, 0).error().rank, Rank{2});
  EXPECT_EQ(zero->event_descriptor(), -1);
}

// Goal: a death is told in place of a leaving. Method: rank 1 leaves, then rank 2 dies.
TEST(SimControl, DeathIsToldInPlaceOfALeaving) {
  VirtualClock clock;
  SimControlHub hub(3, clock);
  const auto zero = hub.make_control(Rank{0});
  const auto one = hub.make_control(Rank{1});
  one->leave();
  EXPECT_TRUE(zero->loss()->left);
  hub.kill(Rank{2}, 0);
  EXPECT_EQ(zero->loss()->rank, Rank{2});
  EXPECT_FALSE(zero->loss()->left);
  EXPECT_EQ(one->agree("plan", {}, 0).error().code, Code::invalid_argument);
}

// Goal: a stopped rank is lost exactly when its lease is over, unless it goes on before; then it learns nothing, and
// later that it was given up. Method: a virtual clock, a short stop, a long one, and one without a lease.
TEST(SimControl, StoppedRankIsLostWhenItsLeaseIsOver) {
  VirtualClock clock;
  SimControlHub hub(3, clock);
  const auto zero = hub.make_control(Rank{0});
  const auto two = hub.make_control(Rank{2});
  hub.stop(Rank{2}, 100);
  clock.advance_to(99);
  hub.resume(Rank{2});
  clock.advance_to(1000);
  EXPECT_FALSE(zero->loss().has_value());
  EXPECT_FALSE(two->loss().has_value());
  hub.stop(Rank{1}, 0);
  clock.advance_to(2000);
  EXPECT_FALSE(zero->loss().has_value());
  hub.stop(Rank{2}, 100);
  clock.advance_to(2099);
  EXPECT_FALSE(zero->loss().has_value());
  clock.advance_to(2100);
  ASSERT_TRUE(zero->loss().has_value());
  EXPECT_EQ(zero->loss()->rank, Rank{2});
  EXPECT_FALSE(zero->loss()->left);
  hub.resume(Rank{2});
  ASSERT_TRUE(two->loss().has_value());
  EXPECT_EQ(two->loss()->rank, Rank{0});
  EXPECT_NE(two->loss()->reason.find("it gave this rank up"), std::string::npos);
  EXPECT_EQ(zero->loss()->rank, Rank{2});
}

// Goal: a later rank sees what differs. Method: fields, then subjects.
TEST(SimControl, LaterRankSeesTheDifference) {
  VirtualClock clock;
  SimControlHub hub(2, clock);
  const auto zero = hub.make_control(Rank{0});
  const auto one = hub.make_control(Rank{1});
  const std::array few = {Field{"columns", "4096"}};
  const std::array many = {Field{"columns", "8192"}};
  EXPECT_TRUE(zero->agree("plan", few, 0).ok());
  EXPECT_EQ(one->agree("plan", many, 0).error().message, "plan: columns: rank 0 has 4096, rank 1 has 8192");
  EXPECT_TRUE(one->agree("b", few, 0).ok());
  EXPECT_EQ(zero->agree("a", few, 0).error().code, Code::mismatch);
}

// Goal: groups are counted for themselves, and blobs come by place. Method: {0 2} and {1 2} of three ranks, in turns.
TEST(SimControl, GroupsAreCountedForThemselves) {
  VirtualClock clock;
  SimControlHub hub(3, clock);
  const auto zero = hub.make_control(Rank{0});
  const auto one = hub.make_control(Rank{1});
  const auto two = hub.make_control(Rank{2});
  const std::array zero_two = {Rank{0}, Rank{2}};
  const std::array one_two = {Rank{1}, Rank{2}};
  const Contribution mine{Blob(1, std::byte{7}), {}};
  EXPECT_TRUE(two->agree_among(one_two, "a", {}, {}, 0).ok());
  EXPECT_TRUE(two->agree_among(zero_two, "b", {}, {}, 0).ok());
  EXPECT_TRUE(one->agree_among(one_two, "a", {}, {}, 0).ok());
  const auto blobs = zero->agree_among(zero_two, "b", {}, mine, 0);
  ASSERT_TRUE(blobs.ok()) << blobs.error().message;
  EXPECT_EQ(*blobs, (std::vector<Blob>{mine.blob, {}}));
  EXPECT_EQ(zero->agree_among(one_two, "a", {}, {}, 0).error().code, Code::invalid_argument);
}

// Goal: a gather says that it cannot be, rather than giving a part of the ranks. Method: one rank asks.
TEST(SimControl, GatherIsRefused) {
  VirtualClock clock;
  SimControlHub hub(2, clock);
  const auto zero = hub.make_control(Rank{0});
  EXPECT_EQ(zero->all_gather("addresses", {}, 0).error().code, Code::unavailable);
}

}  // namespace
}  // namespace gossamer::runtime
