#include "tools/topo/discover.h"

#include <set>

#include "tools/command/report.h"
#include "topology/text_file.h"

namespace gossamer::tools {
namespace {

using topology::IbFabric;
using topology::IbNode;
using topology::IbNodeKind;
using topology::IbPort;

std::string_view kind_name(IbNodeKind kind) {
  switch (kind) {
    case IbNodeKind::network_switch:
      return "switch";
    case IbNodeKind::adapter:
      return "adapter";
    case IbNodeKind::router:
      break;
  }
  return "router";
}

// Foreign text on a terminal.
std::string printable(std::string words) {
  for (char& c : words)
    if (c < ' ' || c > '~') c = '?';
  return words;
}

}  // namespace

Result<IbFabric> read_ibnetdiscover(const std::string& path) {
  GOSSAMER_ASSIGN(const auto content, topology::read_text_file("ibnetdiscover", path));
  return topology::parse_ibnetdiscover(content, path);
}

nlohmann::json ib_fabric_json(const IbFabric& fabric) {
  nlohmann::json document = {{"nodes", nlohmann::json::array()},
                             {"cables", nlohmann::json::array()},
                             {"slow_cables", nlohmann::json::array()}};
  for (std::uint32_t n = 0; n < fabric.nodes.size(); ++n) {
    const IbNode& node = fabric.nodes[n];
    document["nodes"].push_back({{"id", node.id},
                                 {"kind", kind_name(node.kind)},
                                 {"name", node.name()},
                                 {"description", node.description},
                                 {"ports", node.port_count}});
    for (const IbPort& port : node.ports) {
      if (std::pair(port.peer, port.peer_port) < std::pair(n, port.number)) continue;  // told from its other end
      document["cables"].push_back({{"from", node.id},
                                    {"from_port", port.number},
                                    {"to", fabric.nodes[port.peer].id},
                                    {"to_port", port.peer_port},
                                    {"speed", port.speed},
                                    {"gbit_per_s", port.gbit_per_s}});
    }
  }
  for (const topology::SlowCable& each : topology::slow_cables(fabric))
    document["slow_cables"].push_back(
        {{"from", each.from}, {"to", each.to}, {"speed", each.speed}, {"usual", each.usual}});
  return document;
}

std::string ib_fabric_text(const IbFabric& fabric) {
  std::size_t switches = 0;
  std::size_t adapters = 0;
  for (const IbNode& node : fabric.nodes) {
    switches += node.kind == IbNodeKind::network_switch ? 1u : 0u;
    adapters += node.kind == IbNodeKind::adapter ? 1u : 0u;
  }
  std::string out = text("fabric: ", switches, switches == 1 ? " switch, " : " switches, ", adapters,
                         adapters == 1 ? " adapter\n" : " adapters\n");
  for (const IbNode& node : fabric.nodes) {
    if (node.kind != IbNodeKind::network_switch) continue;
    std::set<std::string> hosts;
    std::set<std::string> others;
    for (const IbPort& port : node.ports) {
      const IbNode& peer = fabric.nodes[port.peer];
      const std::string name = peer.name().empty() ? peer.id : peer.name();
      (peer.kind == IbNodeKind::adapter ? hosts : others).insert(printable(name));
    }
    append(out, "  ", printable(node.name()), ": ", node.ports.size(), " of ", node.port_count, " ports");
    const auto list = [&](std::string_view what, const std::set<std::string>& names) {
      if (names.empty()) return;
      append(out, "\n    ", what, ":");
      for (const std::string& name : names) append(out, ' ', name);
    };
    list("hosts", hosts);
    list("switches", others);
    out += '\n';
  }
  for (const topology::SlowCable& each : topology::slow_cables(fabric))
    append(out, "slow cable: ", printable(each.from), " to ", printable(each.to), " runs at ", each.speed,
           ", others of its kind at ", each.usual, '\n');
  return out;
}

std::size_t declare_switches(const IbFabric& fabric, topology::Measurement& measurement) {
  std::size_t declared = 0;
  for (topology::MeasuredHost& host : measurement.hosts) {
    std::string leaf = fabric.leaf_of(host.name);
    if (leaf.empty()) continue;
    host.declared_switch = std::move(leaf);
    ++declared;
  }
  return declared;
}

}  // namespace gossamer::tools
