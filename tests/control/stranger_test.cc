// Strangers at the rendezvous: they are dropped, and the ranks do not notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "control_testing.h"
#include "tests/support/sweep.h"

namespace gossamer::runtime {
namespace {

// Rank 0 waits for rank 1; `disturb` acts meanwhile; then rank 1 comes and all must be well.
void expect_session_despite(const std::function<void(const std::string& rendezvous)>& disturb) {
  const std::string rendezvous = own_rendezvous();
  Joined zero = Error{Code::internal, ""};
  std::jthread rank_0([&] { zero = make_control_mesh(mesh_options(0, 2, rendezvous), {}); });
  disturb(rendezvous);
  const auto one = make_control_mesh(mesh_options(1, 2, rendezvous), {});
  rank_0.join();
  ASSERT_TRUE(zero.ok()) << zero.error().message;
  ASSERT_TRUE(one.ok()) << one.error().message;
  EXPECT_FALSE((*zero)->loss().has_value());
}

// Goal: bytes that are no message are dropped. Method: seeded random bytes of many lengths, each connection
// must be closed by rank 0 or hold still (a length that is plausible and a body that does not come). A sweep over
// seeds.
TEST(Stranger, RandomBytesDoNoHarm) {
  for (const std::uint64_t seed : gossamer::testing::sweep({1, 500}, 1)) {
    SCOPED_TRACE(gossamer::testing::replay_of(seed));
    expect_session_despite([&](const std::string& rendezvous) {
      Random random(seed);
      std::vector<RawClient> clients;
      for (int i = 0; i < 60; ++i) {
        std::string bytes(random.below(2000), '\0');
        for (char& byte : bytes) byte = static_cast<char>(random.next());
        clients.emplace_back(rendezvous).send_bytes(bytes);
      }
    });
  }
}

// Goal: a huge length is refused before memory is taken for it. Method: 4 GiB announced, then 65 KiB.
TEST(Stranger, HugeLengthIsRefused) {
  expect_session_despite([](const std::string& rendezvous) {
    for (const std::string& header : {std::string("\xff\xff\xff\xff"), std::string("\x00\x04\x01\x00", 4)}) {
      const RawClient client(rendezvous);
      client.send_bytes(header);
      EXPECT_TRUE(client.closed_by_peer());
    }
  });
}

// Goal: well-formed messages that are no Hello of a rank are dropped. Method: each kind, and a wrong magic.
TEST(Stranger, MessagesThatAreNoHelloAreDropped) {
  expect_session_despite([](const std::string& rendezvous) {
    std::vector<wire::Message> messages(6);
    messages[0].mutable_goodbye();
    messages[1].mutable_peer_lost()->mutable_loss()->set_rank(0);
    messages[2].mutable_start();
    messages[3].mutable_collect()->set_sequence(7);
    messages[4] = hello_message(1, 2);
    messages[4].mutable_hello()->set_magic(1);
    messages[5].mutable_mesh_hello()->set_magic(control_magic);
    for (const wire::Message& message : messages) {
      RawClient client(rendezvous);
      client.send(message);
      EXPECT_TRUE(client.closed_by_peer());
    }
  });
}

// Goal: a silent stranger is dropped after its time and logged. Method: one that never speaks, closed within
// five seconds while rank 0 still waits.
TEST(Stranger, SilentConnectionIsDroppedAndLogged) {
  std::atomic<int> logged{0};
  set_log_sink(LogLevel::warning, [&](LogLevel, std::string_view message) {
    if (message.find("it said nothing in time") != std::string_view::npos) ++logged;
  });
  expect_session_despite([](const std::string& rendezvous) {
    const RawClient client(rendezvous);
    EXPECT_TRUE(client.closed_by_peer());
  });
  set_log_sink(LogLevel::error, {});
  EXPECT_EQ(logged, 1);
}

// Goal: thousands of connections do not keep ranks out, nor take descriptors without bound. Method: 3,000
// connections that say nothing, 300 of them open at a time and while rank 1 joins.
TEST(Stranger, FloodOfConnectionsIsBounded) {
  const std::size_t before = open_descriptors();
  std::vector<RawClient> held;
  expect_session_despite([&](const std::string& rendezvous) {
    for (int round = 0; round < 10; ++round) {
      held.clear();
      for (int i = 0; i < 300; ++i) held.emplace_back(rendezvous);
    }
    // Those that rank 0 dropped to keep its bound; the oldest went first.
    for (std::size_t i = 0; i < 150; ++i) EXPECT_TRUE(held[i].closed_by_peer());
    EXPECT_LE(open_descriptors(), before + 300 + 128 + 16);
  });
  held.clear();
  EXPECT_LE(open_descriptors(), before);
}

// Goal: strangers at a rank's own listener cannot take a rank's place. Method: a raw rank 2 of 3 hears rank
// 1's address from rank 0, shows a wrong key there and is dropped, then the right one and is in.
TEST(Stranger, WrongKeyAtAListenerIsDropped) {
  const std::string rendezvous = own_rendezvous();
  Joined zero = Error{Code::internal, ""}, one = Error{Code::internal, ""};
  std::jthread rank_0([&] { zero = make_control_mesh(mesh_options(0, 3, rendezvous), {}); });
  std::jthread other([&] { one = make_control_mesh(mesh_options(1, 3, rendezvous), {}); });
  RawClient two(rendezvous);
  two.send(hello_message(2, 3));
  std::optional<wire::Message> message = two.receive();
  while (message && !message->has_welcome()) message = two.receive();
  ASSERT_TRUE(message.has_value());
  const wire::Welcome::Member& member = message->welcome().members(1);
  const std::string listener = text(member.listen_address(), ":", member.listen_port());
  wire::Message mesh_hello;
  mesh_hello.mutable_mesh_hello()->set_magic(control_magic);
  mesh_hello.mutable_mesh_hello()->set_rank(2);
  mesh_hello.mutable_mesh_hello()->set_to_rank(1);
  mesh_hello.mutable_mesh_hello()->set_key(member.key() + 1);
  {
    RawClient stranger(listener);
    stranger.send(mesh_hello);
    EXPECT_TRUE(stranger.closed_by_peer());
  }
  mesh_hello.mutable_mesh_hello()->set_key(member.key());
  RawClient connection(listener);
  connection.send(mesh_hello);
  wire::Message ready;
  ready.mutable_ready();
  two.send(ready);
  rank_0.join();
  other.join();
  EXPECT_TRUE(zero.ok() && one.ok());
}

// Goal: a member that turns to nonsense is lost, with that reason, and nothing else breaks. Method: a raw
// rank 1 of 2 joins, then sends a frame that is no message.
TEST(Stranger, MemberThatSendsNonsenseIsLost) {
  const std::string rendezvous = own_rendezvous();
  Joined zero = Error{Code::internal, ""};
  std::jthread rank_0([&] { zero = make_control_mesh(mesh_options(0, 2, rendezvous), {}); });
  RawClient client(rendezvous);
  client.send(hello_message(1, 2));
  wire::Message ready;
  ready.mutable_ready();
  client.send(ready);
  rank_0.join();
  ASSERT_TRUE(zero.ok());
  client.send_bytes(std::string("\x03\x00\x00\x00\xff\xff\xff", 7));
  const auto loss = wait_for_loss(**zero, std::chrono::seconds(5));
  ASSERT_TRUE(loss.has_value());
  EXPECT_EQ(loss->rank, Rank{1});
  EXPECT_EQ(loss->reason, "it sent bytes that are no message of Gossamer's control protocol");
}

}  // namespace
}  // namespace gossamer::runtime
