// What one rank says of the host that it is on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct ThisHost {
  std::string name;
  std::string machine;  // equal where cores are shared, containers and namespaces included
  std::uint32_t cores = 1;
  std::vector<std::string> adapters;  // "mlx5_0:1 InfiniBand 100 Gb/sec (4X EDR), LID 12, GUID 0x..."
};

// `name`: as the user calls it; empty: as the system does.
[[nodiscard]] ThisHost describe_this_host(const std::string& name);

// Adapters below a folder laid out as /sys/class/infiniband is, and interfaces below one as /sys/class/net; those that
// are down, loopbacks and bridges are left out.
[[nodiscard]] std::vector<std::string> list_adapters(const std::string& infiniband, const std::string& net);

// The part of this host's time since it was made that the hypervisor gave to others; 0 where nobody says.
class StolenCpu {
 public:
  explicit StolenCpu(std::string path = "/proc/stat");
  [[nodiscard]] double so_far() const;

 private:
  struct Ticks {
    double stolen = 0.0;
    double all = 0.0;
  };
  [[nodiscard]] Ticks read() const;
  std::string path_;
  Ticks begin_;
};

}  // namespace gossamer::tools
