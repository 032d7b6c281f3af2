#include "tools/topo/machine.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "tools/command/folder_entries.h"
#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

namespace fs = std::filesystem;

template <typename Number>
Number number_of(std::string_view words, Number otherwise, int base = 10) {
  if (base == 16 && words.starts_with("0x")) words.remove_prefix(2);
  Number value = otherwise;
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), value, base);
  return error == std::errc{} ? value : otherwise;
}

std::uint32_t number_in(const fs::path& path, std::uint32_t otherwise = 0) {
  return number_of(kernel_line(path), otherwise);
}

// Names in a folder, in order; none where it cannot be read.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error))
    names.push_back(each->path().filename().string());
  // eth2 before eth10.
  const auto key = [](const std::string& name) {
    const std::size_t digits = name.find_last_not_of("0123456789") + 1;
    return std::pair(name.substr(0, digits), number_of<std::uint64_t>(std::string_view(name).substr(digits), 0));
  };
  std::sort(names.begin(), names.end(),
            [&](const std::string& a, const std::string& b) { return std::pair(key(a), a) < std::pair(key(b), b); });
  return names;
}

// How many a list like "0-3,8" names.
std::uint32_t count_in(std::string_view list) {
  std::uint32_t count = 0;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view part = list.substr(0, comma);
    const std::size_t dash = part.find('-');
    const auto first = number_of<std::uint32_t>(part.substr(0, std::min(dash, part.size())), 0);
    const auto last = dash == std::string_view::npos ? first : number_of<std::uint32_t>(part.substr(dash + 1), first);
    count += last >= first && last - first < 1'000'000 ? last - first + 1 : 0;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return count;
}

// "48K", "32768K", "2M".
std::uint64_t size_in(std::string_view words) {
  const auto value = number_of<std::uint64_t>(words, 0);
  if (words.ends_with('K')) return value << 10;
  if (words.ends_with('M')) return value << 20;
  return value;
}

