#include "topology/measure/ibnetdiscover.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "topology/text_reader.h"

namespace gossamer::topology {
namespace {

struct LaneSpeed {
  std::string_view name;
  double gbit_per_s;  // of data: beyond QDR as the generations are named
};
constexpr std::array lane_speeds = {LaneSpeed{"SDR", 2.0},  LaneSpeed{"DDR", 4.0},   LaneSpeed{"QDR", 8.0},
                                    LaneSpeed{"FDR10", 10}, LaneSpeed{"FDR", 13.64}, LaneSpeed{"EDR", 25},
                                    LaneSpeed{"HDR", 50},   LaneSpeed{"NDR", 100},   LaneSpeed{"XDR", 200}};
constexpr std::uint32_t ports_max = 4'096;

// The word that is a speed, wherever it stands behind the names.
std::string_view speed_in(std::string_view comment) {
  while (!(comment = trimmed(comment)).empty()) {
    const std::size_t end = std::min(comment.find_first_of(" \t"), comment.size());
    if (ib_speed(comment.substr(0, end))) return comment.substr(0, end);
    comment.remove_prefix(end);
  }
  return {};
}

// Text between the first two quotes.
std::string_view quoted_in(std::string_view words) {
  const std::size_t first = words.find('"');
  if (first == std::string_view::npos) return {};
  const std::size_t second = words.find('"', first + 1);
  return second == std::string_view::npos ? std::string_view() : words.substr(first + 1, second - first - 1);
}

std::string_view up_to_dot(std::string_view name) { return name.substr(0, name.find('.')); }

class FabricReader {
 public:
  FabricReader(std::string_view input, std::string_view name) : reader_("ibnetdiscover", input), name_(name) {}

  Result<IbFabric> run() {
    const Status length = reader_.check_length();
    if (!length.ok()) return Error{Code::malformed, text(name_, ": ", length.error().message)};
    while (reader_.next_line()) GOSSAMER_TRY(parse_line());
    if (fabric_.nodes.empty())
      return Error{Code::malformed, text(name_, ": expected nodes as ibnetdiscover prints them, found none")};
    GOSSAMER_TRY(connect());
    return std::move(fabric_);
  }

 private:
  // An end of a cable as it was read: the peer by its id.
  struct End {
    std::string peer;
    std::size_t line = 0;
  };

  template <typename... Parts>
  [[nodiscard]] Error fail(std::size_t line, std::string_view found, const Parts&... expected) const {
    return Error{Code::malformed, text(name_, ":", line, ": expected ", expected..., found.empty() ? "" : ", found ",
                                       found.empty() ? "" : quoted(found))};
  }
  template <typename... Parts>
  [[nodiscard]] Error fail_here(const Parts&... expected) const {
    return fail(reader_.line_number(), reader_.line(), expected...);
  }

  Status parse_line() {
    const std::string_view line = reader_.line();
    if (line.front() == '[') return parse_port();
    for (const auto& [word, kind] : {std::pair{std::string_view("Switch"), IbNodeKind::network_switch},
                                     std::pair{std::string_view("Ca"), IbNodeKind::adapter},
                                     std::pair{std::string_view("Rt"), IbNodeKind::router}}) {
      if (line.starts_with(word) && line.size() > word.size() &&
          (line[word.size()] == ' ' || line[word.size()] == '\t'))
        return parse_node(kind, trimmed(line.substr(word.size())));
    }
    // vendid=0x2c9 and the like, which belong to the node that follows.
    const std::size_t equals = line.find('=');
    const std::string_view key = line.substr(0, std::min(equals, line.size()));
    const bool is_attribute = equals != std::string_view::npos && !key.empty() &&
                              std::all_of(key.begin(), key.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (is_attribute || line.starts_with("DR path")) return {};
    return fail_here("a node (Switch, Ca or Rt), a port in brackets, or an attribute");
  }

  Status parse_node(IbNodeKind kind, std::string_view rest) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    const auto ports = parse_number(rest.substr(0, end));
    rest = trimmed(rest.substr(end));
    const std::size_t comment = std::min(rest.find('#'), rest.size());
    const std::string_view id = quoted_in(rest.substr(0, comment));
    if (!ports || *ports > ports_max || id.empty() || !rest.starts_with('"'))
      return fail_here("a number of ports and an id in quotes, as in Switch 36 \"S-0002c90300a1b2c0\"");
    if (fabric_.nodes.size() == IbFabric::nodes_max) return fail_here("at most ", IbFabric::nodes_max, " nodes");
    if (!index_of_.emplace(id, static_cast<std::uint32_t>(fabric_.nodes.size())).second)
      return fail_here("each node once");
    IbNode node;
    node.kind = kind;
    node.id = id;
    node.description = trimmed(quoted_in(rest.substr(comment)));
    node.port_count = *ports;
    fabric_.nodes.push_back(std::move(node));
    ends_.emplace_back();
    return {};
  }

