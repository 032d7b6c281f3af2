// Sessions with a secret: who knows it is in, who does not is out, and neither can be played back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "control_testing.h"

namespace gossamer::runtime {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::vector<Seat> secret_seats(std::uint32_t rank_count, const std::string& rendezvous) {
  auto all = seats(rank_count, rendezvous);
  for (Seat& seat : all) seat.options.secret = test_secret();
  return all;
}

// Rank 0 of 2 waits; `disturb` acts meanwhile; then rank 1 comes with the right secret and all must be well.
void expect_session_despite(const std::function<void(const std::string& rendezvous)>& disturb) {
  const auto all = secret_seats(2, own_rendezvous());
  Joined zero = Error{Code::internal, ""};
  std::jthread rank_0([&] { zero = make_control_mesh(all[0].options, {}); });
  disturb(all[0].options.rendezvous);
  const auto one = make_control_mesh(all[1].options, {});
  rank_0.join();
  ASSERT_TRUE(zero.ok()) << zero.error().message;
  ASSERT_TRUE(one.ok()) << one.error().message;
  EXPECT_FALSE((*zero)->loss().has_value());
}

// Goal: a rank with another secret, or with none, is told so, and the right ranks still come together. Method: each
// wrong rank 1 first, then the right one.
TEST(SecretJoin, RankWithoutTheSecretIsToldAndTheSessionGoesOn) {
  expect_session_despite([](const std::string& rendezvous) {
    MeshOptions other = mesh_options(1, 2, rendezvous);
    other.secret = Secret::of("quite another secret than that one");
    const auto differs = make_control_mesh(other, {});
    ASSERT_FALSE(differs.ok());
    EXPECT_EQ(differs.error().code, Code::mismatch);
    EXPECT_THAT(differs.error().message, HasSubstr("session secret: that of rank 1 differs from that of rank 0"));
    other.secret = Secret();
    const auto none = make_control_mesh(other, {});
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().code, Code::mismatch);
    EXPECT_THAT(none.error().message, HasSubstr("session secret: rank 0 has one, rank 1 has none"));
  });
}

// Goal: when nobody with the right secret comes, rank 0 says who knocked, and no secret is in any word. Method: a rank
// 1 with another secret alone; the log is read, too.
TEST(SecretJoin, RankZeroSaysWhoKnockedAndNoSecretIsShown) {
  const std::string words = "another-secret-that-must-not-be-shown";
  std::mutex mutex;
  std::string logged;
  set_log_sink(LogLevel::debug, [&](LogLevel, std::string_view line) {
    const std::lock_guard lock(mutex);
    logged += std::string(line) + "\n";
  });
  auto all = secret_seats(2, own_rendezvous());
  all[1].options.secret = Secret::of(words);
  all[0].options.deadline_ns = second_ns;
  const auto joined = join_all(all);
  set_log_sink(LogLevel::error, {});
  ASSERT_FALSE(joined[0].ok());
  EXPECT_EQ(joined[0].error().code, Code::deadline);
  EXPECT_THAT(joined[0].error().message,
              AllOf(HasSubstr("rank 1 of 2 did not come"), HasSubstr("that calls itself rank 1"),
                    HasSubstr("has another session secret")));
  EXPECT_EQ(joined[1].error().code, Code::mismatch);
  EXPECT_THAT(logged, HasSubstr("its session secret differs"));
  EXPECT_THAT(logged + joined[0].error().message + joined[1].error().message, Not(HasSubstr("must-not-be")));
}

// Goal: a rank 0 without a secret does not get ranks that have one. Method: rank 1 alone has it.
TEST(SecretJoin, RankZeroWithoutTheSecretIsNamed) {
  auto all = secret_seats(2, own_rendezvous());
  all[0].options.secret = Secret();
  for (const Joined& joined : join_all(all)) {
    ASSERT_FALSE(joined.ok());
    EXPECT_EQ(joined.error().code, Code::mismatch);
    EXPECT_THAT(joined.error().message, HasSubstr("session secret: rank 0 has none, rank 1 has one"));
  }
}

