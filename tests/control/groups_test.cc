// Agreement among some ranks: rank 0's book of several lists, and sessions whose groups overlap.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>

#include "control_testing.h"
#include "runtime/control/alone.h"
#include "runtime/control/collect.h"
#include "runtime/control/members.h"

namespace gossamer::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Members = std::vector<Rank>;

wire::Collect part_among(const Members& members, std::uint64_t sequence, const std::string& subject,
                         std::uint64_t deadline_ns = 1000) {
  wire::Collect part;
  for (const Rank member : members) part.add_members(member.value);
  part.set_sequence(sequence);
  part.set_subject(subject);
  part.set_deadline_ns(deadline_ns);
  return part;
}

// Parts with the sequences that are due.
class Book {
 public:
  explicit Book(std::uint32_t ranks) : collector(ranks), next_(ranks, 0) {}

  std::vector<Answer> add(std::uint32_t rank, const Members& members, const std::string& subject,
                          std::uint64_t deadline_ns = 1000, std::uint64_t now_ns = 0) {
    auto answers = collector.add(Rank{rank}, part_among(members, next_[rank]++, subject, deadline_ns), now_ns);
    EXPECT_TRUE(answers.ok()) << answers.error().message;
    return answers.ok() ? *std::move(answers) : std::vector<Answer>{};
  }

  Collector collector;

 private:
  std::vector<std::uint64_t> next_;
};

std::vector<std::uint32_t> receivers(const std::vector<Answer>& answers) {
  std::vector<std::uint32_t> ranks;
  for (const Answer& answer : answers) ranks.push_back(answer.to.value);
  return ranks;
}

const Members one_two = {Rank{1}, Rank{2}};
const Members two_three = {Rank{2}, Rank{3}};

// ---- the book --------------------------------------------------------------------------------

// Goal: each list is counted for itself, so lists do not disturb each other, and each rank's verdict has the sequence
// of its own part. Method: rank 2 comes to {1 2}, {2 3}, {1 2}, while 1 and 3 come in another order.
TEST(Groups, ListsAreCountedForThemselves) {
  Book book(4);
  EXPECT_TRUE(book.add(1, one_two, "first").empty());
  EXPECT_TRUE(book.add(3, two_three, "other").empty());
  const auto first = book.add(2, one_two, "first");
  EXPECT_THAT(receivers(first), ElementsAre(1, 2));
  EXPECT_TRUE(book.add(1, one_two, "second").empty());
  const auto other = book.add(2, two_three, "other");
  EXPECT_THAT(receivers(other), ElementsAre(2, 3));
  EXPECT_EQ(other[0].verdict.sequence(), 1u);  // of rank 2's second part
  EXPECT_EQ(other[1].verdict.sequence(), 0u);  // of rank 3's first
  const auto second = book.add(2, one_two, "second");
  EXPECT_THAT(receivers(second), ElementsAre(1, 2));
  EXPECT_EQ(second[0].verdict.sequence(), 1u);
  EXPECT_EQ(second[1].verdict.sequence(), 2u);
  for (const auto& answers : {first, other, second})
    for (const Answer& answer : answers) EXPECT_EQ(answer.verdict.code(), 0) << answer.verdict.message();
}

// Goal: what differs is told in ranks of the session, subject or field. Method: members 1 and 3 of four.
TEST(Groups, DifferencesNameRanksOfTheSession) {
  const Members members = {Rank{1}, Rank{3}};
  Book book(4);
  book.add(1, members, "a");
  const auto subjects = book.add(3, members, "b");
  ASSERT_EQ(subjects.size(), 2u);
  EXPECT_EQ(subjects[0].verdict.message(),
            "ranks are at different collectives: rank 1 is at agree on a, rank 3 is at agree on b");
  Collector collector(4);
  for (const auto& [rank, count] : {std::pair{1u, "64"}, std::pair{3u, "65"}}) {
    wire::Collect part = part_among(members, 0, "sum");
    part.add_fields()->set_name("count");
    part.mutable_fields(0)->set_value(count);
    const auto answers = collector.add(Rank{rank}, std::move(part), 0);
    if (rank == 1) continue;
    const Error error = error_of((*answers)[0].verdict);
    EXPECT_EQ(error.message, "sum: count: rank 1 has 64, rank 3 has 65");
    EXPECT_EQ(error.rank, Rank{3});
  }
}

