#include "tools/info/host_checks.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/base.h"
#include "tools/command/folder_entries.h"

namespace gossamer::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mib = 1 << 20;
// Of a rank's files in shared memory, with room for its sketches.
constexpr std::uint64_t shared_memory_least = 64 * mib;
constexpr std::uint64_t shared_memory_good = 512 * mib;
// Queues of an adapter and pinned buffers: less ends in "cannot allocate memory" in mid-start.
constexpr std::uint64_t locked_memory_least = 256 * mib;
// A RoCE packet of 4,096 B with its headers.
constexpr std::uint64_t roce_mtu = 4200;

std::optional<std::uint64_t> number_of(const fs::path& path) {
  const auto line = line_of(path);
  std::uint64_t value = 0;
  if (!line || std::from_chars(line->data(), line->data() + line->size(), value).ec != std::errc{}) return std::nullopt;
  return value;
}

bool is_there(const fs::path& path) {
  std::error_code failure;
  return fs::exists(path, failure);
}

class Doctor {
 public:
  Doctor(const HostFacts& facts, const std::string& root)
      : facts_(facts), root_(root.empty() ? "/" : root), adapters_(entries_of(root_ / "sys/class/infiniband")) {
    for (const fs::path& each : entries_of(root_ / "sys/bus/pci/drivers/nvidia"))
      if (each.filename().string().find(':') != std::string::npos) gpus_.push_back(each);
  }

  std::vector<HostCheck> examine() {
    check_locked_memory();
    check_shared_memory();
    check_devices();
    for (const fs::path& adapter : adapters_)
      for (const fs::path& port : entries_of(adapter / "ports")) check_port(adapter, port);
    check_gpu_memory();
    for (const fs::path& gpu : gpus_) check_distance(gpu);
    check_clock();
    check_governor();
    return std::move(checks_);
  }

 private:
  void add(std::string name, Verdict verdict, std::string found, std::string fix = "") {
    checks_.push_back({std::move(name), verdict, std::move(found), std::move(fix)});
  }

  void check_locked_memory() {
    const bool unlimited = facts_.locked_memory_bytes == ~std::uint64_t{0};
    const std::string found = unlimited ? "unlimited" : format_bytes(facts_.locked_memory_bytes);
    if (unlimited || facts_.locked_memory_bytes >= locked_memory_least)
      return add("locked memory", Verdict::pass, found);
    if (adapters_.empty() && gpus_.empty())
      return add("locked memory", Verdict::pass, found + ", and no adapter needs more");
    add("locked memory", Verdict::fail, found,
        "memlock unlimited in /etc/security/limits.conf, LimitMEMLOCK=infinity for the scheduler's daemon, or in a "
        "container --ulimit memlock=-1");
  }

  void check_shared_memory() {
    const std::string found = format_bytes(facts_.shared_memory_bytes) + " free in /dev/shm";
    const char* const fix = "mount -o remount,size=50% /dev/shm, or in a container --shm-size 8g; or UCX_TLS=tcp";
    if (facts_.shared_memory_bytes >= shared_memory_good) return add("shared memory", Verdict::pass, found);
    add("shared memory", facts_.shared_memory_bytes < shared_memory_least ? Verdict::fail : Verdict::warn, found, fix);
  }

  void check_devices() {
    if (adapters_.empty()) return add("adapters", Verdict::pass, "none: the network is TCP");
    std::string names;
    for (const fs::path& each : adapters_) names += (names.empty() ? "" : " ") + each.filename().string();
    const auto devices = entries_of(root_ / "dev/infiniband");
    const bool has_verbs = std::any_of(devices.begin(), devices.end(), [](const fs::path& each) {
      return each.filename().string().starts_with("uverbs");
    });
    if (has_verbs) return add("adapters", Verdict::pass, names);
    add("adapters", Verdict::fail, names + ", and no /dev/infiniband/uverbs*",
        "modprobe ib_uverbs rdma_ucm, or in a container --device /dev/infiniband");
  }

