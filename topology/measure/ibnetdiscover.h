// An InfiniBand fabric as `ibnetdiscover` prints it (rdma-core): switches, adapters of hosts, and the cables between
// them.
//
//    switchguid=0x2c90300a1b2c0(2c90300a1b2c0)
//    Switch  36 "S-0002c90300a1b2c0"         # "MF0;leaf1:SX6036/U1" enhanced port 0 lid 4 lmc 0
//    [1]     "H-0002c903000e8acc"[1](2c903000e8acd)          # "node1 mlx5_0" lid 6 4xQDR
//    [2]     "S-0002c90300a1b300"[7]         # "MF0;spine1:SX6036/U1" lid 9 4xQDR
//
//    caguid=0x2c903000e8acc
//    Ca      2 "H-0002c903000e8acc"          # "node1 mlx5_0"
//    [1](2c903000e8acd)      "S-0002c90300a1b2c0"[1]         # lid 6 lmc 0 "MF0;leaf1:SX6036/U1" lid 4 4xQDR
//
// Comments behind a node or a port hold names, LIDs and speeds, and may be missing; lines that begin with '#' say
// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::topology {

enum class IbNodeKind : std::uint8_t { network_switch, adapter, router };

struct IbPort {
  std::uint32_t number = 0;
  std::uint32_t peer = 0;  // index into `nodes`
  std::uint32_t peer_port = 0;
  std::uint32_t lid = 0;    // of an adapter's own port; 0: not told
  std::string speed;        // "4xHDR"; empty: not told
  double gbit_per_s = 0.0;  // of the data, each way; 0: not told, or not known
};

struct IbNode {
  IbNodeKind kind = IbNodeKind::adapter;
  std::string id;           // "S-0002c90300a1b2c0"
  std::string description;  // "node1 mlx5_0", "MF0;leaf1:SX6036/U1"; empty: not told
  std::uint32_t port_count = 0;
  std::vector<IbPort> ports;  // those with a cable, ascending

  // Of an adapter: the description's first word, "node1". Of a switch its name: "leaf1", else the description, else the
  // id.
  [[nodiscard]] std::string name() const;
};

struct IbFabric {
  static constexpr std::size_t nodes_max = 65'536;
  std::vector<IbNode> nodes;  // as they come

  // The switch that most cables of the host's adapters go to, the first of several; empty: there is none. A host's name
  // is equal up to its first dot.
  [[nodiscard]] std::string leaf_of(std::string_view host) const;
};

// A cable that is slower than most between nodes of its kinds.
struct SlowCable {
  std::string from;  // "leaf1 port 3"
  std::string to;
  std::string speed;
  std::string usual;
};
[[nodiscard]] std::vector<SlowCable> slow_cables(const IbFabric& fabric);

// Untrusted: bounded and validated. `malformed`, with the place, "NAME:7: expected ..., found ...": a line of another
// form, a node or port twice, a cable whose two ends do not say the same, a node that is named and never comes.
[[nodiscard]] Result<IbFabric> parse_ibnetdiscover(std::string_view text, std::string_view name);

// Gbit/s of "4xHDR" and the like; nothing for other words.
[[nodiscard]] std::optional<double> ib_speed(std::string_view words);

}  // namespace gossamer::topology
