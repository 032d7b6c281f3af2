// Collectives and leaving, in sessions of threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "control_testing.h"

namespace gossamer::runtime {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::vector<Field> columns(const std::string& value) { return {{"rows", "5"}, {"columns", value}}; }

// Goal: all ranks agree, again and again, whoever comes last. Method: 200 agreements of 4 ranks.
TEST(Agree, EqualFieldsAgreeAgainAndAgain) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  on_each(session, [](std::uint32_t, Control& control) {
    for (int i = 0; i < 200; ++i) {
      const Status agreed = control.agree(text("step ", i), columns("4096"), 10 * second_ns);
      ASSERT_TRUE(agreed.ok()) << agreed.error().message;
    }
    EXPECT_GT(control.bytes_sent(), 1000u);
  });
}

// Goal: every rank hears which field differs, both values and both ranks, and the session goes on. Method:
// rank 2 of 4 has other columns; then an agreement that succeeds.
TEST(Agree, DifferenceIsNamedOnEveryRankAndTheSessionGoesOn) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    const Status failed = control.agree("plan \"gs-sgd\"", columns(rank == 2 ? "8192" : "4096"), 10 * second_ns);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, Code::mismatch);
    EXPECT_EQ(failed.error().message, "plan \"gs-sgd\": columns: rank 0 has 4096, rank 2 has 8192");
    EXPECT_EQ(failed.error().rank, Rank{2});
    EXPECT_TRUE(control.agree("next", {}, 10 * second_ns).ok());
  });
}

// Goal: ranks at different points are told both. Method: rank 1 is at another plan, then at another kind.
TEST(Agree, DifferentSubjectsAreBothNamed) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    const Status failed = control.agree(rank == 0 ? "plan \"a\"" : "plan \"b\"", {}, 10 * second_ns);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, Code::mismatch);
    EXPECT_EQ(failed.error().message,
              "ranks are at different collectives: rank 0 is at agree on plan \"a\", rank 1 is at agree on plan \"b\"");
    const Code code = rank == 0 ? control.agree("x", {}, 10 * second_ns).error().code
                                : control.all_gather("x", {}, 10 * second_ns).error().code;
    EXPECT_EQ(code, Code::mismatch);
  });
}

// Goal: the ranks that did not come are named on those that did, at the earliest deadline; late ones hear the
// same, and all stay in step. Method: ranks 2 and 3 call when 0 and 1 have their answer.
TEST(Agree, RanksThatDidNotComeAreNamed) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  const std::string expected = "plan \"gs-sgd\": ranks 2 and 3 of 4 did not come within 200.0 ms";
  const auto try_agree = [&](std::uint32_t rank, Control& control) {
    const auto start = std::chrono::steady_clock::now();
    const Status failed = control.agree("plan \"gs-sgd\"", {}, rank == 1 ? second_ns / 5 : 10 * second_ns);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, Code::deadline);
    EXPECT_EQ(failed.error().message, expected);
  };
  on_each(session, [&](std::uint32_t rank, Control& control) {
    if (rank < 2) try_agree(rank, control);
  });
  on_each(session, [&](std::uint32_t rank, Control& control) {
    if (rank >= 2) try_agree(rank, control);
    EXPECT_TRUE(control.agree("next", {}, 10 * second_ns).ok());
  });
}

// Goal: a rank 0 whose caller does not come is named like any other. Method: only rank 1 calls.
TEST(Agree, RankZeroThatDidNotComeIsNamed) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  const Status failed = session[1]->agree("plan", {}, second_ns / 10);
  EXPECT_EQ(failed.error().message, "plan: rank 0 of 2 did not come within 100.0 ms");
}

// Goal: whoever waits for a peer that leaves hears it at once, with its rank. Method: rank 1 leaves while the
// others wait with a long deadline.
TEST(Agree, PeerThatLeavesEndsTheWaitAtOnce) {
  const auto session = make_session(3);
  ASSERT_EQ(session.size(), 3u);
  const auto start = std::chrono::steady_clock::now();
  on_each(session, [](std::uint32_t rank, Control& control) {
    if (rank == 1) return control.leave();
    const Status failed = control.agree("plan", {}, 60 * second_ns);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, Code::peer_lost);
    EXPECT_EQ(failed.error().message, "plan: rank 1 is lost: it left the session");
    EXPECT_EQ(failed.error().rank, Rank{1});
    const auto loss = wait_for_loss(control, std::chrono::seconds(5));
    ASSERT_TRUE(loss.has_value());
    EXPECT_TRUE(loss->left);
    EXPECT_EQ(loss->rank, Rank{1});
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

// Goal: the same when it is rank 0 that leaves. Method: ranks 1 and 2 wait, and call again afterwards.
TEST(Agree, RankZeroThatLeavesEndsTheWaitAtOnce) {
  const auto session = make_session(3);
  ASSERT_EQ(session.size(), 3u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    if (rank == 0) return control.leave();
    for (int i = 0; i < 2; ++i) EXPECT_EQ(control.agree("plan", {}, 60 * second_ns).error().code, Code::peer_lost);
  });
}

// Goal: leaving right after an agreement does not spoil it for slower ranks. Method: 30 sessions of 4 whose
// ranks agree and leave at once.
TEST(Agree, LeavingRightAfterAnAgreementDoesNotSpoilIt) {
  for (int round = 0; round < 30; ++round) {
    const auto session = make_session(4);
    ASSERT_EQ(session.size(), 4u);
    on_each(session, [](std::uint32_t, Control& control) {
      const Status agreed = control.agree("end", {}, 10 * second_ns);
      EXPECT_TRUE(agreed.ok()) << agreed.error().message;
      control.leave();
    });
  }
}

// Goal: two threads of a rank cannot be in collectives at once, since their order would be chance. Method: one
// waits (its part is sent, a peer does not come), the other is refused at once.
TEST(Agree, SecondThreadIsRefused) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  Control& control = *session[1];
  const std::uint64_t before = control.bytes_sent();
  std::jthread waiter([&] { EXPECT_EQ(control.agree("first", {}, 60 * second_ns).error().code, Code::cancelled); });
  while (control.bytes_sent() == before) std::this_thread::yield();
  const Status refused = control.agree("second", {}, 60 * second_ns);
  EXPECT_EQ(refused.error().code, Code::busy);
  EXPECT_THAT(refused.error().message, HasSubstr("another thread of this rank is in the collective first"));
  control.leave();
}

