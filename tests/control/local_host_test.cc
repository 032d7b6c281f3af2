// The address of this host that the data path takes.
#include "runtime/control/joining/local_host.h"

#include <gtest/gtest.h>

namespace gossamer::runtime {
namespace {

constexpr std::uint64_t limit_ns = 5'000'000'000;

// Goal: an address that was named is taken, every address is narrowed by the route to the rendezvous, and the loopback
// behind every address tells nothing. Method: the forms of bind_host; hosts with several interfaces are in
// tests/network.
TEST(LocalHost, IsTheBindHostOrTheWayToTheRendezvous) {
  EXPECT_EQ(local_host("127.0.0.1", "127.0.0.1:29400", limit_ns), "127.0.0.1");
  EXPECT_EQ(local_host("::1", "[::1]:29400", limit_ns), "::1");
  EXPECT_EQ(local_host("10.9.0.7", "10.9.0.1:29400", limit_ns), "10.9.0.7");
  EXPECT_EQ(local_host("0.0.0.0", "127.0.0.1:29400", limit_ns), "");
  EXPECT_EQ(local_host("::", "[::1]:29400", limit_ns), "");
  EXPECT_EQ(local_host("0.0.0.0", "no port", limit_ns), "");
  EXPECT_EQ(local_host("no.such.host.invalid", "127.0.0.1:29400", limit_ns), "");
}

}  // namespace
}  // namespace gossamer::runtime