  void check_port(const fs::path& adapter, const fs::path& port) {
    const std::string name = text("port ", adapter.filename().string(), ":", port.filename().string());
    const auto state = line_of(port / "state");
    if (!state) return add(name, Verdict::unknown, "no state in " + port.string());
    const std::string found = text(state->substr(std::min(state->size(), state->find(' ') + 1)), ", ",
                                   line_of(port / "rate").value_or("rate not told"));
    if (state->find("ACTIVE") == std::string::npos)
      return add(name, Verdict::warn, found,
                 "look at cable, switch and subnet manager (ibstat), or leave it out: UCX_NET_DEVICES");
    add(name, Verdict::pass, found);
    if (line_of(port / "link_layer").value_or("") != "Ethernet") return;
    check_gids(name, port);
    check_mtu(name, adapter);
  }

  // RoCE: packets of version 2 are routed, and one of its GIDs must be there.
  void check_gids(const std::string& name, const fs::path& port) {
    std::string routed;
    int used = 0;
    for (const fs::path& gid : entries_of(port / "gids")) {
      const std::string value = line_of(gid).value_or("");
      if (value.find_first_not_of("0:") == std::string::npos) continue;
      ++used;
      const std::string index = gid.filename().string();
      if (line_of(port / "gid_attrs/types" / index).value_or("").find("v2") != std::string::npos)
        routed += (routed.empty() ? "" : " ") + index;
    }
    if (used == 0)
      return add(name + " GIDs", Verdict::fail, "none",
                 "give its interface an IP address: a RoCE port has none without");
    if (routed.empty())
      return add(name + " GIDs", Verdict::warn, text(used, ", none of RoCE v2"),
                 "cma_roce_mode, or the adapter's firmware: version 1 does not cross a router");
    add(name + " GIDs", Verdict::pass, "RoCE v2 at index " + routed);
  }

  void check_mtu(const std::string& name, const fs::path& adapter) {
    for (const fs::path& interface : entries_of(adapter / "device/net")) {
      const std::string of = text(name, " MTU");
      const auto mtu = number_of(interface / "mtu");
      const std::string found = mtu ? text(*mtu, " on ", interface.filename().string()) : "not told";
      if (!mtu) {
        add(of, Verdict::unknown, found);
      } else if (*mtu >= roce_mtu) {
        add(of, Verdict::pass, found);
      } else {
        add(of, Verdict::warn, found,
            text("ip link set ", interface.filename().string(), " mtu 9000, on every host and switch"));
      }
    }
  }

  // Whether an adapter can read and write a GPU's memory.
  void check_gpu_memory() {
    if (gpus_.empty()) return add("GPUs", Verdict::pass, "none that the nvidia driver has");
    if (adapters_.empty()) return add("GPUs", Verdict::pass, text(gpus_.size(), ", and no adapter beside them"));
    if (is_there(root_ / "sys/module/nvidia_peermem"))
      return add("GPU memory on adapters", Verdict::pass, "nvidia_peermem");
    const std::string driver = line_of(root_ / "proc/driver/nvidia/version").value_or("");
    if (driver.find("Open Kernel Module") != std::string::npos && kernel_is_at_least(5, 12))
      return add("GPU memory on adapters", Verdict::pass, "dmabuf (open kernel module, Linux " + facts_.kernel + ")");
    add("GPU memory on adapters", Verdict::warn, "neither nvidia_peermem nor dmabuf: it is staged through the host",
        "modprobe nvidia_peermem, or the driver's open kernel modules on Linux 5.12 and later");
  }

  [[nodiscard]] bool kernel_is_at_least(unsigned major, unsigned minor) const {
    unsigned own_major = 0;
    unsigned own_minor = 0;
    const char* const end = facts_.kernel.data() + facts_.kernel.size();
    const auto first = std::from_chars(facts_.kernel.data(), end, own_major);
    if (first.ptr != end) std::from_chars(first.ptr + 1, end, own_minor);
    return own_major > major || (own_major == major && own_minor >= minor);
  }