// Goal: the list of all ranks is one, written out or not. Method: one rank each way.
TEST(Groups, AllRanksWrittenOutAreAllRanks) {
  Book book(3);
  EXPECT_TRUE(book.add(0, {}, "plan").empty());
  EXPECT_TRUE(book.add(1, {Rank{0}, Rank{1}, Rank{2}}, "plan").empty());
  EXPECT_THAT(receivers(book.add(2, {}, "plan")), ElementsAre(0, 1, 2));
}

// Goal: a deadline names who did not come, and where they are instead; two groups that wait for each other at one
// deadline are both told. Method: rank 1 waits for 2 in {1 2}, rank 2 for 3 in {2 3}, rank 0 for all.
TEST(Groups, DeadlineSaysWhereTheMissingAre) {
  Book book(4);
  book.add(1, one_two, "sum \"a\"");
  book.add(2, two_three, "sum \"b\"");
  book.add(0, {}, "barrier");
  EXPECT_EQ(book.collector.next_deadline_ns(), 1000u);
  const auto answers = book.collector.expire(1000);
  ASSERT_THAT(receivers(answers), ElementsAre(0, 1, 2));
  EXPECT_EQ(
      answers[0].verdict.message(),
      "barrier: ranks 1, 2 and 3 of 4 did not come within 1.0 us; rank 1 is at sum \"a\" of ranks 1 and 2; rank 2 "
      "is at sum \"b\" of ranks 2 and 3");
  EXPECT_EQ(answers[1].verdict.message(),
            "sum \"a\": rank 2 of ranks 1 and 2 did not come within 1.0 us; rank 2 is at sum \"b\" of ranks 2 and 3");
  EXPECT_EQ(answers[2].verdict.message(), "sum \"b\": rank 3 of ranks 2 and 3 did not come within 1.0 us");
  EXPECT_EQ(error_of(answers[1].verdict).rank, Rank{2});
  // Late ones hear the same under their own sequence, and the lists go on.
  const auto late = book.add(2, one_two, "sum \"a\"");
  ASSERT_THAT(receivers(late), ElementsAre(2));
  EXPECT_EQ(late[0].verdict.sequence(), 1u);
  EXPECT_EQ(late[0].verdict.message(), answers[1].verdict.message());
  book.add(1, one_two, "next");
  EXPECT_EQ(book.add(2, one_two, "next").size(), 2u);
}

// Goal: a good-bye ends what waits for its sender and nothing else; a death ends all. Method: rank 3 leaves while {1 2}
// and {2 3} wait; then rank 0, a member of none, dies.
TEST(Groups, GoodByeEndsTheListsOfItsSenderAndADeathAll) {
  Book book(4);
  book.add(1, one_two, "a");
  book.add(2, two_three, "b");
  const auto left = book.collector.lose({Rank{3}, "it left the session", true});
  ASSERT_THAT(receivers(left), ElementsAre(2));
  EXPECT_EQ(left[0].verdict.message(), "b: rank 3 is lost: it left the session");
  EXPECT_EQ(book.add(2, one_two, "a").size(), 2u);
  EXPECT_EQ(book.add(2, two_three, "c").size(), 1u);
  book.add(1, one_two, "d");
  const auto died = book.collector.lose({Rank{0}, "its process ended"});
  ASSERT_THAT(receivers(died), ElementsAre(1));
  EXPECT_EQ(error_of(died[0].verdict).rank, Rank{0});
}

// Goal: a list takes memory only while its members are apart, and is still in step afterwards. Method: a thousand
// lists used up; then one whose member comes late.
TEST(Groups, ListsThatAllHaveBroughtToAnEndAreForgotten) {
  Book book(13);
  int lists = 0;
  for (std::uint32_t mask = 1; mask < 1u << 13; ++mask) {
    Members members;
    for (std::uint32_t rank = 0; rank < 13; ++rank)
      if (mask >> rank & 1u) members.push_back(Rank{rank});
    for (const Rank member : members) book.add(member.value, members, "plan");
    ++lists;
  }
  EXPECT_EQ(lists, 8191);
  EXPECT_EQ(book.collector.list_count(), 0u);
  for (int round = 0; round < 3; ++round) {
    book.add(1, one_two, text("first ", round));
    EXPECT_EQ(book.collector.expire(1000).size(), 1u);
    book.add(1, one_two, text("second ", round));
    EXPECT_EQ(book.collector.list_count(), 1u);
    EXPECT_THAT(book.add(2, one_two, text("first ", round))[0].verdict.message(), ::testing::HasSubstr("did not come"));
    EXPECT_EQ(book.collector.list_count(), 1u);
    EXPECT_THAT(receivers(book.add(2, one_two, text("second ", round))), ElementsAre(1, 2));
    EXPECT_EQ(book.collector.list_count(), 0u);
  }
}

