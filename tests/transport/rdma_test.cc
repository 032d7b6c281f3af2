// What a transport must do with memory that an adapter reads and writes by itself. tests/rdma/run makes a device.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "cluster.h"
#include "make_transport.h"
#include "transport/ucx/ucx_transport.h"

namespace gossamer::transport {
namespace {

class Rdma : public testing::TestWithParam<Backend> {};

// No backend without a device.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Rdma);
INSTANTIATE_TEST_SUITE_P(, Rdma, testing::ValuesIn(rdma_backends()),
                         [](const auto& instance) { return instance.param.name; });

constexpr std::size_t large = std::size_t{16} << 20;

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

// This thread as one of a user who may lock `bytes` and is not root, for whom no limit holds.
class LockedMemoryLimit {
 public:
  explicit LockedMemoryLimit(std::size_t bytes) {
    EXPECT_EQ(::getrlimit(RLIMIT_MEMLOCK, &former_limit_), 0);
    const rlimit limit{bytes, former_limit_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    former_ = capabilities();
    Sets lowered = former_;
    lowered.words[0].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
    apply(lowered);
  }
  ~LockedMemoryLimit() {
    apply(former_);
    EXPECT_EQ(::setrlimit(RLIMIT_MEMLOCK, &former_limit_), 0);
  }
  LockedMemoryLimit(const LockedMemoryLimit&) = delete;
  LockedMemoryLimit& operator=(const LockedMemoryLimit&) = delete;

 private:
  struct Sets {
    __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3] = {};
  };

  static Sets capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    Sets sets;
    EXPECT_EQ(::syscall(SYS_capget, &header, sets.words), 0);
    return sets;
  }
  static void apply(const Sets& sets) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    EXPECT_EQ(::syscall(SYS_capset, &header, sets.words), 0);
  }

  rlimit former_limit_{};
  Sets former_;
};

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
  const auto description = dynamic_cast<ucx::UcxTransport&>(cluster.at(0)).describe_peer(Rank{1});
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
// in a library. Method: a small limit before the transport is made, and one that a registration goes beyond.
TEST_P(Rdma, TheLimitOfLockedMemoryIsNamed) {
  {
    const LockedMemoryLimit limit(64 << 10);
    const auto made = make_transport({GetParam().transport, GetParam().ways}, "rdma");
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, Code::out_of_resources);
    EXPECT_NE(made.error().message.find("ulimit -l"), std::string::npos) << made.error().message;
  }
  Cluster cluster(GetParam(), 1);
  std::vector<std::byte> memory(large);
  const LockedMemoryLimit limit(pinned_bytes() + large / 2);
  const auto region = cluster.at(0).register_memory(memory.data(), large, MemoryKind::host);
  ASSERT_FALSE(region.ok());
  EXPECT_EQ(region.error().code, Code::out_of_resources);
  EXPECT_NE(region.error().message.find("ulimit -l"), std::string::npos) << region.error().message;
}

}  // namespace
}  // namespace gossamer::transport
