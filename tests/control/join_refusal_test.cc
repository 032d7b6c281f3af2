// Joining that rank 0 refuses: every rank that came hears the same words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "control_testing.h"

namespace gossamer::runtime {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

void expect_all_say(const std::vector<Joined>& joined, Code code, const std::string& message) {
  for (const Joined& one : joined) {
    ASSERT_FALSE(one.ok());
    EXPECT_EQ(one.error().code, code) << one.error().message;
    EXPECT_EQ(one.error().message, message);
  }
}

// Goal: each shared field that differs is named with both values, on every rank. Method: one rank of three
// differs in one field after the other.
TEST(JoinRefusal, EachFieldThatDiffersIsNamedOnEveryRank) {
  const std::vector<Field> shared = {{"library version", "0.1.0"},
                                     {"wire version", "3"},
                                     {"hash version", "1"},
                                     {"byte order", "little"},
                                     {"transport", "ucx"}};
  for (std::size_t i = 0; i < shared.size(); ++i) {
    auto all = seats(3, own_rendezvous(), shared);
    all[2].shared[i].value = "other";
    const auto joined = join_all(all);
    expect_all_say(joined, Code::mismatch,
                   text(shared[i].name, ": rank 0 has ", shared[i].value, ", rank 2 has other"));
    EXPECT_EQ(joined[1].error().rank, Rank{2});
  }
}

// Goal: a field that only one side has is a difference. Method: rank 1 has one more.
TEST(JoinRefusal, FieldOfOneRankOnlyIsNamed) {
  auto all = seats(2, own_rendezvous());
  all[1].shared.push_back({"seed", "7"});
  expect_all_say(join_all(all), Code::mismatch, "seed: rank 0 does not have this field, rank 1 has 7");
}

// Goal: rank counts that differ within a job are named to all. Method: rank 1 of a named job believes in 3 of 2.
TEST(JoinRefusal, RankCountsThatDifferAreNamed) {
  auto all = seats(2, own_rendezvous());
  for (Seat& seat : all) seat.options.job = "job-7";
  all[1].options.rank_count = 3;
  for (const Joined& joined : join_all(all)) {
    ASSERT_FALSE(joined.ok());
    EXPECT_EQ(joined.error().code, Code::mismatch);
    EXPECT_THAT(joined.error().message, HasSubstr("rank count: rank 0 has 2, rank 1 has 3"));
  }
}

// Rank 0 waits for rank 1; a rank 1 of another job comes, is told `words` and changes nothing; then the right one
// comes.
void expect_stranger_turned_away(const Seat& seat, const Seat& stranger, const std::string& words) {
  Joined zero = Error{Code::internal, ""};
  Seat first = seat;
  first.options.rank = Rank{0};
  std::jthread rank_0([&] { zero = make_control_mesh(first.options, first.shared); });
  const auto refused = make_control_mesh(stranger.options, stranger.shared);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::mismatch);
  EXPECT_THAT(refused.error().message, HasSubstr(words));
  const auto one = make_control_mesh(seat.options, seat.shared);
  rank_0.join();
  EXPECT_TRUE(zero.ok()) << zero.error().message;
  EXPECT_TRUE(one.ok()) << one.error().message;
}

// Goal: a rank of another job is turned away alone, whatever else differs, and the session comes about. Method: another
// job name at the door, with equal settings, another version and another count; without a secret and with one, the
// stranger's the same, another and none.
TEST(JoinRefusal, RankOfAnotherJobIsTurnedAwayAlone) {
  const std::string words = "job: rank 0 has job-7, rank 1 has job-8 (";
  for (const bool secret : {false, true}) {
    Seat seat = seats(2, own_rendezvous(), {{"library version", "0.1.0"}})[1];
    seat.options.job = "job-7";
    if (secret) seat.options.secret = test_secret();
    std::vector<Seat> strangers(4, seat);
    strangers[1].shared[0].value = "0.2.0";
    strangers[2].options.rank_count = 3;
    if (secret) strangers[3].options.secret = Secret::of("a secret of another job altogether");
    if (secret) strangers.push_back(seat), strangers.back().options.secret = Secret();
    for (Seat& stranger : strangers) {
      stranger.options.job = "job-8";
      ASSERT_NO_FATAL_FAILURE(expect_stranger_turned_away(seat, stranger, words));
    }
  }
}

// Goal: where no job has a name, a rank with another count is one of another job. Method: rank 1 of 3 at a door of 2.
TEST(JoinRefusal, AnotherRankCountWithoutAJobNameIsAStrangers) {
  const Seat seat = seats(2, own_rendezvous())[1];
  Seat stranger = seat;
  stranger.options.rank_count = 3;
  expect_stranger_turned_away(seat, stranger, "rank count: rank 0 has 2, rank 1 has 3 (");
}

