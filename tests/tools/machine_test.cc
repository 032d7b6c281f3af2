// What this host is made of, read from folders that look like /sys; and what is said of it.
#include "tools/topo/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "temporary_folder.h"
#include "tools/topo/discover.h"
#include "tools/topo/this_host.h"

namespace gossamer::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A folder that stands for /: two packages of two cores with two threads each, a NUMA node each, an InfiniBand adapter
// and a GPU behind one PCI switch on node 0, a GPU on another root of node 0 and one on node 1, an Ethernet interface,
// and loopback, which is no hardware.
class FakeRoot {
 public:
  FakeRoot() {
    put("proc/sys/kernel/hostname", "node1");
    put("proc/sys/kernel/osrelease", "6.1.0");
    for (int cpu = 0; cpu < 8; ++cpu) {
      const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu);
      put(folder + "/topology/physical_package_id", std::to_string(cpu / 4));
      put(folder + "/topology/core_id", std::to_string(cpu / 2 % 2));
    }
    put("sys/devices/system/cpu/cpufreq/boost", "1");
    cache(0, 1, "Data", "48K", "0-1");
    cache(1, 1, "Instruction", "32K", "0-1");
    cache(2, 3, "Unified", "32768K", "0-3");
    put("sys/devices/system/node/node0/cpulist", "0-3");
    put("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       16777216 kB");
    put("sys/devices/system/node/node1/cpulist", "4-7");
    const std::string slot = "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0";
    device("0000:02:00.0", slot + "/0000:02:00.0", "0x020700", "0x15b3", 0);
    device("0000:03:00.0", slot + "/0000:03:00.0", "0x030200", "0x10de", 0);
    device("0000:41:00.0", "sys/devices/pci0000:40/0000:40:01.0/0000:41:00.0", "0x030200", "0x10de", 0);
    device("0000:81:00.0", "sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0", "0x120000", "0x1002", 1);
    const std::string adapter = slot + "/0000:02:00.0/infiniband/mlx5_0";
    put(adapter + "/node_guid", "506b:4b03:00c0:aa01");
    put(adapter + "/ports/1/link_layer", "InfiniBand");
    put(adapter + "/ports/1/state", "4: ACTIVE");
    put(adapter + "/ports/1/rate", "200 Gb/sec (4X HDR)");
    put(adapter + "/ports/1/lid", "0xb");
    link(adapter + "/device", folder_ / (slot + "/0000:02:00.0"));
    link("sys/class/infiniband/mlx5_0", folder_ / adapter);
    put("sys/class/net/eth0/operstate", "up");
    put("sys/class/net/eth0/speed", "25000");
    put("sys/class/net/eth0/mtu", "9000");
    put("sys/class/net/eth0/type", "1");
    link("sys/class/net/eth0/device", folder_ / "sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0");
    put("sys/class/net/lo/mtu", "65536");
  }

  [[nodiscard]] const std::string& path() const { return folder_.path(); }

  void put(const std::string& name, const std::string& line) const {
    std::filesystem::create_directories(std::filesystem::path(folder_ / name).parent_path());
    std::ofstream(folder_ / name) << line << '\n';
  }

 private:
  void link(const std::string& name, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(folder_ / name).parent_path());
    std::filesystem::create_symlink(target, folder_ / name);
  }
  void device(const std::string& address, const std::string& path, const std::string& kind, const std::string& vendor,
              int node) const {
    put(path + "/class", kind);
    put(path + "/vendor", vendor);
    put(path + "/device", "0x2330");
    put(path + "/numa_node", std::to_string(node));
    link("sys/bus/pci/devices/" + address, folder_ / path);
  }
  void cache(int index, int level, const std::string& kind, const std::string& size, const std::string& cpus) const {
    const std::string folder = "sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    put(folder + "/level", std::to_string(level));
    put(folder + "/type", kind);
    put(folder + "/size", size);
    put(folder + "/shared_cpu_list", cpus);
  }

  TemporaryFolder folder_;
};