  // "[12]" at the beginning of `rest`, and what may follow it in round brackets.
  static std::optional<std::uint32_t> take_port(std::string_view& rest) {
    const std::size_t end = rest.find(']');
    if (!rest.starts_with('[') || end == std::string_view::npos) return std::nullopt;
    const auto number = parse_number(rest.substr(1, end - 1));
    rest.remove_prefix(end + 1);
    if (rest.starts_with('(')) {
      const std::size_t close = rest.find(')');
      if (close == std::string_view::npos) return std::nullopt;
      rest.remove_prefix(close + 1);
    }
    rest = trimmed(rest);
    return number;
  }

  Status parse_port() {
    constexpr std::string_view form = "a port and what it is connected to, as in [1] \"H-0002c903000e8acc\"[1]";
    if (fabric_.nodes.empty()) return fail_here("a node before its ports");
    IbNode& node = fabric_.nodes.back();
    std::string_view rest = reader_.line();
    IbPort port;
    const auto number = take_port(rest);
    const std::size_t close = rest.starts_with('"') ? rest.find('"', 1) : std::string_view::npos;
    if (!number || close == std::string_view::npos || close == 1) return fail_here(form);
    const std::string peer(rest.substr(1, close - 1));
    rest.remove_prefix(close + 1);
    const auto peer_port = take_port(rest);
    if (!peer_port || !(rest.empty() || rest.starts_with('#'))) return fail_here(form);
    if (*number > node.port_count) return fail_here("a port from 0 to ", node.port_count, " of ", node.id);
    if (!node.ports.empty() && node.ports.back().number >= *number)
      return fail_here("ports in ascending order, each once");
    port.number = *number;
    port.peer_port = *peer_port;
    if (const std::size_t lid = rest.find("lid "); lid != std::string_view::npos && node.kind == IbNodeKind::adapter) {
      const std::string_view digits = rest.substr(lid + 4);
      port.lid =
          parse_number(digits.substr(0, std::min(digits.find_first_not_of("0123456789"), digits.size()))).value_or(0);
    }
    port.speed = speed_in(rest);
    port.gbit_per_s = ib_speed(port.speed).value_or(0.0);
    node.ports.push_back(std::move(port));
    ends_.back().push_back({peer, reader_.line_number()});
    return {};
  }

  // Peers by their index; both ends of a cable say the same.
  Status connect() {
    for (std::uint32_t n = 0; n < fabric_.nodes.size(); ++n) {
      for (std::size_t p = 0; p < ends_[n].size(); ++p) {
        const auto at = index_of_.find(ends_[n][p].peer);
        if (at == index_of_.end())
          return fail(ends_[n][p].line, ends_[n][p].peer, "a node that the file has: it may be cut off");
        fabric_.nodes[n].ports[p].peer = at->second;
      }
    }
    for (std::uint32_t n = 0; n < fabric_.nodes.size(); ++n) {
      for (std::size_t p = 0; p < ends_[n].size(); ++p) {
        const IbPort& port = fabric_.nodes[n].ports[p];
        const std::vector<IbPort>& others = fabric_.nodes[port.peer].ports;
        const auto back =
            std::lower_bound(others.begin(), others.end(), port.peer_port,
                             [](const IbPort& each, std::uint32_t number) { return each.number < number; });
        if (back == others.end() || back->number != port.peer_port || back->peer != n || back->peer_port != port.number)
          return fail(ends_[n][p].line, "", "the other end of this cable, port ", port.peer_port, " of ",
                      fabric_.nodes[port.peer].id, ", to say the same");
      }
    }
    return {};
  }

