// The network interfaces of this host, as the libraries underneath name them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gossamer::transport {

// The interface that has this numeric address, which leads to other hosts: "eth0". Empty for none, for a loopback
// address and for what is no address.
[[nodiscard]] std::string interface_of(std::string_view address);

// Ports of InfiniBand and RoCE adapters that are up, as UCX names them ("mlx5_0:1"), in order: those of adapters whose
// network interface is one of `interfaces`, or all, where none is. `folder` as the kernel's /sys/class/infiniband.
[[nodiscard]] std::vector<std::string> rdma_ports(const std::vector<std::string>& interfaces = {},
                                                  const std::string& folder = "/sys/class/infiniband");

}  // namespace gossamer::transport
