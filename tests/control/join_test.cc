// Joining that succeeds, and joining whose addresses are wrong.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "control_testing.h"
#include "runtime/control/address.h"

namespace gossamer::runtime {
namespace {

using testing::HasSubstr;

// The next connection to a listener; -1 inside when none comes in ten seconds.
UniqueDescriptor accept_one(const UniqueDescriptor& listener) {
  pollfd wait{listener.value(), POLLIN, 0};
  ::poll(&wait, 1, 10'000);
  return UniqueDescriptor(::accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC));
}

class JoinWith : public testing::TestWithParam<std::uint32_t> {};

// Goal: a session of P ranks comes about, agrees, and ends in good order. Method: threads, P of 1 to 8.
TEST_P(JoinWith, SessionComesAboutAndEndsInGoodOrder) {
  const auto session = make_session(GetParam());
  ASSERT_EQ(session.size(), GetParam());
  const std::vector<Field> fields = {{"columns", "4096"}};
  on_each(session, [&](std::uint32_t, Control& control) {
    const Status agreed = control.agree("plan", fields, 10 * second_ns);
    EXPECT_TRUE(agreed.ok()) << agreed.error().message;
    // A quicker rank may have left already.
    const auto loss = control.loss();
    EXPECT_TRUE(!loss || loss->left);
    control.leave();
    control.leave();
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, JoinWith, testing::Values(1, 2, 3, 4, 8));

// Goal: one rank needs no network. Method: no address at all, and every call.
TEST(Join, OneRankNeedsNoNetwork) {
  const std::size_t before = open_descriptors();
  MeshOptions options;
  const auto control = make_control_mesh(options, {});
  ASSERT_TRUE(control.ok());
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ((*control)->event_descriptor(), -1);
  EXPECT_EQ((*control)->bytes_sent(), 0u);
  const Blob mine(3, std::byte{7});
  EXPECT_EQ(*(*control)->all_gather("blobs", mine, 0), std::vector<Blob>{mine});
}

// Goal: the start order does not matter. Method: rank 1 first waits alone at a port where nobody listens;
// rank 0 comes when rank 1 is known to try (a listener that closes on it).
TEST(Join, RankThatComesBeforeTheRendezvousWaitsForIt) {
  const std::string rendezvous = own_rendezvous();
  auto early = std::make_unique<UniqueDescriptor>(
      *open_listener(resolve(*parse_host_port(rendezvous), time_after(second_ns))->front()));
  Joined one = Error{Code::internal, ""};
  std::jthread first([&] { one = make_control_mesh(mesh_options(1, 2, rendezvous), {}); });
  const UniqueDescriptor visitor = accept_one(*early);
  EXPECT_GE(visitor.value(), 0);
  early.reset();
  ::shutdown(visitor.value(), SHUT_RDWR);
  const auto zero = make_control_mesh(mesh_options(0, 2, rendezvous), {});
  first.join();
  EXPECT_TRUE(zero.ok()) << zero.error().message;
  EXPECT_TRUE(one.ok()) << one.error().message;
}

// Goal: a socket that listens already is the rendezvous of one session after the other, and of no program that rank 0
// starts. Method: port 0 and an inherited socket, three sessions; the socket's own number afterwards.
TEST(Join, InheritedSocketIsTheRendezvousOfEachSession) {
  auto listener = open_listener(resolve({"127.0.0.1", 0}, time_after(second_ns))->front());
  ASSERT_TRUE(listener.ok());
  ASSERT_EQ(::fcntl(listener->value(), F_SETFD, 0), 0);
  const std::size_t before = open_descriptors();
  for (int round = 0; round < 3; ++round) {
    auto all = seats(3, socket_address_text(local_address_of(*listener)));
    all[0].options.rendezvous_descriptor = listener->value();
    for (const Joined& joined : join_all(all)) EXPECT_TRUE(joined.ok()) << joined.error().message;
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(::fcntl(listener->value(), F_GETFD), FD_CLOEXEC);
}

// Goal: what has the inherited number and does not listen at the rendezvous is the program's: it is left as it is, and
// rank 0 listens at the rendezvous itself. Method: a pipe, a number that is not open, the program's own listener.
TEST(Join, DescriptorThatIsNotTheRendezvousIsLeftAlone) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  auto own = open_listener(resolve({"127.0.0.1", 0}, time_after(second_ns))->front());
  ASSERT_TRUE(own.ok());
  ASSERT_EQ(::fcntl(own->value(), F_SETFD, 0), 0);
  for (const int number : {ends[0], own->value(), 1000}) {
    auto all = seats(2, own_rendezvous());
    all[0].options.rendezvous_descriptor = number;
    for (const Joined& joined : join_all(all)) EXPECT_TRUE(joined.ok()) << joined.error().message;
  }
  EXPECT_EQ(::fcntl(ends[0], F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(own->value(), F_GETFD), 0);
  const RawClient visitor(socket_address_text(local_address_of(*own)));
  EXPECT_GE(accept_one(*own).value(), 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

// Goal: a listener that took the place of the inherited one, number and address, is the program's. Method: a session
// at an inherited socket, then another socket under its number at its port; rank 0 finds the port in use.
TEST(Join, SocketInThePlaceOfTheInheritedOneIsLeftAlone) {
  auto inherited = open_listener(resolve({"127.0.0.1", 0}, time_after(second_ns))->front());
  ASSERT_TRUE(inherited.ok());
  const int number = inherited->value();
  const SocketAddress where = local_address_of(*inherited);
  auto all = seats(2, socket_address_text(where));
  all[0].options.rendezvous_descriptor = number;
  for (const Joined& joined : join_all(all)) EXPECT_TRUE(joined.ok()) << joined.error().message;
  *inherited = UniqueDescriptor();
  auto own = open_listener(where);
  ASSERT_TRUE(own.ok()) << own.error().message;
  const UniqueDescriptor there(own->value() == number ? -1 : ::dup2(own->value(), number));
  const auto refused = make_control_mesh(all[0].options, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("the port is in use"));
}

// Goal: two sessions of one process do not take each other's ranks at an inherited socket. Method: rank 0 twice at
// once.
TEST(Join, InheritedSocketHasOneJoiningAtATime) {
  auto inherited = open_listener(resolve({"127.0.0.1", 0}, time_after(second_ns))->front());
  ASSERT_TRUE(inherited.ok());
  auto all = seats(2, socket_address_text(local_address_of(*inherited)));
  all[0].options.rendezvous_descriptor = inherited->value();
  Joined first = Error{Code::internal, ""};
  std::jthread zero([&] { first = make_control_mesh(all[0].options, {}); });
  RawClient listens(all[0].options.rendezvous);
  listens.send(hello_message(5, 2));  // there is no such rank: an answer says that the first joining is at the door
  EXPECT_TRUE(listens.receive().has_value());
  const auto second = make_control_mesh(all[0].options, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::busy);
  const auto one = make_control_mesh(all[1].options, {});
  zero.join();
  EXPECT_TRUE(first.ok() && one.ok());
}

// Goal: only rank 0 listens at the rendezvous. Method: rank 1 with a descriptor.
TEST(Join, DescriptorOfAnotherRankIsRefused) {
  MeshOptions options = mesh_options(1, 2, own_rendezvous());
  options.rendezvous_descriptor = 0;
  EXPECT_EQ(make_control_mesh(options, {}).error().code, Code::invalid_argument);
}

// A rendezvous of this process alone whose host the resolver takes for a name: 127.2.3.4 as 127.2.772.
std::string named_rendezvous() {
  const auto address = parse_host_port(own_rendezvous());
  const auto bytes = numeric_address(address->host)->to_v4().to_bytes();
  // Listened at on all addresses by some, so the port is of this process alone as well.
  return text("127.", +bytes[1], ".", bytes[2] * 256 + bytes[3], ":", 21000 + ::getpid() % 9000);
}

// Goal: rank 0 listens at bind_host where the rendezvous is a name that is loopback on its own host alone. Method: the
// wildcard, which is also reached at an address that the name does not lead to.
TEST(Join, NameThatIsLoopbackHereIsListenedForAtBindHost) {
  const std::string rendezvous = named_rendezvous();
  auto all = seats(3, rendezvous);
  all[1].options.rendezvous = "127.0.0.1" + rendezvous.substr(rendezvous.rfind(':'));  // as from another host
  for (Seat& seat : all) {
    seat.options.bind_host = "0.0.0.0";
    seat.options.secret = test_secret();
  }
  for (const Joined& joined : join_all(all)) EXPECT_TRUE(joined.ok()) << joined.error().message;
}

// Goal: with bind_host on loopback, a rank 0 that other hosts cannot reach says so at once, and when nobody came.
// Method: the log before the deadline, and the error; "localhost" has no such remark.
TEST(Join, NameThatIsLoopbackHereIsRemarkedOn) {
  const std::string rendezvous = named_rendezvous();
  const std::string name = rendezvous.substr(0, rendezvous.rfind(':'));
  const std::string words = text("; \"", name, "\" is 127.");
  std::atomic<int> logged{0};
  set_log_sink(LogLevel::warning, [&](LogLevel, std::string_view line) {
    if (line.find(words) != std::string_view::npos) ++logged;
  });
  MeshOptions options = mesh_options(0, 2, rendezvous);
  options.deadline_ns = second_ns / 5;
  const auto alone = make_control_mesh(options, {});
  EXPECT_THAT(alone.error().message,
              testing::AllOf(HasSubstr("within 200.0 ms" + words),
                             HasSubstr(" on this host, where no other host can come to: where ranks are on several "
                                       "hosts, set GOSSAMER_BIND_HOST")));
  options.rendezvous = "localhost" + rendezvous.substr(rendezvous.rfind(':'));
  EXPECT_THAT(make_control_mesh(options, {}).error().message, testing::Not(HasSubstr("on this host")));
  set_log_sink(LogLevel::error, {});
  EXPECT_EQ(logged, 1);
}

// Goal: no descriptor leaks, and none is inherited by children. Method: /proc/self/fd around a session.
TEST(Join, DescriptorsAreClosedAndNotInherited) {
  std::set<std::string> before;
  const auto list = [] {
    std::set<std::string> names;
    for (int descriptor = 0; descriptor < 1024; ++descriptor) {
      if (::fcntl(descriptor, F_GETFD) != -1) names.insert(std::to_string(descriptor));
    }
    return names;
  };
  before = list();
  {
    const auto session = make_session(4);
    ASSERT_EQ(session.size(), 4u);
    std::size_t fresh = 0;
    for (const std::string& name : list()) {
      if (before.contains(name)) continue;
      ++fresh;
      EXPECT_NE(::fcntl(std::stoi(name), F_GETFD) & FD_CLOEXEC, 0) << "descriptor " << name;
    }
    EXPECT_GT(fresh, 12u);
  }
  EXPECT_EQ(list(), before);
}

// Goal: a rendezvous where nobody listens is given up in time, with the reason. Method: a loopback port.
TEST(Join, UnreachableRendezvousIsGivenUpInTime) {
  const std::string rendezvous = own_rendezvous();
  MeshOptions options = mesh_options(2, 4, rendezvous);
  options.deadline_ns = second_ns / 5;
  const auto start = std::chrono::steady_clock::now();
  const auto failed = make_control_mesh(options, {});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_EQ(failed.error().message, "rank 2 could not reach the rendezvous " + rendezvous +
                                        " within 200.0 ms: connection refused; is rank 0 started, with the same "
                                        "GOSSAMER_RENDEZVOUS?");
}

// Goal: a listener that is not rank 0 is told apart from none. Method: one that is silent, one that talks.
TEST(Join, OtherProgramAtTheRendezvousIsNamed) {
  const std::string rendezvous = own_rendezvous();
  const auto listener = open_listener(resolve(*parse_host_port(rendezvous), time_after(second_ns))->front());
  MeshOptions options = mesh_options(1, 2, rendezvous);
  options.deadline_ns = second_ns / 5;
  const auto silent = make_control_mesh(options, {});
  EXPECT_EQ(silent.error().code, Code::unavailable);
  EXPECT_THAT(silent.error().message, HasSubstr("something listens there and gave no answer"));

  options.deadline_ns = 20 * second_ns;
  std::jthread other([&] {
    // The first visitor is the one before, which has gone.
    for (int visits = 0; visits < 2; ++visits) {
      const UniqueDescriptor visitor = accept_one(*listener);
      const std::string answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
      static_cast<void>(::send(visitor.value(), answer.data(), answer.size(), MSG_NOSIGNAL));
      ::shutdown(visitor.value(), SHUT_WR);
      std::string rest(4096, '\0');
      while (::recv(visitor.value(), rest.data(), rest.size(), 0) > 0) continue;
    }
  });
  const auto talks = make_control_mesh(options, {});
  other.join();
  EXPECT_EQ(talks.error().code, Code::unavailable);
  EXPECT_THAT(talks.error().message, HasSubstr("is no rank 0 of Gossamer"));
}

// Goal: a host that does not exist is named. Method: a name that no name server may answer (RFC 6761).
TEST(Join, HostThatDoesNotExistIsNamed) {
  MeshOptions options = mesh_options(1, 2, "no-such-host.invalid:4711");
  options.deadline_ns = 2 * second_ns;
  const auto failed = make_control_mesh(options, {});
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("no-such-host.invalid"));
}

// Goal: a port in use, as by a second rank 0, is refused at once and the first session lives.
// Method: rank 0 twice at one address, then rank 1.
TEST(Join, PortInUseIsRefusedAtOnce) {
  const std::string rendezvous = own_rendezvous();
  Joined first = Error{Code::internal, ""};
  std::jthread zero([&] { first = make_control_mesh(mesh_options(0, 2, rendezvous), {}); });
  const RawClient listens(rendezvous);
  const auto second = make_control_mesh(mesh_options(0, 2, rendezvous), {});
  const auto one = make_control_mesh(mesh_options(1, 2, rendezvous), {});
  zero.join();
  EXPECT_TRUE(first.ok() && one.ok());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr("cannot listen at " + rendezvous +
                                                ": address already in use: the port is in use; is another "
                                                "session or a second rank 0 using it?"));
}

// Goal: an address of another host is refused with the remedy. Method: TEST-NET-1 (RFC 5737), bind_host free.
TEST(Join, RendezvousOfAnotherHostIsRefused) {
  MeshOptions options = mesh_options(0, 2, "192.0.2.1:4711");
  options.bind_host = "0.0.0.0";
  options.secret = test_secret();
  const auto failed = make_control_mesh(options, {});
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("rank 0 must run on the rendezvous host"));
}

// Goal: without a secret nothing but loopback is listened on, and the error says what to do. Method: a wildcard
// rendezvous, both kinds of rank, a wildcard bind_host, and an adopted socket that is bound to all interfaces.
TEST(Join, OnlyLoopbackIsListenedOnWithoutASecret) {
  std::vector<MeshOptions> all = {mesh_options(0, 2, "0.0.0.0:4711"), mesh_options(1, 2, "0.0.0.0:4711"),
                                  mesh_options(1, 2, "127.0.0.1:4711"), mesh_options(0, 2, "127.0.0.1:4711")};
  all[2].bind_host = "0.0.0.0";
  auto open = open_listener(resolve({"0.0.0.0", 0}, time_after(second_ns))->front());
  ASSERT_TRUE(open.ok());
  all[3].rendezvous = text("127.0.0.1:", local_address_of(*open).port());
  all[3].rendezvous_descriptor = open->value();
  for (const MeshOptions& options : all) {
    const auto refused = make_control_mesh(options, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::invalid_argument);
    EXPECT_THAT(refused.error().message, HasSubstr("can be reached from other hosts, and the session has no secret"));
    EXPECT_THAT(refused.error().message, HasSubstr("GOSSAMER_SECRET=file:PATH"));
    EXPECT_THAT(refused.error().message, HasSubstr("GOSSAMER_SECRET=none"));
  }
}

// Goal: with a secret, a rank that others cannot reach is told so. Method: a wildcard rendezvous, loopback bind_host.
TEST(Join, BindHostThatOthersCannotReachIsNamed) {
  MeshOptions options = mesh_options(1, 2, "0.0.0.0:4711");
  options.secret = test_secret();
  const auto refused = make_control_mesh(options, {});
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("GOSSAMER_BIND_HOST"));
}

// Goal: with a secret, or where none was said to be wanted, other interfaces are used. Method: wildcard listeners,
// joined over loopback.
TEST(Join, BindHostOpensOtherInterfaces) {
  for (const Secret& secret : {test_secret(), *Secret::read("none")}) {
    auto all = seats(3, own_rendezvous());
    for (Seat& seat : all) {
      seat.options.bind_host = "0.0.0.0";
      seat.options.secret = secret;
    }
    for (const Joined& joined : join_all(all)) EXPECT_TRUE(joined.ok()) << joined.error().message;
  }
}

// Goal: a call that cannot be meant is refused before anything is opened. Method: the four of them.
TEST(Join, WrongOptionsAreRefused) {
  const auto code_of = [](const MeshOptions& options) { return make_control_mesh(options, {}).error().code; };
  EXPECT_EQ(code_of(mesh_options(0, 0, "127.0.0.1:4711")), Code::invalid_argument);
  EXPECT_EQ(code_of(mesh_options(2, 2, "127.0.0.1:4711")), Code::invalid_argument);
  EXPECT_EQ(code_of(mesh_options(0, 2, "127.0.0.1")), Code::invalid_argument);
  const auto many = make_control_mesh(mesh_options(0, session_ranks_max + 1, "127.0.0.1:4711"), {});
  EXPECT_EQ(many.error().code, Code::out_of_resources);
  EXPECT_THAT(many.error().message, HasSubstr("up to 256 ranks; 257 were asked for: start fewer"));
  const std::vector<Field> large = {{"text", std::string(70'000, 'x')}};
  const auto failed = make_control_mesh(mesh_options(0, 2, "127.0.0.1:4711"), large);
  EXPECT_EQ(failed.error().code, Code::invalid_argument);
  EXPECT_THAT(failed.error().message, HasSubstr("64.0 KiB is the limit"));
}

}  // namespace
}  // namespace gossamer::runtime