  TextReader reader_;
  const std::string_view name_;
  IbFabric fabric_;
  std::vector<std::vector<End>> ends_;  // by node and port, as there
  std::map<std::string, std::uint32_t, std::less<>> index_of_;
};

}  // namespace

std::optional<double> ib_speed(std::string_view words) {
  const std::size_t cut = words.find('x');
  if (cut == std::string_view::npos) return std::nullopt;
  const auto lanes = parse_number(words.substr(0, cut));
  const auto* const lane = std::find_if(lane_speeds.begin(), lane_speeds.end(),
                                        [&](const LaneSpeed& each) { return each.name == words.substr(cut + 1); });
  if (!lanes || *lanes < 1 || *lanes > 12 || lane == lane_speeds.end()) return std::nullopt;
  return *lanes * lane->gbit_per_s;
}

std::string IbNode::name() const {
  if (kind == IbNodeKind::adapter) {
    const std::string_view words = description;
    return std::string(words.substr(0, words.find(' ')));
  }
  // Managed switches: "MF0;leaf1:SX6036/U1".
  const std::size_t begin = description.find(';');
  const std::size_t end = description.find(':', begin == std::string::npos ? 0 : begin);
  if (begin != std::string::npos && end != std::string::npos && end > begin + 1)
    return description.substr(begin + 1, end - begin - 1);
  return description.empty() ? id : description;
}

std::string IbFabric::leaf_of(std::string_view host) const {
  std::map<std::uint32_t, std::uint32_t> cables;  // by switch
  for (const IbNode& node : nodes) {
    if (node.kind != IbNodeKind::adapter || node.description.empty()) continue;
    if (up_to_dot(node.name()) != up_to_dot(host)) continue;
    for (const IbPort& port : node.ports)
      if (nodes[port.peer].kind == IbNodeKind::network_switch) ++cables[port.peer];
  }
  const auto most =
      std::max_element(cables.begin(), cables.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == cables.end() ? "" : nodes[most->first].name();
}

std::vector<SlowCable> slow_cables(const IbFabric& fabric) {
  struct Cable {
    const IbNode* from;
    const IbPort* port;
  };
  std::map<std::pair<IbNodeKind, IbNodeKind>, std::vector<Cable>> cables;  // each once
  for (std::uint32_t n = 0; n < fabric.nodes.size(); ++n) {
    for (const IbPort& port : fabric.nodes[n].ports) {
      if (port.gbit_per_s <= 0 || std::pair(port.peer, port.peer_port) < std::pair(n, port.number)) continue;
      const auto kinds = std::minmax(fabric.nodes[n].kind, fabric.nodes[port.peer].kind);
      cables[{kinds.first, kinds.second}].push_back({&fabric.nodes[n], &port});
    }
  }
  std::vector<SlowCable> slow;
  for (const auto& [kinds, all] : cables) {
    std::map<double, std::size_t> counts;
    for (const Cable& each : all) ++counts[each.port->gbit_per_s];
    // Of equally many the fastest.
    const double usual = std::max_element(counts.rbegin(), counts.rend(), [](const auto& x, const auto& y) {
                           return x.second < y.second;
                         })->first;
    const auto like = std::find_if(all.begin(), all.end(), [&](const Cable& c) { return c.port->gbit_per_s == usual; });
    for (const Cable& each : all) {
      if (each.port->gbit_per_s >= usual) continue;
      slow.push_back({text(each.from->name(), " port ", each.port->number),
                      text(fabric.nodes[each.port->peer].name(), " port ", each.port->peer_port), each.port->speed,
                      like->port->speed});
    }
  }
  return slow;
}

Result<IbFabric> parse_ibnetdiscover(std::string_view text, std::string_view name) {
  return FabricReader(text, name).run();
}

}  // namespace gossamer::topology
