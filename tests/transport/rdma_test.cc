// What a transport must do with memory that an adapter reads and writes by itself. tests/rdma/run makes a device.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>

#include "cluster.h"
#include "make_transport.h"
#include "skips.h"
#include "ucx_lanes.h"

namespace gossamer::transport {
namespace {

class Rdma : public ::testing::TestWithParam<Backend> {};
// By this name GoogleTest runs it first: a child has none of the pages that were registered and left behind (libibverbs
// keeps them from it), and what it needs to start may lie on one.
class RdmaDeathTest : public Rdma {};

// No backend without a device.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Rdma);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RdmaDeathTest);
INSTANTIATE_TEST_SUITE_P(, Rdma, ::testing::ValuesIn(rdma_backends()), backend_name);
INSTANTIATE_TEST_SUITE_P(, RdmaDeathTest, ::testing::ValuesIn(rdma_backends()), backend_name);

constexpr std::size_t large = 16 * mebibyte;

// Memory of this process that a device holds in its place (proc(5), VmPin).
std::size_t pinned_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    std::size_t kibibytes = 0;
    if (word == "VmPin:" && file >> kibibytes) return kibibytes << 10;
  }
  ADD_FAILURE() << "no VmPin in /proc/self/status";
  return 0;
}

// Makes this process one of a user for whom limits of locked memory hold; there is no way back, since who opened a
// device with other rights than it has now may not use it.
void become_limited() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  GOSSAMER_CHECK(::syscall(SYS_capget, &header, sets) == 0, "capget");
  sets[0].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
  GOSSAMER_CHECK(::syscall(SYS_capset, &header, sets) == 0, "capset");
}

void limit_locked_memory(std::size_t bytes) {
  rlimit limit{};
  GOSSAMER_CHECK(::getrlimit(RLIMIT_MEMLOCK, &limit) == 0, "getrlimit");
  limit.rlim_cur = std::min<rlim_t>(bytes, limit.rlim_max);
  GOSSAMER_CHECK(::setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "setrlimit");
}

// Ends the process with 1 and words unless the error is one of a limit that it names.
template <typename T>
void expect_limit_named(const Result<T>& result) {
  const bool named = !result.ok() && result.error().code == Code::out_of_resources &&
                     result.error().message.find("ulimit -l") != std::string::npos;
  if (named) return;
  std::cerr << "expected an error that names the limit: " << (result.ok() ? "none" : result.error().message) << "\n";
  std::exit(1);
}

// Goal: the tests of this backend go over the adapter and over nothing else. Method: what the transport says that it
// has; for UCX, also its own description of a connection that has been used.
TEST_P(Rdma, NothingButTheAdapterIsUsed) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block out(cluster.at(0), large);
  Block in(cluster.at(1), large);
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 2).ok());
  ASSERT_EQ(cluster.await(1, 1).code, Code::done);
  ASSERT_EQ(cluster.await(0, 2).code, Code::done);
  const auto& ways = cluster.at(0).capabilities().ways;
  if (GetParam().transport != "ucx") {
    EXPECT_EQ(ways, std::vector<std::string>{GetParam().ways});
    return;
  }
  EXPECT_EQ(std::set<std::string>(ways.begin(), ways.end()), (std::set<std::string>{"rc_verbs", "ud_verbs"}));
  const auto description = ucx::lanes_of(cluster.at(0), Rank{1});
  EXPECT_NE(description.find("rc_verbs/"), std::string::npos) << description;
}

// Goal: registered memory stays where it is, since the adapter knows its physical place. Method: what the kernel
// counts as pinned for this process, before and after.
TEST_P(Rdma, RegisteredMemoryIsPinned) {
  Cluster cluster(GetParam(), 1);
  const std::size_t before = pinned_bytes();
  Block block(cluster.at(0), large);
  EXPECT_GE(pinned_bytes(), before + large);
}

// Goal: memory goes to the adapter only while it is registered. Method: send and receive with a region that is
// registered, then released; its neighbour still works.
TEST_P(Rdma, ReleasedMemoryIsRefused) {
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  Block kept(cluster.at(0), large);
  Block in(cluster.at(1), large);
  std::vector<std::byte> memory(large);
  const auto region = cluster.at(0).register_memory(memory.data(), large, MemoryKind::host);
  ASSERT_TRUE(region.ok()) << region.error().message;
  cluster.at(0).release_memory(*region);
  const Slice slice{*region, 0, large};
  EXPECT_EQ(cluster.at(0).start_send(Rank{1}, Tag{1}, slice, 1).error().code, Code::invalid_argument);
  EXPECT_EQ(cluster.at(0).start_receive(Rank{1}, Tag{1}, slice, 1).error().code, Code::invalid_argument);
  kept.fill(4);
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{2}, in.slice(), 2).ok());
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{2}, kept.slice(), 3).ok());
  EXPECT_EQ(cluster.await(1, 2).code, Code::done);
  EXPECT_TRUE(in.holds(4, large));
}

// Goal: who may not lock enough memory is told so, in words that name the limit, instead of failing later somewhere
// in a library. Method: another process with a small limit before the transport is made (UCX: it needs memory for
// itself), then with one that a registration goes beyond, then with one that is enough.
TEST_P(RdmaDeathTest, TheLimitOfLockedMemoryIsNamed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto limited = [] {
    become_limited();
    limit_locked_memory(64 << 10);
    if (GetParam().transport == "ucx") expect_limit_named(make_transport({"ucx", GetParam().ways}, "rdma"));
    limit_locked_memory(RLIM_INFINITY);
    Cluster cluster(GetParam(), 1);
    cluster.open(1);
    std::vector<std::byte> memory(large);
    limit_locked_memory(pinned_bytes() + large / 2);
    expect_limit_named(cluster.at(0).register_memory(memory.data(), large, MemoryKind::host));
    limit_locked_memory(pinned_bytes() + 2 * large);
    std::_Exit(cluster.at(0).register_memory(memory.data(), large, MemoryKind::host).ok() ? 0 : 2);
  };
  EXPECT_EXIT(limited(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace gossamer::transport
