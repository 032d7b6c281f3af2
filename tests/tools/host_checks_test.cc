#include "tools/info/host_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/base.h"
#include "temporary_folder.h"

namespace gossamer::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr HostFacts good = {~std::uint64_t{0}, std::uint64_t{8} << 30, {}};

// A root folder with what a kernel would say.
class Host {
 public:
  [[nodiscard]] std::string root() const { return folder_.path(); }
  void say(const std::string& path, const std::string& line) const {
    const fs::path whole = fs::path(root()) / path;
    fs::create_directories(whole.parent_path());
    std::ofstream(whole) << line << "\n";
  }
  void link(const std::string& path, const std::string& to) const {
    const fs::path whole = fs::path(root()) / path;
    fs::create_directories(whole.parent_path());
    fs::create_directories(fs::path(root()) / to);
    fs::create_symlink(fs::path(root()) / to, whole);
  }
  // At this place of the PCI tree, with one port that is up.
  void add_adapter(const std::string& name, const std::string& device) const {
    link("sys/class/infiniband/" + name + "/device", device);
    say("sys/class/infiniband/" + name + "/ports/1/state", "4: ACTIVE");
    say("sys/class/infiniband/" + name + "/ports/1/rate", "100 Gb/sec (4X EDR)");
    say("dev/infiniband/uverbs0", "");
  }
  // "pass: found; fix"
  [[nodiscard]] std::string verdict(const std::string& name, const HostFacts& facts = good) const {
    for (const HostCheck& each : check_host(facts, root()))
      if (each.name == name)
        return text(verdict_name(each.verdict), ": ", each.found, each.fix.empty() ? "" : "; ", each.fix);
    return "no such line";
  }

 private:
  TemporaryFolder folder_;
};

// Goal: a host without adapters and GPUs, of which little is told, has nothing wrong. Method: an empty root.
TEST(HostChecks, AnEmptyHostHasNothingWrong) {
  const Host host;
  for (const HostCheck& each : check_host(good, host.root())) {
    EXPECT_TRUE(each.verdict == Verdict::pass || each.verdict == Verdict::unknown) << each.name;
    EXPECT_EQ(each.fix, "") << each.name;
  }
  EXPECT_EQ(host.verdict("adapters"), "pass: none: the network is TCP");
  EXPECT_THAT(host.verdict("clock"), HasSubstr("unknown: "));
  EXPECT_THAT(host.verdict("CPU governor"), HasSubstr("unknown: "));
}

// Goal: limits are judged by what the host has. Method: locked memory with and without an adapter, three sizes of
// shared memory.
TEST(HostChecks, LimitsAreJudgedByWhatTheHostHas) {
  const Host host;
  HostFacts facts = good;
  facts.locked_memory_bytes = 8 << 20;
  EXPECT_THAT(host.verdict("locked memory", facts), HasSubstr("pass: 8.0 MiB, and no adapter needs more"));
  host.add_adapter("mlx5_0", "sys/devices/pci0000:00/0000:00:01.0");
  EXPECT_THAT(host.verdict("locked memory", facts), HasSubstr("fail: 8.0 MiB; memlock unlimited"));
  EXPECT_EQ(host.verdict("locked memory"), "pass: unlimited");
  facts.shared_memory_bytes = 60 << 20;
  EXPECT_THAT(host.verdict("shared memory", facts), HasSubstr("fail: 60.0 MiB free in /dev/shm; mount"));
  facts.shared_memory_bytes = 100 << 20;
  EXPECT_THAT(host.verdict("shared memory", facts), HasSubstr("warn: "));
}

// Goal: a port says its state and rate, one that is down and devices that are missing are told. Method: an InfiniBand
// adapter with two ports, then without its device files.
TEST(HostChecks, PortsAndDevicesOfAdaptersAreTold) {
  const Host host;
  host.add_adapter("mlx5_0", "sys/devices/pci0000:00/0000:00:01.0");
  host.say("sys/class/infiniband/mlx5_0/ports/2/state", "1: DOWN");
  EXPECT_EQ(host.verdict("port mlx5_0:1"), "pass: ACTIVE, 100 Gb/sec (4X EDR)");
  EXPECT_THAT(host.verdict("port mlx5_0:2"), HasSubstr("warn: DOWN, rate not told; look at cable"));
  EXPECT_EQ(host.verdict("port mlx5_0:1 GIDs"), "no such line");
  EXPECT_EQ(host.verdict("adapters"), "pass: mlx5_0");
  fs::remove_all(fs::path(host.root()) / "dev");
  EXPECT_THAT(host.verdict("adapters"), HasSubstr("fail: mlx5_0, and no /dev/infiniband/uverbs*; modprobe"));
}

