#include "tools/topo/this_host.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tools/command/folder_entries.h"

namespace gossamer::tools {

namespace fs = std::filesystem;

std::vector<std::string> list_adapters(const std::string& infiniband, const std::string& net) {
  std::vector<std::string> adapters;
  for (const fs::path& device : entries_of(infiniband)) {
    for (const fs::path& port : entries_of(device / "ports")) {
      if (kernel_line(port / "state").find("ACTIVE") == std::string::npos) continue;
      std::string words = text(device.filename().string(), ":", port.filename().string(), " ",
                               kernel_line(port / "link_layer"), " ", kernel_line(port / "rate"));
      const std::string lid = kernel_line(port / "lid");
      std::uint32_t number = 0;
      if (lid.starts_with("0x")) std::from_chars(lid.data() + 2, lid.data() + lid.size(), number, 16);
      if (number > 0) append(words, ", LID ", number);
      const std::string guid = kernel_line(device / "node_guid");
      if (!guid.empty()) words += ", GUID " + guid;
      adapters.push_back(std::move(words));
    }
  }
  for (const fs::path& interface : entries_of(net)) {
    std::error_code none;
    // What has no device behind it is a loopback, a bridge or a tunnel; a virtual end of a wire says its speed.
    const std::string speed = kernel_line(interface / "speed");
    const bool has_speed = !speed.empty() && speed.front() != '-' && speed != "0";
    const bool is_bridge = fs::exists(interface / "bridge", none);
    if (kernel_line(interface / "operstate") != "up" || is_bridge || !has_speed) continue;
    adapters.push_back(text(interface.filename().string(), " Ethernet ", speed, " Mb/sec"));
  }
  return adapters;
}

ThisHost describe_this_host(const std::string& name) {
  ThisHost host;
  std::array<char, 256> own{};
  host.name = !name.empty() ? name : ::gethostname(own.data(), own.size() - 1) == 0 ? own.data() : "unknown";
  host.machine = kernel_line("/proc/sys/kernel/random/boot_id");
  if (host.machine.empty()) host.machine = host.name;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    host.cores = static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)));
  host.adapters = list_adapters("/sys/class/infiniband", "/sys/class/net");
  return host;
}

StolenCpu::StolenCpu(std::string path) : path_(std::move(path)), begin_(read()) {}

// cpu user nice system idle iowait irq softirq steal guest guest_nice; guests are in user and nice.
StolenCpu::Ticks StolenCpu::read() const {
  const std::string line = kernel_line(path_);
  Ticks ticks;
  std::size_t at = line.find(' ');
  for (int column = 0; column < 8 && at != std::string::npos; ++column) {
    const std::size_t begin = line.find_first_not_of(' ', at);
    if (begin == std::string::npos) break;
    at = line.find(' ', begin);
    std::uint64_t value = 0;
    const char* const end = line.data() + std::min(at, line.size());
    if (std::from_chars(line.data() + begin, end, value).ec != std::errc()) break;
    ticks.all += static_cast<double>(value);
    if (column == 7) ticks.stolen = static_cast<double>(value);
  }
  return ticks;
}

double StolenCpu::so_far() const {
  const Ticks now = read();
  return now.all > begin_.all ? std::max(0.0, now.stolen - begin_.stolen) / (now.all - begin_.all) : 0.0;
}

}  // namespace gossamer::tools
