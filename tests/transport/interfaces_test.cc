// The interface that an address is of, and the adapters beside it.
#include "transport/interfaces.h"

#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "base/base.h"

namespace gossamer::transport {
namespace {

namespace fs = std::filesystem;

// Goal: every address of this host but those of the loopback tells its interface. Method: what the system lists.
TEST(Interfaces, AreFoundByTheirAddresses) {
  int found = 0;
  ifaddrs* all = nullptr;
  ASSERT_EQ(::getifaddrs(&all), 0);
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const int family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    std::array<char, NI_MAXHOST> host{};
    const socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    ASSERT_EQ(::getnameinfo(each->ifa_addr, length, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST), 0);
    EXPECT_NE(interface_of(host.data()), "") << host.data();
    ++found;
  }
  ::freeifaddrs(all);
  if (found == 0) GTEST_SKIP() << "this host has no address but those of the loopback";
}

// Goal: nothing else tells one. Method: addresses of nobody, of the loopback, and words.
TEST(Interfaces, AreNotFoundByOtherWords) {
  for (const char* const none :
       {"", "127.0.0.1", "127.1.2.3", "::1", "203.0.113.77", "2001:db8::77", "localhost", "eth0"})
    EXPECT_EQ(interface_of(none), "") << none;
}

// Goal: ports that are up are listed as UCX names them, in order. Method: a folder as the kernel makes it.
TEST(Interfaces, AdaptersThatAreUpAreListed) {
  const fs::path folder = fs::temp_directory_path() / text("gossamer-adapters-", ::getpid());
  const auto add = [&](const char* port, const char* state) {
    fs::create_directories(folder / port);
    std::ofstream(folder / port / "state") << state << '\n';
  };
  add("mlx5_1/ports/1", "4: ACTIVE");
  add("mlx5_0/ports/2", "4: ACTIVE");
  add("mlx5_0/ports/1", "1: DOWN");
  fs::create_directories(folder / "rxe0/ports/1");  // without a state
  EXPECT_EQ(rdma_ports({}, folder.string()), (std::vector<std::string>{"mlx5_0:2", "mlx5_1:1"}));
  // An interface that was chosen leaves its own adapter, and one that is of none leaves all.
  fs::create_directories(folder / "mlx5_1/device/net/ib1");
  EXPECT_EQ(rdma_ports({"eth0", "ib1"}, folder.string()), std::vector<std::string>{"mlx5_1:1"});
  EXPECT_EQ(rdma_ports({"eth0"}, folder.string()).size(), 2u);
  fs::remove_all(folder);
  EXPECT_EQ(rdma_ports({}, folder.string()), std::vector<std::string>{});
}

}  // namespace
}  // namespace gossamer::transport