// Goal: nobody fills rank 0's memory with lists; others are not kept from theirs by it, and the sender may go on once
// a list has ended. Method: as many lists as are allowed, and one more.
TEST(Groups, ListsOfOneRankAreBounded) {
  Book book(16);
  std::uint64_t sequence = 0;
  std::vector<Members> lists;
  for (std::uint32_t mask = 1; lists.size() <= Collector::lists_max; ++mask) {
    lists.push_back({Rank{0}});
    for (std::uint32_t rank = 1; rank < 16; ++rank)
      if (mask >> (rank - 1) & 1u) lists.back().push_back(Rank{rank});
  }
  for (std::size_t i = 0; i < Collector::lists_max; ++i) book.add(0, lists[i], "plan");
  sequence = Collector::lists_max;
  const auto refused = book.collector.add(Rank{0}, part_among(lists.back(), sequence, "plan"), 0);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::malformed);
  EXPECT_EQ(refused.error().message, "rank 0 came to a group that is one more than the 4096 that it may have begun");
  EXPECT_EQ(book.collector.list_count(), Collector::lists_max);
  book.add(1, one_two, "plan");
  EXPECT_EQ(lists[0], (Members{Rank{0}, Rank{1}}));
  EXPECT_EQ(book.add(1, lists[0], "plan").size(), 2u);
  EXPECT_TRUE(book.collector.add(Rank{0}, part_among(lists.back(), sequence + 1, "plan"), 0).ok());
}

// Goal: a list that cannot be meant is refused as malformed, and its sender stays in step. Method: each fault, from a
// peer; then a part that is right.
TEST(Groups, ListsThatCannotBeAreRefused) {
  Collector collector(4);
  std::uint64_t sequence = 0;
  for (const Members& wrong : {Members{Rank{2}, Rank{1}}, Members{Rank{1}, Rank{1}}, Members{Rank{1}, Rank{4}},
                               Members{Rank{0}, Rank{2}}, Members(5, Rank{1}), Members(100'000, Rank{1})}) {
    const auto refused = collector.add(Rank{1}, part_among(wrong, sequence++, "plan"), 0);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::malformed);
    EXPECT_EQ(refused.error().rank, Rank{1});
    EXPECT_LT(refused.error().message.size(), 300u);
  }
  EXPECT_EQ(collector.list_count(), 0u);
  EXPECT_TRUE(collector.add(Rank{1}, part_among(one_two, sequence, "plan"), 0).ok());
}

// ---- lists -----------------------------------------------------------------------------------

// Goal: a caller's wrong list is told in words. Method: each fault.
TEST(Members, WrongListsAreToldInWords) {
  const auto words = [](const Members& members) { return members_of("plan", members, {Rank{1}, 4}).error().message; };
  EXPECT_EQ(words({Rank{1}, Rank{7}}), "plan: a group of ranks 1 and 7, and the session has ranks 0 to 3");
  EXPECT_EQ(words({Rank{2}, Rank{1}}), "plan: a group of ranks 2 and 1, which do not ascend: rank 1 follows rank 2");
  EXPECT_EQ(words({Rank{0}, Rank{2}}), "plan: a group of ranks 0 and 2, and rank 1, which asks, is not among them");
  EXPECT_EQ(words(Members(9, Rank{1})), "plan: a group of 9 ranks, and the session has 4");
  EXPECT_EQ(members_of("plan", {}, {Rank{1}, 4})->size(), 4u);
  EXPECT_EQ(members_text(one_two, 3), "ranks 1 and 2");
  EXPECT_EQ(members_text(one_two, 2), "all ranks");
}

// ---- sessions --------------------------------------------------------------------------------

Blob blob_of(std::uint32_t value) { return Blob(3, std::byte{static_cast<unsigned char>(value)}); }

// Goal: groups that overlap are used at once by several ranks, each in an order of its own, and each member gets the
// members' blobs in the order of the list. Method: all 11 groups of two and more of four ranks, 20 rounds; each group
// has its ranks meet in the order that all agree on, and a barrier of all between some.
TEST(AgreeAmong, OverlappingGroupsMeetEachForItself) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    for (std::uint32_t round = 0; round < 20; ++round) {
      for (std::uint32_t mask = 1; mask < 16; ++mask) {
        if ((mask >> rank & 1u) == 0) continue;
        Members members;
        for (std::uint32_t member = 0; member < 4; ++member)
          if (mask >> member & 1u) members.push_back(Rank{member});
        const auto blobs =
            control.agree_among(members, text("group ", mask), {}, {blob_of(16 * round + rank), {}}, 10 * second_ns);
        ASSERT_TRUE(blobs.ok()) << blobs.error().message;
        ASSERT_EQ(blobs->size(), members.size());
        for (std::size_t place = 0; place < members.size(); ++place)
          EXPECT_EQ((*blobs)[place], blob_of(16 * round + members[place].value));
      }
      if (round % 7 == 0) {
        EXPECT_TRUE(control.agree("all", {}, 10 * second_ns).ok());
      }
    }
  });
}