// The parts of a device's own path from its PCI root on.
std::string pci_path(const fs::path& device) {
  std::error_code error;
  const std::string whole = fs::canonical(device, error).string();
  if (error) return {};
  std::string path;
  std::size_t at = whole.find("/pci");
  if (at == std::string::npos) return {};
  // Only PCI's own parts: "pci0000:00", "0000:00:01.0".
  ++at;
  while (at < whole.size()) {
    const std::size_t end = std::min(whole.find('/', at), whole.size());
    const std::string part = whole.substr(at, end - at);
    const bool is_root = part.starts_with("pci");
    const bool is_device = part.size() >= 12 && part[4] == ':' && part[7] == ':' && part[10] == '.';
    if (!is_root && !is_device) break;
    path += (path.empty() ? "" : "/") + part;
    at = end + 1;
  }
  return path;
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

int numa_node_of(const fs::path& device) { return number_of(kernel_line(device / "numa_node"), -1); }

void read_processors(const fs::path& system, Machine& machine) {
  std::map<std::uint32_t, std::pair<std::set<std::uint32_t>, std::uint32_t>> packages;  // cores and threads
  bool has_caches = false;
  for (const std::string& name : names_in(system / "cpu")) {
    if (!name.starts_with("cpu") || name.size() < 4 || name[3] < '0' || name[3] > '9') continue;
    const fs::path cpu = system / "cpu" / name;
    const std::string package = kernel_line(cpu / "topology/physical_package_id");
    if (package.empty()) continue;  // offline
    auto& [cores, threads] = packages[number_of<std::uint32_t>(package, 0)];
    cores.insert(number_in(cpu / "topology/core_id"));
    ++threads;
    if (has_caches) continue;
    for (const std::string& index : names_in(cpu / "cache")) {
      const fs::path cache = cpu / "cache" / index;
      if (!index.starts_with("index")) continue;
      machine.caches.push_back({number_in(cache / "level"), kernel_line(cache / "type"),
                                size_in(kernel_line(cache / "size")),
                                count_in(kernel_line(cache / "shared_cpu_list"))});
    }
    has_caches = true;
  }
  for (const auto& [number, package] : packages)
    machine.packages.push_back({number, static_cast<std::uint32_t>(package.first.size()), package.second});
  for (const std::string& name : names_in(system / "node")) {
    if (!name.starts_with("node")) continue;
    const fs::path node = system / "node" / name;
    NumaNode made{number_of<std::uint32_t>(std::string_view(name).substr(4), 0), kernel_line(node / "cpulist"), 0};
    // "Node 0 MemTotal:       16384 kB"
    const std::string memory = kernel_line(node / "meminfo");
    const std::size_t digits = memory.find_first_of("0123456789", memory.find("MemTotal:") + 1);
    if (memory.find("MemTotal:") != std::string::npos && digits != std::string::npos)
      made.memory_bytes = number_of<std::uint64_t>(std::string_view(memory).substr(digits), 0) << 10;
    machine.nodes.push_back(std::move(made));
  }
}

void read_adapters(const fs::path& sys, Machine& machine) {
  for (const std::string& name : names_in(sys / "class/infiniband")) {
    const fs::path device = sys / "class/infiniband" / name;
    for (const std::string& port : names_in(device / "ports")) {
      const fs::path folder = device / "ports" / port;
      Adapter made;
      made.name = text(name, ":", port);
      made.kind = kernel_line(folder / "link_layer");
      made.state = kernel_line(folder / "state");
      made.gbit_per_s = number_of<std::uint32_t>(kernel_line(folder / "rate"), 0);  // "100 Gb/sec (4X EDR)"
      made.lid = number_of<std::uint32_t>(kernel_line(folder / "lid"), 0, 16);
      made.guid = kernel_line(device / "node_guid");
      made.numa_node = numa_node_of(device / "device");
      made.pci = pci_path(device / "device");
      machine.adapters.push_back(std::move(made));
    }
  }
  for (const std::string& name : names_in(sys / "class/net")) {
    const fs::path device = sys / "class/net" / name;
    std::error_code error;
    if (!fs::exists(device / "device", error)) continue;  // loopback, bridges and their like
    Adapter made;
    made.name = name;
    made.kind = kernel_line(device / "type") == "32" ? "IP over InfiniBand" : "Ethernet";
    made.state = kernel_line(device / "operstate");
    const auto megabits = number_of<std::int64_t>(kernel_line(device / "speed"), -1);
    made.gbit_per_s = megabits > 0 ? static_cast<double>(megabits) / 1e3 : 0.0;
    made.mtu = number_in(device / "mtu");
    made.guid = kernel_line(device / "address");
    made.numa_node = numa_node_of(device / "device");
    made.pci = pci_path(device / "device");
    machine.adapters.push_back(std::move(made));
  }
}

void read_gpus(const fs::path& sys, Machine& machine) {
  for (const std::string& address : names_in(sys / "bus/pci/devices")) {
    const fs::path device = sys / "bus/pci/devices" / address;
    const auto kind = number_of<std::uint32_t>(kernel_line(device / "class"), 0, 16);
    // VGA, 3D and other display controllers, and processing accelerators.
    const bool is_gpu = kind >> 16 == 0x03 || kind >> 16 == 0x12;
    if (!is_gpu) continue;
    const std::string vendor = kernel_line(device / "vendor");
    machine.gpus.push_back({address,
                            vendor == "0x10de"   ? "NVIDIA"
                            : vendor == "0x1002" ? "AMD"
                            : vendor == "0x8086" ? "Intel"
                                                 : vendor,
                            kernel_line(device / "device"), numa_node_of(device), pci_path(device)});
  }
}

nlohmann::json node_json(int node) { return node >= 0 ? nlohmann::json(node) : nlohmann::json(); }

std::string plural(std::uint64_t count, std::string_view what) { return text(count, " ", what, count == 1 ? "" : "s"); }

}  // namespace

std::string pci_distance(const std::string& a, int node_a, const std::string& b, int node_b) {
  const std::vector<std::string> path_a = parts_of(a);
  const std::vector<std::string> path_b = parts_of(b);
  if (!path_a.empty() && !path_b.empty()) {
    std::size_t common = 0;
    while (common < std::min(path_a.size(), path_b.size()) && path_a[common] == path_b[common]) ++common;
    if (common == path_a.size() && common == path_b.size()) return "same";
    if (common >= 2) return "switch";
    if (common == 1) return "root";
  }
  if (node_a >= 0 && node_b >= 0) return node_a == node_b ? "node" : "system";
  return path_a.empty() || path_b.empty() ? "unknown" : "system";
}

Result<Machine> read_machine(const std::string& root) {
  const fs::path sys = fs::path(root) / "sys";
  std::error_code error;
  if (!fs::is_directory(sys / "devices", error))
    return Error{Code::unavailable,
                 text("there is no ", (sys / "devices").string(), ": expected the kernel's /sys there")};
  Machine machine;
  machine.host = kernel_line(fs::path(root) / "proc/sys/kernel/hostname");
  machine.kernel = kernel_line(fs::path(root) / "proc/sys/kernel/osrelease");
  read_processors(sys / "devices/system", machine);
  read_adapters(sys, machine);
  read_gpus(sys, machine);
  return machine;
}