// Goal: of RoCE the GIDs and the packet size are checked. Method: none, one of version 1, one of version 2; 1,500 and
// 9,000 bytes.
TEST(HostChecks, RoceNeedsARoutedGidAndLargePackets) {
  const Host host;
  host.add_adapter("rxe0", "sys/devices/pci0000:00/0000:00:01.0");
  const std::string port = "sys/class/infiniband/rxe0/ports/1/";
  host.say(port + "link_layer", "Ethernet");
  host.say(port + "gids/0", "0000:0000:0000:0000:0000:0000:0000:0000");
  EXPECT_THAT(host.verdict("port rxe0:1 GIDs"), HasSubstr("fail: none; give its interface an IP address"));
  host.say(port + "gids/0", "fe80:0000:0000:0000:0000:0000:0000:0001");
  host.say(port + "gid_attrs/types/0", "IB/RoCE v1");
  EXPECT_THAT(host.verdict("port rxe0:1 GIDs"), HasSubstr("warn: 1, none of RoCE v2"));
  host.say(port + "gids/3", "0000:0000:0000:0000:0000:ffff:0a00:0001");
  host.say(port + "gid_attrs/types/3", "RoCE v2");
  EXPECT_EQ(host.verdict("port rxe0:1 GIDs"), "pass: RoCE v2 at index 3");
  host.say("sys/devices/pci0000:00/0000:00:01.0/net/eth0/mtu", "1500");
  EXPECT_THAT(host.verdict("port rxe0:1 MTU"), HasSubstr("warn: 1500 on eth0; ip link set eth0 mtu 9000"));
  host.say("sys/devices/pci0000:00/0000:00:01.0/net/eth0/mtu", "9000");
  EXPECT_EQ(host.verdict("port rxe0:1 MTU"), "pass: 9000 on eth0");
}

// Goal: a GPU's nearest adapter and the way to it are told, by the PCI tree. Method: adapters that are ever nearer.
TEST(HostChecks, TheAdapterNearestToAGpuIsTold) {
  const Host host;
  const std::string gpu = "GPU 0000:03:00.0";
  host.link("sys/bus/pci/drivers/nvidia/0000:03:00.0", "sys/devices/pci0000:00/0000:00:01.0/0000:02:00.0/0000:03:00.0");
  EXPECT_EQ(host.verdict("GPUs"), "pass: 1, and no adapter beside them");
  host.say("sys/devices/pci0000:00/0000:00:01.0/0000:02:00.0/0000:03:00.0/numa_node", "0");
  host.add_adapter("a", "sys/devices/pci0000:80/0000:80:01.0");
  host.say("sys/devices/pci0000:80/0000:80:01.0/numa_node", "1");
  EXPECT_THAT(host.verdict(gpu), HasSubstr("warn: nearest is a, through the link between processors (SYS); use a GPU"));
  host.say("sys/devices/pci0000:80/0000:80:01.0/numa_node", "0");
  EXPECT_EQ(host.verdict(gpu), "pass: nearest is a, through the processor (NODE)");
  host.add_adapter("b", "sys/devices/pci0000:00/0000:00:02.0");
  EXPECT_EQ(host.verdict(gpu), "pass: nearest is b, through the root of its processor (PHB)");
  host.add_adapter("c", "sys/devices/pci0000:00/0000:00:01.0/0000:04:00.0/0000:05:00.0");
  EXPECT_EQ(host.verdict(gpu), "pass: nearest is c, through several bridges (PXB)");
  host.add_adapter("d", "sys/devices/pci0000:00/0000:00:01.0/0000:02:00.0/0000:03:01.0");
  EXPECT_EQ(host.verdict(gpu), "pass: nearest is d, through one bridge (PIX)");
}

// Goal: whether adapters reach GPU memory is told by the module, or by driver and kernel. Method: each.
TEST(HostChecks, GpuMemoryOnAdaptersNeedsPeermemOrDmabuf) {
  const Host host;
  host.link("sys/bus/pci/drivers/nvidia/0000:03:00.0", "sys/devices/pci0000:00/0000:03:00.0");
  host.add_adapter("a", "sys/devices/pci0000:00/0000:00:02.0");
  HostFacts facts = good;
  facts.kernel = "5.14.0-1.el9";
  EXPECT_THAT(host.verdict("GPU memory on adapters", facts), HasSubstr("warn: neither nvidia_peermem nor dmabuf"));
  host.say("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54");
  EXPECT_EQ(host.verdict("GPU memory on adapters", facts), "pass: dmabuf (open kernel module, Linux 5.14.0-1.el9)");
  facts.kernel = "5.4.0";
  EXPECT_THAT(host.verdict("GPU memory on adapters", facts), HasSubstr("warn: "));
  host.say("sys/module/nvidia_peermem/version", "550");
  EXPECT_EQ(host.verdict("GPU memory on adapters", facts), "pass: nvidia_peermem");
}

// Goal: clock source and governors are told, with the fix. Method: good and bad ones.
TEST(HostChecks, ClockAndGovernorAreTold) {
  const Host host;
  const std::string clock = "sys/devices/system/clocksource/clocksource0/current_clocksource";
  host.say(clock, "hpet");
  EXPECT_THAT(host.verdict("clock"), HasSubstr("warn: hpet: each reading is a system call"));
  host.say(clock, "tsc");
  EXPECT_EQ(host.verdict("clock"), "pass: tsc");
  host.say("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance");
  EXPECT_EQ(host.verdict("CPU governor"), "pass: performance");
  host.say("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave");
  EXPECT_THAT(host.verdict("CPU governor"), HasSubstr("warn: performance, powersave; cpupower"));
}

// Goal: this host itself can be examined. Method: as it is; only that it has every line once.
TEST(HostChecks, ThisHostIsExamined) {
  const auto checks = check_host(host_facts());
  EXPECT_GE(checks.size(), 5u);
  for (const HostCheck& each : checks) EXPECT_FALSE(each.found.empty()) << each.name;
}

}  // namespace
}  // namespace gossamer::tools