// Goal: disjoint groups do not wait for each other, and rank 0 need be in neither. Method: {1 2} agrees 50 times while
// rank 3 waits for a rank 0 that comes when that is done.
TEST(AgreeAmong, OthersAreNotWaitedFor) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  const Members zero_three = {Rank{0}, Rank{3}};
  std::atomic<int> done{0};
  on_each(session, [&](std::uint32_t rank, Control& control) {
    if (rank == 1 || rank == 2) {
      for (int i = 0; i < 50; ++i) {
        const auto agreed = control.agree_among(one_two, text(i), {}, {}, 10 * second_ns);
        ASSERT_TRUE(agreed.ok()) << agreed.error().message;
      }
      ++done;
      return;
    }
    if (rank == 0)
      while (done.load() < 2) std::this_thread::yield();
    EXPECT_TRUE(control.agree_among(zero_three, "pair", {}, {}, 20 * second_ns).ok());
  });
}

// Goal: what is wrong is told to the members and to nobody else, and all go on. Method: another field, then trouble, in
// {1 3} of four, while {0 2} agrees.
TEST(AgreeAmong, WhatIsWrongIsToldToTheMembersAlone) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    const Members members = rank % 2 == 0 ? Members{Rank{0}, Rank{2}} : Members{Rank{1}, Rank{3}};
    const std::array fields = {Field{"count", rank == 3 ? "65" : "64"}};
    const auto differ = control.agree_among(members, "sum", fields, {}, 10 * second_ns);
    Contribution mine;
    if (rank == 1) mine.trouble = Error{Code::invalid_argument, "root is 7"};
    const auto trouble = control.agree_among(members, "reduce", {}, mine, 10 * second_ns);
    if (rank % 2 == 0) {
      EXPECT_TRUE(differ.ok());
      EXPECT_TRUE(trouble.ok());
    } else {
      ASSERT_FALSE(differ.ok());
      EXPECT_EQ(differ.error().code, Code::mismatch);
      EXPECT_EQ(differ.error().message, "sum: count: rank 1 has 64, rank 3 has 65");
      ASSERT_FALSE(trouble.ok());
      EXPECT_EQ(trouble.error().code, Code::mismatch);
      EXPECT_EQ(trouble.error().message, "reduce: rank 1 was called wrongly: root is 7");
    }
    EXPECT_TRUE(control.agree("next", {}, 10 * second_ns).ok());
  });
}

// Goal: a member that never comes is named on those that did, with the group where it waits; then all are in step.
// Method: rank 1 waits for 2, which waits for 3 with a longer deadline; 3 comes when 1 has its answer.
TEST(AgreeAmong, MemberThatNeverComesIsNamedWithWhereItIs) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  std::atomic<bool> answered{false};
  const std::uint64_t before = session[2]->bytes_sent();
  on_each(session, [&](std::uint32_t rank, Control& control) {
    if (rank == 1) {
      while (session[2]->bytes_sent() == before) std::this_thread::yield();  // its part for the other group is out
      const auto failed = control.agree_among(one_two, "sum \"a\"", {}, {}, second_ns / 5);
      ASSERT_FALSE(failed.ok());
      EXPECT_EQ(failed.error().code, Code::deadline);
      EXPECT_EQ(failed.error().rank, Rank{2});
      EXPECT_EQ(
          failed.error().message,
          "sum \"a\": rank 2 of ranks 1 and 2 did not come within 200.0 ms; rank 2 is at sum \"b\" of ranks 2 and 3");
      answered = true;
    } else if (rank == 2) {
      EXPECT_TRUE(control.agree_among(two_three, "sum \"b\"", {}, {}, 20 * second_ns).ok());
      EXPECT_EQ(control.agree_among(one_two, "sum \"a\"", {}, {}, 20 * second_ns).error().code, Code::deadline);
    } else if (rank == 3) {
      while (!answered) std::this_thread::yield();
      EXPECT_TRUE(control.agree_among(two_three, "sum \"b\"", {}, {}, 20 * second_ns).ok());
    }
    EXPECT_TRUE(control.agree("next", {}, 20 * second_ns).ok());
  });
}