nlohmann::json machine_tree_json(const Machine& machine) {
  nlohmann::json document = {{"host", machine.host}, {"kernel", machine.kernel}};
  for (const char* key : {"packages", "numa_nodes", "caches", "adapters", "gpus", "distances"})
    document[key] = nlohmann::json::array();
  for (const Package& each : machine.packages)
    document["packages"].push_back({{"package", each.number}, {"cores", each.cores}, {"threads", each.threads}});
  for (const NumaNode& each : machine.nodes)
    document["numa_nodes"].push_back({{"node", each.number}, {"cpus", each.cpus}, {"bytes", each.memory_bytes}});
  for (const Cache& each : machine.caches)
    document["caches"].push_back(
        {{"level", each.level}, {"kind", each.kind}, {"bytes", each.bytes}, {"shared_by", each.shared_by}});
  for (const Adapter& each : machine.adapters)
    document["adapters"].push_back({{"adapter", each.name},
                                    {"kind", each.kind},
                                    {"state", each.state},
                                    {"gbit_per_s", each.gbit_per_s},
                                    {"lid", each.lid},
                                    {"guid", each.guid},
                                    {"mtu", each.mtu},
                                    {"numa_node", node_json(each.numa_node)},
                                    {"pci", each.pci}});
  for (const Gpu& each : machine.gpus)
    document["gpus"].push_back({{"gpu", each.address},
                                {"vendor", each.vendor},
                                {"device", each.device},
                                {"numa_node", node_json(each.numa_node)},
                                {"pci", each.pci}});
  for (const Gpu& gpu : machine.gpus) {
    for (const Adapter& adapter : machine.adapters)
      document["distances"].push_back(
          {{"gpu", gpu.address},
           {"adapter", adapter.name},
           {"distance", pci_distance(gpu.pci, gpu.numa_node, adapter.pci, adapter.numa_node)}});
  }
  return document;
}

std::string machine_tree_text(const Machine& machine) {
  std::string out = text(machine.host.empty() ? "this host" : machine.host, ", Linux ", machine.kernel, '\n');
  for (const Package& each : machine.packages)
    append(out, "  package ", each.number, ": ", plural(each.cores, "core"), ", ", plural(each.threads, "thread"),
           '\n');
  for (const Cache& each : machine.caches) {
    if (each.kind == "Instruction") continue;
    append(out, "    L", each.level, " ", format_bytes(each.bytes), ", shared by ", plural(each.shared_by, "thread"),
           '\n');
  }
  const auto of_node = [&](int node) {
    std::string lines;
    const std::string indent = node >= 0 ? "    " : "  ";
    for (const Adapter& each : machine.adapters) {
      if (each.numa_node != node) continue;
      append(lines, indent, each.name, ": ", each.kind, ", ", each.state);
      if (each.gbit_per_s > 0)
        append(lines, ", ", format_number(each.gbit_per_s, each.gbit_per_s < 1 ? 1 : 0), " Gbit/s");
      if (each.lid > 0) append(lines, ", LID ", each.lid);
      if (each.mtu > 0) append(lines, ", MTU ", each.mtu);
      lines += '\n';
    }
    for (const Gpu& each : machine.gpus)
      if (each.numa_node == node)
        append(lines, indent, "GPU ", each.address, ": ", each.vendor, " ", each.device, '\n');
    return lines;
  };
  std::set<int> told;
  for (const NumaNode& each : machine.nodes) {
    append(out, "  NUMA node ", each.number, ": CPUs ", each.cpus);
    if (each.memory_bytes > 0) append(out, ", ", format_bytes(each.memory_bytes));
    append(out, '\n', of_node(static_cast<int>(each.number)));
    told.insert(static_cast<int>(each.number));
  }
  std::set<int> rest;
  for (const Adapter& each : machine.adapters) rest.insert(each.numa_node);
  for (const Gpu& each : machine.gpus) rest.insert(each.numa_node);
  for (const int node : rest)
    if (!told.contains(node)) out += of_node(node);
  if (machine.gpus.empty() || machine.adapters.empty()) return out;
  std::vector<std::vector<std::string>> table = {{"from GPU"}};
  for (const Adapter& each : machine.adapters) table[0].push_back(each.name);
  for (const Gpu& gpu : machine.gpus) {
    table.push_back({gpu.address});
    for (const Adapter& each : machine.adapters)
      table.back().push_back(pci_distance(gpu.pci, gpu.numa_node, each.pci, each.numa_node));
  }
  return out + "\n" + format_columns(table);
}

}  // namespace gossamer::tools
