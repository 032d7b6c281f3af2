// A dragonfly (Kim and others 2008): routers of a group are linked all to all, groups are linked all to all by global
// links, which are shared out among the routers of a group one by one.
//
//   group 0   r0 - r1        a route: local to the router with the global link, global, local to the host's router;
//              |  X |                 each of the three only where it is needed (minimal routing)
//             r2 - r3 ---- global ---- group 1 ...
//
// Port j of group i leads to group i + 1 + j mod (groups - 1); a pair of groups with several global links uses them by
// destination.
#include <algorithm>

#include "topology/simulate/fabrics.h"

namespace gossamer::topology {
namespace {

struct DragonflyShape {
  std::uint32_t hosts = 1;    // of a router
  std::uint32_t routers = 1;  // of a group
  std::uint32_t groups = 1;
  std::uint32_t copies = 0;  // global links of each pair of groups
};

class Dragonfly final : public Fabric {
 public:
  Dragonfly(const DragonflyShape& shape, const FabricDefaults& link) : shape_(shape), others_(shape.groups - 1) {
    host_count_ = shape.hosts * shape.routers * shape.groups;
    description_ = text("dragonfly, ", shape.groups, " groups of ", shape.routers, " routers of ", shape.hosts,
                        " hosts, ", shape.copies, " global links a pair, ", host_count_, " hosts");
    class_names_ = {"local", "global"};
    for (std::uint32_t from = 0; from < shape.groups * shape.routers; ++from) {
      for (std::uint32_t k = 0; k + 1 < shape.routers; ++k) {
        const std::uint32_t other = k < from % shape.routers ? k : k + 1;
        links_.push_back({from, from / shape.routers * shape.routers + other, 0, link.ns_per_byte, link.latency_ns});
      }
    }
    first_global_ = static_cast<std::uint32_t>(links_.size());
    for (std::uint32_t group = 0; group < shape.groups; ++group) {
      for (std::uint32_t port = 0; port < ports(); ++port) {
        const std::uint32_t distance = port % others_ + 1;
        const std::uint32_t back = shape.groups - distance - 1 + port / others_ * others_;
        const std::uint32_t to = (group + distance) % shape.groups;
        links_.push_back({router_of(group, port), router_of(to, back), 1, link.ns_per_byte, link.latency_ns});
      }
    }
  }

  std::uint32_t node_of(std::uint32_t host) const override { return host / shape_.hosts; }

  std::uint32_t next_link(std::uint32_t node, std::uint32_t host) const override {
    const std::uint32_t end = node_of(host);
    if (node == end) return no_link;
    const std::uint32_t group = node / shape_.routers;
    const std::uint32_t end_group = end / shape_.routers;
    if (group == end_group) return local(node, end);
    const std::uint32_t distance = (end_group + shape_.groups - group) % shape_.groups;
    const std::uint32_t port = distance - 1 + host % shape_.copies * others_;
    const std::uint32_t exit = router_of(group, port);
    return node == exit ? first_global_ + group * ports() + port : local(node, exit);
  }

  std::string node_name(std::uint32_t node) const override {
    return text("group ", node / shape_.routers, " router ", node % shape_.routers);
  }

 private:
  std::uint32_t ports() const { return shape_.copies * others_; }
  std::uint32_t router_of(std::uint32_t group, std::uint32_t port) const {
    return group * shape_.routers + port % shape_.routers;
  }
  std::uint32_t local(std::uint32_t from, std::uint32_t to) const {
    const std::uint32_t a = from % shape_.routers;
    const std::uint32_t b = to % shape_.routers;
    return from * (shape_.routers - 1) + (b < a ? b : b - 1);
  }

  DragonflyShape shape_;
  std::uint32_t others_;
  std::uint32_t first_global_ = 0;
};

}  // namespace

Result<std::unique_ptr<Fabric>> make_dragonfly(FabricWords words, const FabricDefaults& defaults) {
  const FabricDefaults link = take_link(words, defaults);
  // Balanced: routers = 2 hosts = 2 globals, the smallest that the ranks fit in.
  std::uint64_t half = 1;
  while (2 * half * half * (2 * half * half + 1) < defaults.ranks) ++half;
  const auto balanced = static_cast<std::uint32_t>(half);
  DragonflyShape shape;
  shape.hosts = words.take("hosts", balanced, 1, 1024);
  shape.routers = words.take("routers", 2 * balanced, 1, 1024);
  const std::uint32_t globals = words.take("globals", balanced, 0, 1024);
  GOSSAMER_TRY(words.finish());

  const std::uint32_t in_group = shape.hosts * shape.routers;
  shape.groups = (defaults.ranks + in_group - 1) / in_group;
  const std::uint64_t ends = std::uint64_t{shape.routers} * globals;
  if (shape.groups > ends + 1) {
    return Error{Code::invalid_argument, text("a dragonfly with ", shape.routers, " routers a group and ", globals,
                                              " global links a router has ", ends + 1, " groups of ", in_group,
                                              " hosts at most, too few for ", defaults.ranks, " ranks")};
  }
  shape.copies = shape.groups == 1 ? 0 : static_cast<std::uint32_t>(ends / (shape.groups - 1));
  const std::uint64_t links = std::uint64_t{shape.groups} * (shape.routers * (shape.routers - 1) + ends);
  if (links > fabric_links_max) {
    return Error{Code::invalid_argument,
                 text("this dragonfly has ", links, " links; at most ", fabric_links_max, " are simulated")};
  }
  return std::unique_ptr<Fabric>(std::make_unique<Dragonfly>(shape, link));
}

}  // namespace gossamer::topology