// Goal: a good-bye of a stranger to a group leaves it alone, that of a member ends its wait. Method: rank 3 of four
// leaves; {0 1 2} agrees after all know, {2 3} does not.
TEST(AgreeAmong, GoodByeEndsTheWaitOfItsGroupsAlone) {
  const auto session = make_session(4);
  ASSERT_EQ(session.size(), 4u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    if (rank == 3) return control.leave();
    if (rank == 2) {
      const auto failed = control.agree_among(two_three, "pair", {}, {}, 60 * second_ns);
      ASSERT_FALSE(failed.ok());
      EXPECT_EQ(failed.error().message, "pair: rank 3 is lost: it left the session");
    }
    EXPECT_TRUE(wait_for_loss(control, std::chrono::seconds(10)).has_value());
    const auto agreed = control.agree_among(std::array{Rank{0}, Rank{1}, Rank{2}}, "rest", {}, {}, 10 * second_ns);
    EXPECT_TRUE(agreed.ok()) << agreed.error().message;
  });
}

// Goal: a death ends the agreement of every group at once, whether the dead one is a member or not. Method: rank 3, a
// process, is killed while rank 1 waits for it, and ranks 0 and 2 for rank 1.
TEST(AgreeAmong, DeathEndsTheWaitOfEveryGroup) {
  const std::string rendezvous = own_rendezvous();
  Child child(3, 4, rendezvous, "hold");
  std::vector<Seat> all;
  for (std::uint32_t rank = 0; rank < 3; ++rank) {
    all.push_back({mesh_options(rank, 4, rendezvous), {}});
    all.back().options.secret = test_secret();
  }
  std::vector<std::unique_ptr<Control>> session;
  for (Joined& joined : join_all(all)) {
    ASSERT_TRUE(joined.ok()) << joined.error().message;
    session.push_back(std::move(*joined));
  }
  ASSERT_TRUE(child.joined());
  const std::uint64_t before = session[1]->bytes_sent();
  std::jthread killer([&] {
    while (session[1]->bytes_sent() == before) std::this_thread::yield();
    child.signal(SIGKILL);
  });
  on_each(session, [](std::uint32_t rank, Control& control) {
    const Members members = rank == 1 ? Members{Rank{1}, Rank{3}} : Members{Rank{0}, Rank{1}, Rank{2}};
    const auto failed = control.agree_among(members, "sum", {}, {}, 60 * second_ns);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, Code::peer_lost);
    EXPECT_EQ(failed.error().rank, Rank{3});
  });
}

// Goal: a wrong list is the caller's mistake, told at once and on this rank alone. Method: a session of two, and one of
// one.
TEST(AgreeAmong, WrongListIsTheCallersMistake) {
  const auto session = make_session(2);
  ASSERT_EQ(session.size(), 2u);
  on_each(session, [](std::uint32_t rank, Control& control) {
    const auto failed = control.agree_among(std::array{Rank{1 - rank}}, "sum", {}, {}, second_ns);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, Code::invalid_argument);
    EXPECT_TRUE(control.agree_among(std::array{Rank{rank}}, "own", {}, {blob_of(7), {}}, 10 * second_ns).ok());
    EXPECT_TRUE(control.agree("next", {}, 10 * second_ns).ok());
  });
  const auto alone = make_control_alone();
  EXPECT_TRUE(alone->agree_among(std::array{Rank{0}}, "own", {}, {}, 0).ok());
  EXPECT_EQ(alone->agree_among(std::array{Rank{1}}, "own", {}, {}, 0).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace gossamer::runtime
