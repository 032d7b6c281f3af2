// Clients that mean harm to a session with a secret: the ranks come together in time, memory stays bounded, and no
// descriptor is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "control_testing.h"
#include "runtime/control/joining/door.h"

namespace gossamer::runtime {
namespace {

// What lives on while the ranks come: clients, and a thread that makes more of them until it is stopped.
struct Attack {
  std::vector<RawClient> clients;
  std::jthread crowd;
};

// Rank 0 of 3 waits, `attack` acts, and while its clients live ranks 1 and 2 come: within ten seconds all are in.
void expect_session_during(const std::function<Attack(const std::string& rendezvous)>& attack) {
  const std::size_t before = open_descriptors();
  {
    auto all = seats(3, own_rendezvous());
    for (Seat& seat : all) {
      seat.options.secret = test_secret();
      seat.options.deadline_ns = 10 * second_ns;
    }
    Joined zero = Error{Code::internal, ""};
    std::jthread rank_0([&] { zero = make_control_mesh(all[0].options, {}); });
    const Attack under_way = attack(all[0].options.rendezvous);
    const auto others = join_all({all[1], all[2]});
    rank_0.join();
    EXPECT_TRUE(zero.ok()) << zero.error().message;
    for (const Joined& joined : others) EXPECT_TRUE(joined.ok()) << joined.error().message;
    EXPECT_TRUE(zero.ok() && !(*zero)->loss().has_value());
  }
  EXPECT_EQ(open_descriptors(), before);
}

wire::Message hello_with_nonce(std::size_t padding_bytes = 0) {
  wire::Message hello = hello_message(1, 3);
  hello.mutable_hello()->set_nonce(random_bytes(nonce_bytes));
  hello.mutable_hello()->set_process(std::string(padding_bytes, 'p'));
  return hello;
}

// Goal: random bytes at each stage of entering do no harm. Method: seeded bytes in place of the Hello, and after a
// Challenge in place of the Proof.
TEST(Hostile, RandomBytesAtEachStageDoNoHarm) {
  expect_session_during([](const std::string& rendezvous) {
    Random random(7);
    std::vector<RawClient> clients;
    for (int i = 0; i < 40; ++i) {
      std::string bytes(1 + random.below(500), '\0');
      for (char& byte : bytes) byte = static_cast<char>(random.next());
      RawClient& client = clients.emplace_back(rendezvous);
      if (i % 2 == 1) {
        client.send(hello_with_nonce());
        EXPECT_TRUE(client.receive().has_value());
      }
      client.send_bytes(bytes);
    }
    return Attack{std::move(clients), {}};
  });
}

// Goal: a huge length is refused at each stage before memory is taken for it. Method: 4 GiB, and just above the
// limit, in place of Hello and of Proof.
TEST(Hostile, HugeLengthAtEachStageIsRefused) {
  expect_session_during([](const std::string& rendezvous) {
    std::vector<RawClient> clients;
    for (const std::string& header : {std::string("\xff\xff\xff\xff"), std::string("\x01\x00\x01\x00", 4)}) {
      for (const bool challenged : {false, true}) {
        RawClient& client = clients.emplace_back(rendezvous);
        if (challenged) {
          client.send(hello_with_nonce());
          EXPECT_TRUE(client.receive().has_value());
        }
        client.send_bytes(header);
        EXPECT_TRUE(client.closed_by_peer());
      }
    }
    return Attack{std::move(clients), {}};
  });
}

// Goal: whoever dribbles is dropped in time, at each stage. Method: clients that say a byte every 50 ms until they are
// closed, all within four seconds.
TEST(Hostile, DribbleIsEndedInTime) {
  expect_session_during([](const std::string& rendezvous) {
    std::vector<RawClient> clients;
    for (int i = 0; i < 8; ++i) {
      RawClient& client = clients.emplace_back(rendezvous);
      if (i % 2 == 1) client.send(hello_with_nonce());
      client.send_bytes(std::string("\x40\x00\x00\x00", 4));
    }
    std::vector<bool> open(clients.size(), true);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(4);
    std::size_t alive = clients.size();
    while (alive > 0 && std::chrono::steady_clock::now() < until) {
      for (std::size_t i = 0; i < clients.size(); ++i) {
        if (!open[i]) continue;
        clients[i].send_bytes("x");
        open[i] = !clients[i].closed_by_peer(std::chrono::milliseconds(6));
        if (!open[i]) --alive;
      }
    }
    EXPECT_EQ(alive, 0u);
    return Attack{std::move(clients), {}};
  });
}

// Goal: many connections at once, at each stage, keep no rank out. Method: 300 that are silent, 300 that say Hello and
// do not prove, and more of both while the ranks come.
TEST(Hostile, CrowdKeepsNoRankOut) {
  expect_session_during([&](const std::string& rendezvous) {
    Attack attack;
    for (int i = 0; i < 600; ++i) {
      RawClient& client = attack.clients.emplace_back(rendezvous);
      if (i % 2 == 1) client.send(hello_with_nonce());
    }
    attack.crowd = std::jthread([rendezvous](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        RawClient client(rendezvous, std::chrono::milliseconds(1));
        if (client.is_connected()) client.send(hello_with_nonce());
      }
    });
    return attack;
  });
}

// Lets everybody try to prove, and nobody in.
class Keeper final : public DoorKeeper {
 public:
  bool admit(const std::shared_ptr<Connection>&, const wire::Message&) override { return false; }
  Result<bool> may_prove(const wire::Message&) override { return true; }
  void note_forger(const Connection&, const wire::Message&) override {}
};

// Goal: what strangers make a door hold is bounded, and let go. Method: a door alone; 300 clients whose Hello has the
// largest size that is allowed, then half of a second message of the largest size; its load is read in its thread.
TEST(Hostile, MemoryAtTheDoorIsBounded) {
  const std::string address = own_rendezvous();
  boost::asio::io_context io{1};
  auto work = boost::asio::make_work_guard(io);
  std::atomic<std::uint64_t> bytes_sent{0};
  Keeper keeper;
  constexpr std::uint32_t ranks = 64;
  Door door(io, {*open_listener(resolve(*parse_host_port(address), time_after(second_ns))->front()), "a test", ranks},
            bytes_sent, test_secret(), keeper);
  door.open();
  std::jthread service([&] { io.run(); });
  const auto load = [&] {
    std::promise<DoorLoad> promise;
    boost::asio::post(io, [&] { promise.set_value(door.load()); });
    return promise.get_future().get();
  };
  std::size_t most = 0;
  {
    std::vector<RawClient> clients;
    for (int i = 0; i < 300; ++i) {
      RawClient& client = clients.emplace_back(address);
      client.send(hello_with_nonce(hello_bytes_max - 300));
      if (i % 2 == 0) {
        EXPECT_TRUE(client.receive().has_value());
      }
      client.send_bytes(std::string("\x00\x00\x01\x00", 4) + std::string(30'000, 'x'));
      const DoorLoad now = load();
      EXPECT_LE(now.connections, waiting_max(ranks));
      EXPECT_LE(now.bytes, waiting_max(ranks) * Door::bytes_each_max);
      most = std::max(most, now.bytes);
    }
    EXPECT_GT(most, 60u * 1024) << "the clients' bytes are counted";
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (load().connections > 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_EQ(load().bytes, 0u);
  boost::asio::post(io, [&] {
    door.close();
    work.reset();
    io.stop();
  });
}

}  // namespace
}  // namespace gossamer::runtime