// Goal: every rank gets every blob in rank order, empty ones too. Method: blobs of rank * 1000 bytes.
TEST(AllGather, EveryRankGetsEveryBlobInOrder) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    for (int round = 0; round < 20; ++round) {
      const auto blobs = control.all_gather("addresses", Blob(rank * 1000, std::byte{static_cast<unsigned char>(rank)}),
                                            10 * second_ns);
      ASSERT_TRUE(blobs.ok()) << blobs.error().message;
      ASSERT_EQ(blobs->size(), 4u);
      for (std::uint32_t from = 0; from < 4; ++from) {
        EXPECT_EQ((*blobs)[from], Blob(from * 1000, std::byte{static_cast<unsigned char>(from)}));
      }
    }
  });
}

// Goal: more than a frame fits, where each part does; a larger part is refused on all ranks, names who gave it, and
// leaves them in step. Method: 2 ranks with 900 KiB; then rank 1 with 2,000 KiB (too large even to send), twice.
TEST(AllGather, TooMuchTogetherIsRefusedOnAllRanks) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    constexpr std::size_t kib = 1024;
    const auto fits = control.all_gather("blobs", Blob(900 * kib, std::byte{1}), 10 * second_ns);
    ASSERT_TRUE(fits.ok()) << fits.error().message;
    EXPECT_EQ((*fits)[1], Blob(900 * kib, std::byte{1}));
    for (int turn = 0; turn < 2; ++turn) {
      const auto failed = control.all_gather("blobs", Blob(rank == 1 ? 2000 * kib : 500 * kib), 10 * second_ns);
      ASSERT_FALSE(failed.ok());
      EXPECT_EQ(failed.error().code, Code::out_of_resources);
      EXPECT_THAT(failed.error().message, StartsWith("blobs: the parts of all ranks have "));
      EXPECT_THAT(failed.error().message, HasSubstr("rank 1 gave most"));
    }
    EXPECT_TRUE(control.agree("next", {}, 10 * second_ns).ok());
  });
}

// Goal: leaving is a good order: no death is seen, and the first that left is named as such. Method: rank 2
// leaves, then the others look.
TEST(Leave, LeavingIsNoDeath) {
  const auto session = make_session(3);
  ASSERT_EQ(session.size(), 3u);
  session[2]->leave();
  for (const std::uint32_t rank : {0u, 1u}) {
    const auto loss = wait_for_loss(*session[rank], std::chrono::seconds(5));
    ASSERT_TRUE(loss.has_value());
    EXPECT_EQ(loss->rank, Rank{2});
    EXPECT_TRUE(loss->left);
    EXPECT_EQ(loss->reason, "it left the session");
  }
  EXPECT_FALSE(session[2]->loss().has_value());
}

// Goal: after leaving, collectives are refused as a mistake of the caller. Method: leave, then call.
TEST(Leave, CollectivesAfterLeavingAreRefused) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  session[0]->leave();
  EXPECT_EQ(session[0]->agree("plan", {}, second_ns).error().code, Code::invalid_argument);
  EXPECT_EQ(session[0]->all_gather("blobs", {}, second_ns).error().code, Code::invalid_argument);
}

// Goal: leaving sets a waiting thread of the same rank free. Method: rank 1 waits alone, then leaves.
TEST(Leave, LeavingFreesTheOwnWaitingThread) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  const std::uint64_t before = session[1]->bytes_sent();
  Status waited;
  std::jthread waiter([&] { waited = session[1]->agree("plan", {}, 60 * second_ns); });
  while (session[1]->bytes_sent() == before) std::this_thread::yield();
  session[1]->leave();
  waiter.join();
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().code, Code::cancelled);
}

}  // namespace
}  // namespace gossamer::runtime
