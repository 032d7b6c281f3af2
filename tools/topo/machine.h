// What this host is made of, as the kernel tells it under /sys: packages, NUMA nodes, caches, network adapters, GPUs,
// and how far an adapter is from a GPU.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct Cache {
  std::uint32_t level = 0;
  std::string kind;  // "Data", "Instruction", "Unified"
  std::uint64_t bytes = 0;
  std::uint32_t shared_by = 0;  // hardware threads
};

struct NumaNode {
  std::uint32_t number = 0;
  std::string cpus;  // "0-15,32-47"
  std::uint64_t memory_bytes = 0;
};

struct Package {
  std::uint32_t number = 0;
  std::uint32_t cores = 0;
  std::uint32_t threads = 0;
};

// A port of an InfiniBand or RoCE adapter, or a network interface with hardware behind it.
struct Adapter {
  std::string name;         // "mlx5_0:1", "eth0"
  std::string kind;         // "InfiniBand", "Ethernet"
  std::string state;        // "4: ACTIVE", "up"
  double gbit_per_s = 0.0;  // 0: not told
  std::uint32_t lid = 0;
  std::string guid;
  std::uint32_t mtu = 0;
  int numa_node = -1;
  std::string pci;  // its place in the tree, "pci0000:00/0000:00:01.0/0000:01:00.0"; empty: not on PCI
};

struct Gpu {
  std::string address;  // "0000:81:00.0"
  std::string vendor;   // "NVIDIA", "AMD", "Intel" or the number
  std::string device;   // number
  int numa_node = -1;
  std::string pci;
};

struct Machine {
  std::string host;
  std::string kernel;
  std::vector<Package> packages;
  std::vector<NumaNode> nodes;
  std::vector<Cache> caches;  // of the first core
  std::vector<Adapter> adapters;
  std::vector<Gpu> gpus;
};

// Between two places of the PCI tree, nearest first: through one bridge or several of one root port ("switch"), one
// root ("root"), one NUMA node ("node"), or beyond ("system"); "same" is one device, "unknown" where it is not told.
[[nodiscard]] std::string pci_distance(const std::string& a, int node_a, const std::string& b, int node_b);

// `root`: what stands for /, for tests and for what was copied from another host. What cannot be read is left out;
// `unavailable` where there is no sys/devices at all.
[[nodiscard]] Result<Machine> read_machine(const std::string& root);

[[nodiscard]] nlohmann::json machine_tree_json(const Machine& machine);
[[nodiscard]] std::string machine_tree_text(const Machine& machine);

}  // namespace gossamer::tools
