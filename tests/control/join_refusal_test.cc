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

// Goal: rank counts that differ are named. Method: rank 1 believes in 3 of 2.
TEST(JoinRefusal, RankCountsThatDifferAreNamed) {
  auto all = seats(2, own_rendezvous());
  all[1].options.rank_count = 3;
  for (const Joined& joined : join_all(all)) {
    ASSERT_FALSE(joined.ok());
    EXPECT_EQ(joined.error().code, Code::mismatch);
    EXPECT_THAT(joined.error().message, HasSubstr("rank count: rank 0 has 2, rank 1 has 3"));
  }
}

// Goal: what ranks say of themselves cannot make rank 0's Welcome too large to send. Method: a raw Hello whose address
// is as long as a Hello may be; 17 of these would be beyond a frame.
TEST(JoinRefusal, OverlongAddressIsRefused) {
  const std::string rendezvous = own_rendezvous();
  Joined zero = Error{Code::internal, ""};
  {
    std::jthread host([&] { zero = make_control_mesh(mesh_options(0, 2, rendezvous), {}); });
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
  std::jthread host([&] { zero = make_control_mesh(mesh_options(0, 2, rendezvous), {}); });
  std::optional<wire::Message> answer;
  {
    RawClient client(rendezvous);
    wire::Message hello = hello_message(1, 2);
    hello.mutable_hello()->set_protocol(control_protocol + 1);
    client.send(hello);
    answer = client.receive();
  }
  host.join();
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
  std::jthread host([&] { zero = make_control_mesh(mesh_options(0, 4, rendezvous), {}); });
  std::jthread other([&] { two = make_control_mesh(mesh_options(2, 4, rendezvous), {}); });
  {
    RawClient client(rendezvous);
    client.send(hello_message(1, 4));
    const auto answer = client.receive();
    EXPECT_TRUE(answer && answer->has_noted());
  }
  host.join();
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
  std::jthread host([&] { zero = make_control_mesh(mesh_options(0, 3, rendezvous), {}); });
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
  host.join();
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