// Goal: processors, memory, adapters and GPUs are those of the folder. Method: each figure once.
TEST(Machine, IsWhatTheKernelSays) {
  const FakeRoot root;
  const Machine machine = read_machine(root.path()).value();
  EXPECT_EQ(machine.host, "node1");
  ASSERT_EQ(machine.packages.size(), 2u);
  EXPECT_EQ(machine.packages[1].cores, 2u);
  EXPECT_EQ(machine.packages[1].threads, 4u);
  ASSERT_EQ(machine.caches.size(), 3u);
  EXPECT_EQ(machine.caches[2].bytes, 32u << 20);
  EXPECT_EQ(machine.caches[2].shared_by, 4u);
  ASSERT_EQ(machine.nodes.size(), 2u);
  EXPECT_EQ(machine.nodes[0].memory_bytes, std::uint64_t{16} << 30);
  ASSERT_EQ(machine.adapters.size(), 2u);
  EXPECT_EQ(machine.adapters[0].name, "mlx5_0:1");
  EXPECT_EQ(machine.adapters[0].gbit_per_s, 200);
  EXPECT_EQ(machine.adapters[0].lid, 11u);
  EXPECT_EQ(machine.adapters[0].numa_node, 0);
  EXPECT_EQ(machine.adapters[0].pci, "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0");
  EXPECT_EQ(machine.adapters[1].name, "eth0");
  EXPECT_EQ(machine.adapters[1].mtu, 9'000u);
  ASSERT_EQ(machine.gpus.size(), 3u);
  EXPECT_EQ(machine.gpus[0].vendor, "NVIDIA");
  EXPECT_EQ(machine.gpus[2].vendor, "AMD");
}

// Goal: how far a GPU is from an adapter, nearest first. Method: each distance, and what is not told.
TEST(Machine, TellsHowFarAGpuIsFromAnAdapter) {
  const FakeRoot root;
  const nlohmann::json tree = machine_tree_json(read_machine(root.path()).value());
  std::vector<std::string> distances;
  for (const nlohmann::json& row : tree.at("distances"))
    if (row.at("adapter") == "mlx5_0:1") distances.push_back(row.at("distance"));
  EXPECT_EQ(distances, (std::vector<std::string>{"switch", "node", "system"}));
  EXPECT_EQ(pci_distance("pci0000:00/0000:00:01.0", 0, "pci0000:00/0000:00:02.0", 0), "root");
  EXPECT_EQ(pci_distance("pci0000:00/0000:00:01.0", 0, "pci0000:00/0000:00:01.0", 0), "same");
  EXPECT_EQ(pci_distance("", -1, "pci0000:00/0000:00:01.0", -1), "unknown");
}

// Goal: a person reads it as a tree. Method: the lines that matter, under their NUMA node.
TEST(Machine, IsATreeForATerminal) {
  const FakeRoot root;
  const std::string words = machine_tree_text(read_machine(root.path()).value());
  EXPECT_THAT(words, HasSubstr("node1, Linux 6.1.0\n  package 0: 2 cores, 4 threads\n"));
  EXPECT_THAT(words, HasSubstr("    L3 32.0 MiB, shared by 4 threads\n"));
  EXPECT_THAT(
      words, HasSubstr("  NUMA node 0: CPUs 0-3, 16.0 GiB\n    mlx5_0:1: InfiniBand, 4: ACTIVE, 200 Gbit/s, LID 11\n"));
  EXPECT_THAT(words, HasSubstr("from GPU"));
}

// Goal: a folder that is no root is refused, one with little in it is read. Method: an empty folder; then only a
// processor, whose figures are no numbers.
TEST(Machine, MakesDoWithWhatIsThere) {
  const TemporaryFolder empty;
  const auto none = read_machine(empty.path());
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::unavailable);
  EXPECT_THAT(none.error().message, HasSubstr("expected the kernel's /sys there"));
  std::filesystem::create_directories(empty / "sys/devices/system/cpu/cpu0/topology");
  std::ofstream(empty / "sys/devices/system/cpu/cpu0/topology/physical_package_id") << "\x01zzz";
  const Machine machine = read_machine(empty.path()).value();
  EXPECT_EQ(machine.packages.size(), 1u);
  EXPECT_TRUE(machine.adapters.empty());
  EXPECT_TRUE(read_machine("/").ok());
}