// Goal: who waits in vain learns that another job meets there. Method: a stranger alone comes to rank 0.
TEST(JoinRefusal, RankOfAnotherJobIsNamedAtTheDeadline) {
  auto all = seats(2, own_rendezvous());
  all[0].options.deadline_ns = second_ns;
  all[1].options.job = "job-8";
  const auto joined = join_all(all);
  EXPECT_EQ(joined[0].error().code, Code::deadline);
  EXPECT_THAT(joined[0].error().message, HasSubstr("the first one because: job: rank 0 has default, rank 1 has job-8"));
}

// Goal: what differs within one job still ends it for all at once, also where the job has a name. Method: a version.
TEST(JoinRefusal, AnotherVersionInOneJobEndsAll) {
  auto all = seats(3, own_rendezvous(), {{"library version", "0.1.0"}});
  for (Seat& seat : all) seat.options.job = "job-7";
  all[2].shared[0].value = "0.2.0";
  expect_all_say(join_all(all), Code::mismatch, "library version: rank 0 has 0.1.0, rank 2 has 0.2.0");
}

// Goal: what ranks say of themselves cannot make rank 0's Welcome too large to send. Method: a raw Hello whose address
// is as long as a Hello may be; 17 of these would be beyond a frame.
TEST(JoinRefusal, OverlongAddressIsRefused) {
  const std::string rendezvous = own_rendezvous();
  Joined zero = Error{Code::internal, ""};
  {
    std::jthread rank_0([&] { zero = make_control_mesh(mesh_options(0, 2, rendezvous), {}); });
    RawClient client(rendezvous);
    wire::Message hello = hello_message(1, 2);
    hello.mutable_hello()->set_listen_address(std::string(60'000, '1'));
    client.send(hello);
    const auto answer = client.receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(answer->has_refusal());
  }
  ASSERT_FALSE(zero.ok());
  EXPECT_EQ(zero.error().code, Code::mismatch);
  EXPECT_EQ(zero.error().rank, Rank{1});
  EXPECT_THAT(zero.error().message, HasSubstr("gives an address of 60000 B to reach it at; expected a numeric one"));
}

// Goal: another version of the protocol is told so, in words that both versions read. Method: a raw Hello.
TEST(JoinRefusal, OtherProtocolVersionIsTold) {
  const std::string rendezvous = own_rendezvous();
  Joined zero = Error{Code::internal, ""};
  std::jthread rank_0([&] { zero = make_control_mesh(mesh_options(0, 2, rendezvous), {}); });
  std::optional<wire::Message> answer;
  {
    RawClient client(rendezvous);
    wire::Message hello = hello_message(1, 2);
    hello.mutable_hello()->set_protocol(control_protocol + 1);
    client.send(hello);
    answer = client.receive();
  }
  rank_0.join();
  ASSERT_TRUE(answer && answer->has_refusal());
  EXPECT_THAT(answer->refusal().message(), HasSubstr(text("control protocol: rank 0 has ", control_protocol,
                                                          ", rank 1 has ", control_protocol + 1)));
  EXPECT_EQ(zero.error().message, answer->refusal().message());
}

// Goal: of two peers with one rank the second is told at once, and the session does without it; if another rank is
// missing, all hear why. Method: ranks 0, 1, 2 and again 1, of 4, so that rank 3 is missing.
TEST(JoinRefusal, SecondPeerWithARankIsTurnedAwayAloneAndNamedToAll) {
  auto all = seats(4, own_rendezvous());
  all[3].options.rank = Rank{1};
  for (Seat& seat : all) seat.options.deadline_ns = 2 * second_ns;
  int turned_away = 0;
  for (const Joined& one : join_all(all)) {
    ASSERT_FALSE(one.ok());
    const std::string two = "two peers claim rank 1: .+:[0-9]+ and .+:[0-9]+; give each process a rank of its own";
    if (one.error().code == Code::mismatch) {
      ++turned_away;
      EXPECT_EQ(one.error().rank, Rank{1});
      EXPECT_THAT(one.error().message, MatchesRegex(two));
    } else {
      EXPECT_EQ(one.error().code, Code::deadline);
      EXPECT_THAT(one.error().message, MatchesRegex("rank 3 of 4 did not come to .* within 2.0 s; 1 connection was "
                                                    "turned away, the first one because: " +
                                                    two));
    }
  }
  EXPECT_EQ(turned_away, 1);
}

// Goal: ranks that did not come are named on all that did, in time. Method: two of four come.
TEST(JoinRefusal, RanksThatDidNotComeAreNamed) {
  const std::string rendezvous = own_rendezvous();
  auto all = seats(4, rendezvous);
  all.resize(2);
  for (Seat& seat : all) seat.options.deadline_ns = second_ns / 2;
  const auto start = std::chrono::steady_clock::now();
  const auto joined = join_all(all);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
  expect_all_say(joined, Code::deadline, "ranks 2 and 3 of 4 did not come to " + rendezvous + " within 500.0 ms");
}

// Goal: the rank with the least patience ends the wait for all, with names. Method: rank 1 of 3 waits 0.3 s,
// rank 0 twenty.
TEST(JoinRefusal, EarliestDeadlineEndsTheWaitOfAll) {
  const std::string rendezvous = own_rendezvous();
  auto all = seats(3, rendezvous);
  all.resize(2);
  all[1].options.deadline_ns = 3 * second_ns / 10;
  const auto start = std::chrono::steady_clock::now();
  const auto joined = join_all(all);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
  expect_all_say(joined, Code::deadline, "rank 2 of 3 did not come to " + rendezvous + " within 300.0 ms");
}

// Goal: a rank that came and died before all had come ends the wait at once. Method: a raw rank 1 that
// closes after it was noted.
TEST(JoinRefusal, RankThatDiesWhileJoiningIsNamedAtOnce) {
  const std::string rendezvous = own_rendezvous();
  Joined zero = Error{Code::internal, ""}, two = Error{Code::internal, ""};
  std::jthread rank_0([&] { zero = make_control_mesh(mesh_options(0, 4, rendezvous), {}); });
  std::jthread other([&] { two = make_control_mesh(mesh_options(2, 4, rendezvous), {}); });
  {
    RawClient client(rendezvous);
    client.send(hello_message(1, 4));
    const auto answer = client.receive();
    EXPECT_TRUE(answer && answer->has_noted());
  }
  rank_0.join();
  other.join();
  for (const Joined* one : {&zero, &two}) {
    ASSERT_FALSE(one->ok());
    EXPECT_EQ(one->error().code, Code::peer_lost);
    EXPECT_EQ(one->error().rank, Rank{1});
    EXPECT_THAT(one->error().message, HasSubstr("rank 1 (a test) was lost while the session was being joined"));
  }
}

// Goal: a rank that cannot reach a lower one says so, and all hear it. Method: a raw rank 1 that announces
// a port where nobody listens.
TEST(JoinRefusal, RankThatCannotReachAnotherIsToldToAll) {
  const std::string rendezvous = own_rendezvous();
  const std::string nobody = own_rendezvous();
  Joined zero = Error{Code::internal, ""}, two = Error{Code::internal, ""};
  MeshOptions patience = mesh_options(2, 3, rendezvous);
  std::jthread rank_0([&] { zero = make_control_mesh(mesh_options(0, 3, rendezvous), {}); });
  std::jthread other([&] { two = make_control_mesh(patience, {}); });
  RawClient client(rendezvous);
  wire::Message hello = hello_message(1, 3);
  hello.mutable_hello()->set_listen_address(nobody.substr(0, nobody.find(':')));
  hello.mutable_hello()->set_listen_port(1);
  client.send(hello);
  std::optional<wire::Message> last;
  while (auto next = client.receive()) last = std::move(next);
  ASSERT_TRUE(last && last->has_refusal());
  EXPECT_TRUE(client.closed_by_peer());
  rank_0.join();
  other.join();
  EXPECT_EQ(zero.error().code, Code::unavailable);
  EXPECT_THAT(zero.error().message, HasSubstr("rank 2 could not connect to rank 1 at "));
  EXPECT_THAT(zero.error().message, HasSubstr("connection refused"));
  EXPECT_EQ(two.error().message, zero.error().message);
  EXPECT_EQ(last->refusal().message(), zero.error().message);
}

// Goal: a failed joining leaks no descriptor. Method: a mismatch and a missing rank.
TEST(JoinRefusal, FailedJoiningLeaksNoDescriptor) {
  const std::size_t before = open_descriptors();
  auto all = seats(3, own_rendezvous(), {{"a", "1"}});
  all[1].shared[0].value = "2";
  for (const Joined& joined : join_all(all)) EXPECT_FALSE(joined.ok());
  auto few = seats(3, own_rendezvous());
  few.pop_back();
  for (Seat& seat : few) seat.options.deadline_ns = second_ns / 5;
  for (const Joined& joined : join_all(few)) EXPECT_FALSE(joined.ok());
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace gossamer::runtime