  // The nearest adapter, by the bridges between them.
  void check_distance(const fs::path& gpu) {
    if (adapters_.empty()) return;
    std::error_code failure;
    const fs::path from = fs::canonical(gpu, failure);
    int best = 4;
    std::string nearest;
    for (const fs::path& adapter : adapters_) {
      const fs::path to = fs::canonical(adapter / "device", failure);
      if (failure || from.empty()) continue;
      const int distance = distance_between(from, to);
      if (nearest.empty() || distance < best) {
        best = distance;
        nearest = adapter.filename().string();
      }
    }
    const std::string name = text("GPU ", gpu.filename().string());
    if (nearest.empty()) return add(name, Verdict::unknown, "where its adapters are is not told");
    constexpr std::string_view ways[] = {"one bridge (PIX)", "several bridges (PXB)", "the root of its processor (PHB)",
                                         "the processor (NODE)", "the link between processors (SYS)"};
    const std::string found = text("nearest is ", nearest, ", through ", ways[best]);
    add(name, best >= 4 ? Verdict::warn : Verdict::pass, found,
        best >= 4
            ? "use a GPU of the adapter's processor (CUDA_VISIBLE_DEVICES), or another adapter; virtual machines may "
              "hide the tree"
            : "");
  }

  // 0 PIX, 1 PXB, 2 PHB, 3 NODE, 4 SYS.
  [[nodiscard]] static int distance_between(const fs::path& from, const fs::path& to) {
    const std::vector<fs::path> one(from.begin(), from.end());
    const std::vector<fs::path> two(to.begin(), to.end());
    std::size_t common = 0;
    while (common < std::min(one.size(), two.size()) && one[common] == two[common]) ++common;
    const auto is_bridge = [](const fs::path& part) {
      const std::string name = part.string();  // "0000:03:00.0"
      return std::count(name.begin(), name.end(), ':') == 2;
    };
    const bool below_bridge = common > 0 && is_bridge(one[common - 1]);
    if (below_bridge) return one.size() - common <= 1 && two.size() - common <= 1 ? 0 : 1;
    if (common > 0 && one[common - 1].string().starts_with("pci")) return 2;
    const auto node = number_of(from / "numa_node");
    return node && node == number_of(to / "numa_node") ? 3 : 4;
  }

  void check_clock() {
    const auto source = line_of(root_ / "sys/devices/system/clocksource/clocksource0/current_clocksource");
    if (!source) return add("clock", Verdict::unknown, "no clock source is told");
    const bool is_fast = *source == "tsc" || *source == "kvm-clock" || *source == "arch_sys_counter" ||
                         *source == "hyperv_clocksource_tsc_page" || *source == "timebase";
    if (is_fast) return add("clock", Verdict::pass, *source);
    add("clock", Verdict::warn, *source + ": each reading is a system call",
        "see why the kernel left tsc (dmesg | grep -i tsc); clocksource=tsc at boot where it is stable");
  }

  void check_governor() {
    std::vector<std::string> names;
    for (const fs::path& cpu : entries_of(root_ / "sys/devices/system/cpu")) {
      auto governor = line_of(cpu / "cpufreq/scaling_governor");
      if (governor && std::find(names.begin(), names.end(), *governor) == names.end())
        names.push_back(*std::move(governor));
    }
    std::string found;
    for (const std::string& each : names) found += (found.empty() ? "" : ", ") + each;
    if (names.empty()) return add("CPU governor", Verdict::unknown, "none is told, as in virtual machines");
    if (names.size() == 1 && names.front() == "performance") return add("CPU governor", Verdict::pass, found);
    add("CPU governor", Verdict::warn, found, "cpupower frequency-set -g performance: a core that slept answers late");
  }

  const HostFacts& facts_;
  const fs::path root_;
  const std::vector<fs::path> adapters_;
  std::vector<fs::path> gpus_;
  std::vector<HostCheck> checks_;
};

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return "pass";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      return "fail";
    case Verdict::unknown:
      break;
  }
  return "unknown";
}

HostFacts host_facts() {
  HostFacts facts;
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
    facts.locked_memory_bytes = limit.rlim_cur == RLIM_INFINITY ? ~std::uint64_t{0} : limit.rlim_cur;
  struct statvfs memory {};
  if (::statvfs("/dev/shm", &memory) == 0) facts.shared_memory_bytes = memory.f_bavail * memory.f_frsize;
  utsname system{};
  if (::uname(&system) == 0) facts.kernel = system.release;
  return facts;
}

std::vector<HostCheck> check_host(const HostFacts& facts, const std::string& root) {
  return Doctor(facts, root).examine();
}

}  // namespace gossamer::tools