// Goal: what a rank says of its adapters is those that are up, in few words. Method: ports that are active and that are
// not, an interface that is down, one without a speed, a bridge, loopback; a LID that is no number; no folders at all.
TEST(ThisHost, ListsTheAdaptersThatAreUp) {
  const FakeRoot root;
  const std::string infiniband = root.path() + "/sys/class/infiniband";
  const std::string net = root.path() + "/sys/class/net";
  const std::string first = "mlx5_0:1 InfiniBand 200 Gb/sec (4X HDR), LID 11, GUID 506b:4b03:00c0:aa01";
  EXPECT_THAT(list_adapters(infiniband, net), ElementsAre(first, "eth0 Ethernet 25000 Mb/sec"));
  for (const auto& [name, state, lid] : {std::tuple("mlx5_1", "4: ACTIVE", "0xzz"),
                                         {"mlx5_2", "1: DOWN", "0x1"},
                                         {"mlx5_3", "4: ACTIVE", "0xfffffffffffffffffffffff"}}) {
    const std::string port = std::string("sys/class/infiniband/") + name + "/ports/1/";
    root.put(port + "state", state);
    root.put(port + "link_layer", "InfiniBand");
    root.put(port + "rate", "100 Gb/sec (4X EDR)");
    root.put(port + "lid", lid);
  }
  for (const auto& [name, state, speed] :
       {std::tuple("eth1", "down", "25000"), {"eth2", "up", "-1"}, {"eth3", "up", ""}, {"br0", "up", "10000"}}) {
    root.put(std::string("sys/class/net/") + name + "/operstate", state);
    root.put(std::string("sys/class/net/") + name + "/speed", speed);
  }
  root.put("sys/class/net/br0/bridge/bridge_id", "8000");
  EXPECT_THAT(list_adapters(infiniband, net),
              ElementsAre(first, "mlx5_1:1 InfiniBand 100 Gb/sec (4X EDR)", "mlx5_3:1 InfiniBand 100 Gb/sec (4X EDR)",
                          "eth0 Ethernet 25000 Mb/sec"));
  EXPECT_THAT(list_adapters(root.path() + "/none", root.path() + "/none"), IsEmpty());
}

// Goal: a rank says where it is. Method: this host by its own name and by another.
TEST(ThisHost, HasAMachineAndCores) {
  const ThisHost host = describe_this_host("");
  EXPECT_FALSE(host.name.empty());
  EXPECT_GE(host.cores, 1u);
  const ThisHost named = describe_this_host("node7");
  EXPECT_EQ(named.name, "node7");
  EXPECT_EQ(named.machine, host.machine);
}

// Goal: the part that the hypervisor took, since the beginning. Method: a file that looks like /proc/stat and grows;
// guests count once; a file that says nothing, one that goes backwards, none.
TEST(ThisHost, ToldWhatPartOfItsTimeWasTaken) {
  const FakeRoot root;
  const std::string path = root.path() + "/stat";
  root.put("stat", "cpu  100 0 50 800 10 0 0 40 30 0\ncpu0 1 2 3");
  const StolenCpu stolen(path);
  EXPECT_EQ(stolen.so_far(), 0.0);
  root.put("stat", "cpu  150 0 75 1000 10 0 0 65 80 0");  // 300 ticks, 25 of them stolen
  EXPECT_DOUBLE_EQ(stolen.so_far(), 25.0 / 300);
  root.put("stat", "cpu  90 0 40 700 10 0 0 10 0 0");
  EXPECT_EQ(stolen.so_far(), 0.0);
  for (const char* const words : {"", "cpu", "cpu x y z", "cpu  99999999999999999999999 1"}) {
    root.put("stat", words);
    EXPECT_EQ(stolen.so_far(), 0.0) << words;
    EXPECT_EQ(StolenCpu(path).so_far(), 0.0) << words;
  }
  EXPECT_EQ(StolenCpu(root.path() + "/none").so_far(), 0.0);
}

// Goal: hosts of a measurement get the switches that they are at; the fabric is told with its slow cables. Method: the
// sample of two leaves.
TEST(DeclaredFabric, GivesHostsTheirSwitches) {
  const auto fabric = read_ibnetdiscover(GOSSAMER_FABRICS "/two-leaves.txt");
  ASSERT_TRUE(fabric.ok()) << fabric.error().message;
  topology::Measurement measurement;
  for (const char* name : {"node2.example", "node4", "node9"}) measurement.hosts.push_back({.name = name});
  EXPECT_EQ(declare_switches(*fabric, measurement), 2u);
  EXPECT_EQ(measurement.hosts[0].declared_switch, "leaf1");
  EXPECT_EQ(measurement.hosts[1].declared_switch, "Quantum Mellanox Technologies");
  EXPECT_EQ(measurement.hosts[2].declared_switch, "");
  const std::string words = ib_fabric_text(*fabric);
  EXPECT_THAT(words,
              HasSubstr("fabric: 3 switches, 4 adapters\n  leaf1: 5 of 41 ports\n    hosts: node1 node2 node3\n"));
  EXPECT_THAT(words,
              HasSubstr("slow cable: leaf1 port 3 to node3 port 1 runs at 2xHDR, others of its kind at 4xHDR\n"));
  EXPECT_EQ(ib_fabric_json(*fabric).at("cables").size(), 8u);
  EXPECT_EQ(read_ibnetdiscover("/no/such/file").error().code, Code::unavailable);
}

}  // namespace
}  // namespace gossamer::tools
