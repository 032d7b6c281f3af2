// Which interfaces are chosen, and where ranks are.
#include "runtime/control/joining/interfaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/control/joining/rank_hosts.h"

namespace gossamer::runtime {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<InterfaceAddress> host = {
    {"lo", "127.0.0.1", 8, true},        {"lo", "::1", 128, true},        {"eth0", "10.0.0.7", 24, true},
    {"eth0", "fd00::7", 64, true},       {"eth0", "fe80::7", 64, true},   {"ib0", "192.168.4.7", 16, true},
    {"docker0", "172.17.0.1", 16, true}, {"eth1", "10.1.0.7", 24, false}, {"eth2", "", 0, true}};

std::string chosen(std::string_view choice) {
  const auto out = choose_interfaces(choice, host);
  if (!out.ok()) return "refused: " + out.error().message;
  std::string words;
  for (const InterfaceAddress& each : *out) words += text(words.empty() ? "" : " ", each.address);
  return words;
}

// Goal: names, lists, addresses, subnets and exclusions of both families mean what they say. Method: a host with four
// networks.
TEST(Interfaces, AreChosenByNameSubnetAndExclusion) {
  EXPECT_EQ(chosen("eth0"), "10.0.0.7 fd00::7");
  EXPECT_EQ(chosen("ib0,eth0"), "192.168.4.7 10.0.0.7 fd00::7");
  EXPECT_EQ(chosen("none,ib0"), "192.168.4.7");
  EXPECT_EQ(chosen("10.0.0.7"), "10.0.0.7");
  EXPECT_EQ(chosen("10.0.0.0/8"), "10.0.0.7");
  EXPECT_EQ(chosen("192.168.7.0/17"), "192.168.4.7");
  EXPECT_EQ(chosen("fd00::/64"), "fd00::7");
  EXPECT_EQ(chosen("fe80::/10"), "fe80::7");
  EXPECT_EQ(chosen("lo"), "127.0.0.1 ::1");
  EXPECT_EQ(chosen("^docker0"), "10.0.0.7 fd00::7 192.168.4.7");
  EXPECT_EQ(chosen("^docker0,192.168.0.0/16"), "10.0.0.7 fd00::7");
  EXPECT_EQ(chosen("0.0.0.0/0"), "127.0.0.1 10.0.0.7 192.168.4.7 172.17.0.1");
}

// Goal: a name that no interface has, or one that is down, is told with those that there are. Method: each.
TEST(Interfaces, ThatAreNotThereAreToldWithThoseThatAre) {
  for (const char* const wrong : {"eth7", "eth1", "eth2", "10.2.0.0/16", "eth", "^eth0,ib0,docker0"}) {
    EXPECT_THAT(chosen(wrong),
                AllOf(HasSubstr(text("GOSSAMER_INTERFACE is \"", wrong, "\"")),
                      HasSubstr("lo (127.0.0.1/8, ::1/128), eth0 (10.0.0.7/24, fd00::7/64, fe80::7/64), ib0 ("),
                      HasSubstr("eth1 (down, 10.1.0.7/24), eth2 (no address)")));
  }
}

// Goal: words that mean nothing are refused before anything is looked up. Method: each mistake.
TEST(Interfaces, WrongWordsAreRefused) {
  for (const char* const wrong :
       {",", "eth0,", "^", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "eth0/24", "10.0.0.0/-1"}) {
    EXPECT_NE(check_interface_choice(wrong), "") << wrong;
    EXPECT_THAT(chosen(wrong), HasSubstr("expected interfaces, addresses or subnets")) << wrong;
  }
  EXPECT_EQ(check_interface_choice(""), "");
}

// Goal: where a host has both families, the address is of the rendezvous' one. Method: both, and one alone.
TEST(Interfaces, TheFamilyIsThatOfTheRendezvous) {
  const auto both = choose_interfaces("eth0", host);
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(like(*both, "10.0.0.1:29400").address, "10.0.0.7");
  EXPECT_EQ(like(*both, "node1:29400").address, "10.0.0.7");
  EXPECT_EQ(like(*both, "[fd00::1]:29400").address, "fd00::7");
  const auto one = choose_interfaces("ib0", host);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(like(*one, "[fd00::1]:29400").address, "192.168.4.7");
}

// Goal: this host's own list has the loopback, with its subnet. Method: as the system says it.
TEST(Interfaces, OfThisHostAreListed) {
  const auto all = interface_addresses();
  const auto loopback = choose_interfaces("127.0.0.1", all);
  ASSERT_TRUE(loopback.ok()) << loopback.error().message;
  EXPECT_EQ(loopback->front().interface, "lo");
  EXPECT_EQ(loopback->front().prefix, 8u);
}

// Goal: the host of each rank is known by its block, and only where that is told. Method: two hosts.
TEST(RankHosts, TellWhereEachRankIs) {
  const std::string_view hosts = "a:2,[fd00::7]:1,c:1";
  EXPECT_TRUE(are_rank_hosts(hosts));
  EXPECT_TRUE(are_rank_hosts(""));
  for (const char* const wrong : {"a", "a:", "a:0", ":2", "a:2,,b:1", "a:x"})
    EXPECT_FALSE(are_rank_hosts(wrong)) << wrong;
  EXPECT_EQ(host_of_rank(hosts, Rank{1}), "a");
  EXPECT_EQ(host_of_rank(hosts, Rank{2}), "[fd00::7]");
  EXPECT_EQ(host_of_rank(hosts, Rank{4}), "");
  EXPECT_EQ(on_hosts(hosts, std::vector{Rank{0}, Rank{1}}), " (on a)");
  EXPECT_EQ(on_hosts(hosts, std::vector{Rank{1}, Rank{3}}), " (on a and c)");
  EXPECT_EQ(on_hosts(hosts, std::vector{Rank{1}, Rank{4}}), "");
  EXPECT_EQ(on_hosts("", std::vector{Rank{1}}), "");
}

}  // namespace
}  // namespace gossamer::runtime
