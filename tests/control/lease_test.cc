// Leases: ranks that are stopped or silent are given up, and the living ones are not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "control_testing.h"

namespace gossamer::runtime {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

constexpr unsigned lease_ms = 600;

// Two ranks of three in this process, the third as a child.
struct LeasedSession {
  LeasedSession(std::uint32_t child_rank, const std::string& mode, unsigned lease = lease_ms)
      : child(child_rank, 3, rendezvous, mode, lease) {
    auto all = seats(3, rendezvous);
    all.erase(all.begin() + child_rank);
    for (Seat& seat : all) {
      seat.options.secret = test_secret();
      seat.options.lease_ns = std::uint64_t{lease} * 1'000'000;
    }
    for (Joined& joined : join_all(all)) {
      EXPECT_TRUE(joined.ok()) << joined.error().message;
      if (joined.ok()) survivors.push_back(*std::move(joined));
    }
    whole = survivors.size() == 2 && child.joined();
  }

  const std::string rendezvous = own_rendezvous();
  Child child;
  std::vector<std::unique_ptr<Control>> survivors;
  bool whole = false;
};

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Goal: a stopped rank is given up by all others within its lease and a little, with its rank and the time; when it
// goes on it learns that, tells nobody of a loss, and ends. Method: SIGSTOP of rank 0 and of another rank, a
// collective that waits for it on all others, SIGCONT.
TEST(Lease, StoppedRankIsGivenUpByAllAndLearnsItWhenItGoesOn) {
  for (const std::uint32_t stopped : {0u, 2u}) {
    const LeasedSession session(stopped, "say_loss");
    ASSERT_TRUE(session.whole);
    session.child.signal(SIGSTOP);
    const auto start = std::chrono::steady_clock::now();
    on_each(session.survivors, [&](std::uint32_t, Control& control) {
      const Status failed = control.agree("plan", {}, 60 * second_ns);
      EXPECT_GT(ms_since(start), lease_ms * 0.8);
      EXPECT_LT(ms_since(start), lease_ms * 2 + 1000);
      ASSERT_FALSE(failed.ok());
      EXPECT_EQ(failed.error().code, Code::peer_lost);
      EXPECT_EQ(failed.error().rank, Rank{stopped});
      EXPECT_THAT(failed.error().message, MatchesRegex(text("plan: rank ", stopped,
                                                            " is lost: it has not answered for [0-9.]+ m?s; its "
                                                            "process is stopped, or its host cannot be reached")));
      EXPECT_EQ(control.loss()->rank, Rank{stopped});
    });
    session.child.signal(SIGCONT);
    EXPECT_THAT(
        session.child.next_line(),
        MatchesRegex("[0-9] it gave this rank up: \"it has not answered for .*\"; was this process stopped\\?"));
    EXPECT_EQ(session.child.next_line(), "left");
    for (const auto& survivor : session.survivors) EXPECT_EQ(survivor->loss()->rank, Rank{stopped});
  }
}

// Goal: a stop that is shorter than the lease harms nobody: neither is the stopped rank given up, nor does it give up
// the others. Method: SIGSTOP until half a lease has passed on a survivor's clock, then two leases of watching.
TEST(Lease, ShortStopHarmsNobody) {
  constexpr unsigned long_lease_ms = 1200;
  const LeasedSession session(1, "say_loss", long_lease_ms);
  ASSERT_TRUE(session.whole);
  session.child.signal(SIGSTOP);
  EXPECT_FALSE(wait_for_loss(*session.survivors[0], std::chrono::milliseconds(long_lease_ms / 2)).has_value());
  session.child.signal(SIGCONT);
  EXPECT_FALSE(wait_for_loss(*session.survivors[0], std::chrono::milliseconds(2 * long_lease_ms)).has_value());
  EXPECT_FALSE(session.survivors[1]->loss().has_value());
}

// Goal: liveness does not depend on the caller: a rank that computes for several leases without a call is alive.
// Method: a child that uses its processor and calls nothing, watched for four leases.
TEST(Lease, RankThatComputesForLongIsAlive) {
  const LeasedSession session(1, "compute");
  ASSERT_TRUE(session.whole);
  EXPECT_FALSE(wait_for_loss(*session.survivors[0], std::chrono::milliseconds(4 * lease_ms)).has_value());
  EXPECT_FALSE(session.survivors[1]->loss().has_value());
  EXPECT_GT(session.survivors[0]->bytes_sent(), 0u);
}

// Goal: without a lease a stop of any length is survived, as a debugger needs. Method: lease 0, a stop as long as
// three of the other tests' leases, then the rank goes on and the session with it.
TEST(Lease, WithoutALeaseAStopIsSurvived) {
  const LeasedSession session(2, "hold", 0);
  ASSERT_TRUE(session.whole);
  const std::uint64_t before = session.survivors[0]->bytes_sent();
  session.child.signal(SIGSTOP);
  EXPECT_FALSE(wait_for_loss(*session.survivors[0], std::chrono::milliseconds(3 * lease_ms)).has_value());
  session.child.signal(SIGCONT);
  EXPECT_FALSE(session.survivors[1]->loss().has_value());
  EXPECT_EQ(session.survivors[0]->bytes_sent(), before);
}

// Goal: ranks with different leases do not start, since one would give the other up. Method: 5 s and 1 s.
TEST(Lease, DifferentLeasesAreRefused) {
  auto all = seats(2, own_rendezvous());
  all[0].options.lease_ns = 5 * second_ns;
  all[1].options.lease_ns = second_ns;
  for (const Joined& joined : join_all(all)) {
    ASSERT_FALSE(joined.ok());
    EXPECT_EQ(joined.error().code, Code::mismatch);
    EXPECT_EQ(joined.error().message, "lease: rank 0 has 5.0 s, rank 1 has 1.0 s");
  }
}

// Goal: a lease that busy machines could not keep is refused, as is one beyond a day. Method: 50 ms, two days.
TEST(Lease, LeaseOutOfRangeIsRefused) {
  for (const std::uint64_t lease_ns : {std::uint64_t{50'000'000}, 2 * 86'400 * second_ns}) {
    MeshOptions options = mesh_options(0, 2, own_rendezvous());
    options.lease_ns = lease_ns;
    const auto refused = make_control_mesh(options, {});
    EXPECT_EQ(refused.error().code, Code::invalid_argument);
    EXPECT_THAT(refused.error().message, HasSubstr("expected 100.0 ms to a day, or 0 for none"));
  }
}

// Goal: leaving does not wait for a rank that was given up. Method: a stopped child, then both survivors leave, each in
// far less than the second that a peer is given to hear the good-bye.
TEST(Lease, LeavingDoesNotWaitForARankThatWasGivenUp) {
  const LeasedSession session(2, "hold");
  ASSERT_TRUE(session.whole);
  session.child.signal(SIGSTOP);
  for (const auto& survivor : session.survivors)
    ASSERT_TRUE(wait_for_loss(*survivor, std::chrono::seconds(10)).has_value());
  const auto start = std::chrono::steady_clock::now();
  on_each(session.survivors, [](std::uint32_t, Control& control) { control.leave(); });
  EXPECT_LT(ms_since(start), 500);
}

}  // namespace
}  // namespace gossamer::runtime