// Goal: whoever plays rank 0 without the secret is found out, also when it skips the proof. Method: a raw listener
// that answers Hello with Noted, then one that answers with a Challenge and a Noted without a code.
TEST(SecretJoin, FalseRankZeroIsFoundOut) {
  for (const bool challenges : {false, true}) {
    const std::string rendezvous = own_rendezvous();
    const auto listener = open_listener(resolve(*parse_host_port(rendezvous), time_after(second_ns))->front());
    ASSERT_TRUE(listener.ok());
    MeshOptions options = mesh_options(1, 2, rendezvous);
    options.secret = test_secret();
    Joined one = Error{Code::internal, ""};
    std::jthread rank([&] { one = make_control_mesh(options, {}); });
    RawClient false_zero = RawClient::accept(*listener);
    ASSERT_TRUE(false_zero.is_connected());
    EXPECT_TRUE(false_zero.receive().has_value());
    wire::Message challenge, noted;
    challenge.mutable_challenge()->set_nonce(random_bytes(nonce_bytes));
    noted.mutable_noted();
    if (challenges) false_zero.send(challenge);
    false_zero.send(noted);
    if (challenges) false_zero.send_bytes(std::string(64, '\0'));
    rank.join();
    ASSERT_FALSE(one.ok());
    EXPECT_EQ(one.error().code, Code::mismatch);
    EXPECT_THAT(one.error().message, HasSubstr("session secret"));
  }
}

// Goal: a recorded joining is worth nothing: in the same session the rank is taken, in a later one with the same
// secret the nonces differ. Method: rank 1 joins through a relay; its bytes are said again to both.
TEST(SecretJoin, RecordedJoiningIsWorthNothing) {
  const auto all = secret_seats(2, own_rendezvous());
  Relay relay(all[0].options.rendezvous);
  MeshOptions one = all[1].options;
  one.rendezvous = relay.address();
  Joined zero_joined = Error{Code::internal, ""};
  std::jthread rank_0([&] { zero_joined = make_control_mesh(all[0].options, {}); });
  const auto one_joined = make_control_mesh(one, {});
  rank_0.join();
  ASSERT_TRUE(zero_joined.ok() && one_joined.ok());
  const std::string recorded = relay.said();
  EXPECT_GT(recorded.size(), 100u);

  expect_session_despite([&](const std::string& rendezvous) {
    const RawClient player(rendezvous);
    player.send_bytes(recorded);
    EXPECT_TRUE(player.closed_by_peer());
  });
}

// Goal: frames that are replayed, changed or made up in a living connection end it with the reason, on rank 0, and
// nothing in them takes effect. Method: rank 1 is connected through a relay.
TEST(SecretJoin, InjectedFramesEndTheConnection) {
  for (const char* how : {"replay", "change", "make up"}) {
    const auto all = secret_seats(2, own_rendezvous());
    Relay relay(all[0].options.rendezvous);
    MeshOptions one = all[1].options;
    one.rendezvous = relay.address();
    Joined zero_joined = Error{Code::internal, ""};
    std::jthread rank_0([&] { zero_joined = make_control_mesh(all[0].options, {}); });
    const auto one_joined = make_control_mesh(one, {});
    rank_0.join();
    ASSERT_TRUE(zero_joined.ok() && one_joined.ok());
    const std::size_t before = relay.said().size();
    if (std::string_view(how) == "change") relay.corrupt_next();
    std::jthread caller([&] { static_cast<void>((*one_joined)->agree("plan", {}, 10 * second_ns)); });
    if (std::string_view(how) == "make up") {
      wire::Message goodbye;
      goodbye.mutable_goodbye();
      const std::string body = goodbye.SerializeAsString();
      relay.inject(std::string{static_cast<char>(body.size()), 0, 0, 0} + body + std::string(frame_code_bytes, '\7'));
    } else if (std::string_view(how) == "replay") {
      while (relay.said().size() == before) std::this_thread::yield();
      relay.inject(relay.said().substr(before));
    }
    const auto loss = wait_for_loss(**zero_joined, std::chrono::seconds(10));
    ASSERT_TRUE(loss.has_value()) << how;
    EXPECT_EQ(loss->rank, Rank{1});
    EXPECT_FALSE(loss->left);
    EXPECT_THAT(loss->reason, HasSubstr("wrong authentication code")) << how;
  }
}

// Goal: a holder of the secret that claims a rank that does not exist, or one that is taken, is turned away alone.
// Method: raw clients before the real rank 1 comes.
TEST(SecretJoin, WrongRankWithTheRightSecretIsTurnedAwayAlone) {
  expect_session_despite([](const std::string& rendezvous) {
    const auto refusal_of = [&](std::uint32_t rank) {
      RawClient client(rendezvous);
      const auto answer = knock(client, hello_message(rank, 2), test_secret());
      EXPECT_TRUE(answer && answer->has_refusal());
      EXPECT_TRUE(client.closed_by_peer());
      return answer ? answer->refusal().message() : "";
    };
    EXPECT_THAT(refusal_of(7), HasSubstr("claims rank 7 of 2; the last rank is 1"));
    EXPECT_THAT(refusal_of(0), HasSubstr("two peers claim rank 0"));
  });
}

// Goal: the connections between ranks above 0 are authenticated as well. Method: a raw rank 2 of 3 with the secret
// hears where rank 1 listens; a stranger that has seen address and key is dropped there.
TEST(SecretJoin, StrangerAtARanksListenerIsDropped) {
  const auto all = secret_seats(3, own_rendezvous());
  Joined zero = Error{Code::internal, ""}, one = Error{Code::internal, ""};
  std::jthread rank_0([&] { zero = make_control_mesh(all[0].options, {}); });
  std::jthread other([&] { one = make_control_mesh(all[1].options, {}); });
  RawClient two(all[0].options.rendezvous);
  std::optional<wire::Message> message = knock(two, hello_message(2, 3), test_secret());
  while (message && !message->has_welcome()) message = two.receive();
  ASSERT_TRUE(message.has_value());
  const wire::Welcome::Member& member = message->welcome().members(1);
  const std::string listener = text(member.listen_address(), ":", member.listen_port());
  wire::Message hello;
  hello.mutable_mesh_hello()->set_magic(control_magic);
  hello.mutable_mesh_hello()->set_rank(2);
  hello.mutable_mesh_hello()->set_to_rank(1);
  hello.mutable_mesh_hello()->set_key(member.key());
  hello.mutable_mesh_hello()->set_session(two.session());
  const auto connect = [&](const Secret& secret) {
    RawClient client(listener);
    hello.mutable_mesh_hello()->set_nonce(random_bytes(nonce_bytes));
    client.send(hello);
    const auto challenge = client.receive();
    EXPECT_TRUE(challenge && challenge->has_challenge());
    client.authenticate(secret);
    wire::Message proof;
    proof.mutable_proof();
    client.send(proof);
    const auto answer = client.receive();
    return std::pair(std::move(client), answer && answer->has_noted());
  };
  {
    RawClient silent(listener);
    silent.send(hello);  // without a nonce
    EXPECT_TRUE(silent.closed_by_peer());
  }
  EXPECT_FALSE(connect(Secret::of("a stranger's guess at the secret")).second);
  const auto connection = connect(test_secret());
  EXPECT_TRUE(connection.second);
  wire::Message ready;
  ready.mutable_ready();
  two.send(ready);
  rank_0.join();
  other.join();
  EXPECT_TRUE(zero.ok()) << zero.error().message;
  EXPECT_TRUE(one.ok()) << one.error().message;
}

}  // namespace
}  // namespace gossamer::runtime
