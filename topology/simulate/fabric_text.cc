// A fabric from text:
//
//   gossamer-fabric 1
//   switch s0
//   switch s1
//   host a
//   host b
//   link a s0 100 50
//   link b s1 100 50
//   link s0 s1 400 150 trunk
//   end
//
// "link" is a cable: both ends, Gbit/s in each direction, nanoseconds for the head of a message, and, if wanted, the
// name of its class ("host" where it ends at a host, else "switch"). Ranks take the hosts in the order in which they
// stand. Blank lines and lines that begin with '#' are passed over.
//
// Routes have the fewest links; of several next links, which stand in the order of the text, the destination's number
// among the hosts decides, modulo their number. Hosts pass nothing on.
#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "topology/simulate/fabrics.h"

namespace gossamer::topology {
namespace {

constexpr std::size_t fabric_text_bytes_max = std::size_t{64} << 20;
constexpr std::size_t fabric_name_length_max = 64;
constexpr std::uint32_t fabric_nodes_max = 1u << 17;
constexpr std::uint32_t fabric_classes_max = 64;
constexpr std::size_t fabric_distances_max = std::size_t{1} << 27;   // two bytes each
constexpr std::uint64_t fabric_search_max = std::uint64_t{1} << 31;  // links followed: some 10 s
constexpr std::uint32_t fabric_pairs_max = 2048;
constexpr std::string_view fabric_first_line = "gossamer-fabric 1";

class TextFabric final : public Fabric {
 public:
  std::uint32_t node_of(std::uint32_t host) const override { return hosts_[host]; }

  std::uint32_t next_link(std::uint32_t node, std::uint32_t host) const override {
    const std::uint32_t end = hosts_[host];
    if (node == end) return no_link;
    std::uint32_t least = unreached;
    std::uint32_t count = 0;
    visit(node, end, [&](std::uint32_t, std::uint32_t distance) {
      count = distance < least ? 1 : distance == least ? count + 1 : count;
      least = std::min(least, distance);
    });
    std::uint32_t chosen = no_link;
    std::uint32_t place = count == 0 ? 0 : host % count;
    visit(node, end, [&](std::uint32_t link, std::uint32_t distance) {
      if (distance == least && least < unreached && place-- == 0) chosen = link;
    });
    return chosen;
  }

  std::string node_name(std::uint32_t node) const override { return names_[node]; }

 private:
  friend class FabricParser;
  static constexpr std::uint16_t unreached = UINT16_MAX;

  // Each link of `node` that leads to `end`, with the links that are left behind it. Those of a host are few, so the
  // ones that go there at once are looked for at its end; a cable's directions stand side by side.
  template <typename Visitor>
  void visit(std::uint32_t node, std::uint32_t end, const Visitor& visitor) const {
    for (std::uint32_t k = first_out_[end]; k < first_out_[end + 1]; ++k) {
      if (links_[out_[k]].to == node) visitor(out_[k] ^ 1u, 0u);
    }
    const std::uint16_t* row = distances_.data() + std::size_t{row_of_[end]} * switch_count_;
    for (std::uint32_t k = first_out_[node]; k < switch_end_[node]; ++k) {
      const std::uint16_t distance = row[switch_number_[links_[out_[k]].to]];
      if (distance != unreached) visitor(out_[k], std::uint32_t{distance} + 1);
    }
  }

  std::vector<std::uint32_t> hosts_;       // nodes
  std::vector<std::string> names_;         // of nodes
  std::vector<std::uint32_t> first_out_;   // links that leave a node: out_[first_out_[n]] on
  std::vector<std::uint32_t> switch_end_;  // those to switches stand first, up to here
  std::vector<std::uint32_t> out_;
  std::vector<std::uint32_t> switch_number_;  // by node; no_link for a host
  std::uint32_t switch_count_ = 0;
  // Links from a switch to a host's anchor: its only neighbour, where that is a switch, else the host itself.
  std::vector<std::uint32_t> row_of_;  // by node, of hosts
  std::vector<std::uint16_t> distances_;
};

class FabricParser {
 public:
  explicit FabricParser(std::string_view text) : rest_(text), fabric_(std::make_unique<TextFabric>()) {}

  Result<std::unique_ptr<Fabric>> run() {
    if (rest_.size() > fabric_text_bytes_max) {
      return Error{Code::malformed, text("the fabric has ", format_bytes(rest_.size()), " of text: at most ",
                                         format_bytes(fabric_text_bytes_max), " are read")};
    }
    next_line();
    if (line_ != fabric_first_line) return fail("\"", fabric_first_line, "\"");
    while (true) {
      if (!next_line()) return fail("\"end\" behind the last link");
      if (line_ == "end") break;
      GOSSAMER_TRY(parse_line());
    }
    if (next_line()) return fail("nothing after \"end\"");
    if (fabric_->hosts_.empty()) return Error{Code::malformed, "the fabric's text names no host"};
    fabric_->host_count_ = static_cast<std::uint32_t>(fabric_->hosts_.size());
    GOSSAMER_TRY(find_routes());
    fabric_->description_ = text("from text, ", fabric_->host_count_, " hosts, ", fabric_->switch_count_, " switches, ",
                                 fabric_->links_.size() / 2, " cables");
    return std::unique_ptr<Fabric>(std::move(fabric_));
  }

 private:
  bool next_line() {
    constexpr std::string_view blanks = " \t\r";
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++line_number_;
      line_.remove_prefix(std::min(line_.find_first_not_of(blanks), line_.size()));
      while (!line_.empty() && blanks.find(line_.back()) != std::string_view::npos) line_.remove_suffix(1);
      if (!line_.empty() && line_.front() != '#') return true;
    }
    line_ = {};
    return false;
  }

  template <typename... Parts>
  Error fail(const Parts&... expected) const {
    std::string found = "the end of the text";
    if (!line_.empty()) {
      found = "\"";
      for (const char c : line_.substr(0, 60)) found += c >= ' ' && c <= '~' ? c : '?';
      found += line_.size() > 60 ? "...\"" : "\"";
    }
    return {Code::malformed, text("fabric text, line ", line_number_, ": expected ", expected..., ", found ", found)};
  }

  std::string_view take_word() {
    const std::size_t end = std::min(line_rest_.find(' '), line_rest_.size());
    const std::string_view word = line_rest_.substr(0, end);
    line_rest_.remove_prefix(end);
    line_rest_.remove_prefix(std::min(line_rest_.find_first_not_of(' '), line_rest_.size()));
    return word;
  }

  static bool is_name(std::string_view word) {
    return !word.empty() && word.size() <= fabric_name_length_max &&
           std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c <= '~'; });
  }

  Status parse_line() {
    line_rest_ = line_;
    const std::string_view what = take_word();
    if (what == "host" || what == "switch") return parse_node(what == "host");
    if (what == "link") return parse_cable();
    return fail("\"host\", \"switch\", \"link\" or \"end\"");
  }

  Status parse_node(bool is_host) {
    const std::string_view name = take_word();
    if (!is_name(name) || !line_rest_.empty()) {
      return fail("\"", is_host ? "host" : "switch", " NAME\", of at most ", fabric_name_length_max,
                  " printable characters");
    }
    const auto node = static_cast<std::uint32_t>(fabric_->names_.size());
    if (node == fabric_nodes_max) return fail("at most ", fabric_nodes_max, " hosts and switches");
    if (!nodes_.emplace(name, node).second) return fail("a name that is not taken");
    fabric_->names_.emplace_back(name);
    fabric_->switch_number_.push_back(is_host ? no_link : fabric_->switch_count_++);
    if (is_host) fabric_->hosts_.push_back(node);
    return {};
  }

  static std::optional<double> number(std::string_view word) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (word.empty() || error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return value;
  }

  Status parse_cable() {
    const auto a = nodes_.find(take_word());
    const auto b = nodes_.find(take_word());
    const std::optional<double> bandwidth = number(take_word());
    const std::optional<double> latency = number(take_word());
    std::string_view link_class = take_word();
    if (a == nodes_.end() || b == nodes_.end() || a == b) {
      return fail("\"link A B GBIT_PER_S NS [CLASS]\" with two hosts or switches that stand above");
    }
    if (!bandwidth || !(*bandwidth >= 1e-3 && *bandwidth <= 1e6)) return fail("a bandwidth of 0.001 to 1000000 Gbit/s");
    if (!latency || !(*latency >= 0 && *latency <= 1e9)) return fail("a latency of 0 to 1000000000 ns");
    if ((!link_class.empty() && !is_name(link_class)) || !line_rest_.empty())
      return fail("no more than a class's name");
    if (fabric_->links_.size() + 2 > fabric_links_max) return fail("at most ", fabric_links_max / 2, " cables");
    const bool at_host = !is_switch(a->second) || !is_switch(b->second);
    if (link_class.empty()) link_class = at_host ? "host" : "switch";
    const auto known = std::find(fabric_->class_names_.begin(), fabric_->class_names_.end(), link_class);
    const auto number_of_class = static_cast<std::uint32_t>(known - fabric_->class_names_.begin());
    if (known == fabric_->class_names_.end()) {
      if (number_of_class == fabric_classes_max) return fail("at most ", fabric_classes_max, " classes");
      fabric_->class_names_.emplace_back(link_class);
    }
    constexpr double ns_per_byte_at_1_gbit = 8;
    fabric_->links_.push_back({a->second, b->second, number_of_class, ns_per_byte_at_1_gbit / *bandwidth, *latency});
    fabric_->links_.push_back({b->second, a->second, number_of_class, ns_per_byte_at_1_gbit / *bandwidth, *latency});
    return {};
  }

  bool is_switch(std::uint32_t node) const { return fabric_->switch_number_[node] != no_link; }

  void sort_links() {
    TextFabric& fabric = *fabric_;
    const auto nodes = static_cast<std::uint32_t>(fabric.names_.size());
    fabric.first_out_.assign(nodes + 1, 0);
    for (const Link& link : fabric.links_) ++fabric.first_out_[link.from + 1];
    for (std::uint32_t node = 0; node < nodes; ++node) fabric.first_out_[node + 1] += fabric.first_out_[node];
    fabric.out_.resize(fabric.links_.size());
    fabric.switch_end_.assign(fabric.first_out_.begin(), fabric.first_out_.end() - 1);
    const auto put = [&](bool to_switches, std::vector<std::uint32_t>& at) {
      for (std::uint32_t link = 0; link < fabric.links_.size(); ++link) {
        if (is_switch(fabric.links_[link].to) == to_switches) fabric.out_[at[fabric.links_[link].from]++] = link;
      }
    };
    put(true, fabric.switch_end_);
    std::vector<std::uint32_t> at = fabric.switch_end_;
    put(false, at);
  }

  Status find_routes() {
    TextFabric& fabric = *fabric_;
    sort_links();
    fabric.row_of_.assign(fabric.names_.size(), 0);
    std::uint64_t cost = fabric.switch_count_;  // of a row
    for (const Link& link : fabric.links_) cost += is_switch(link.from) && is_switch(link.to) ? 1u : 0u;
    std::unordered_map<std::uint32_t, std::uint32_t> rows;  // by anchor
    for (const std::uint32_t host : fabric.hosts_) {
      const std::uint32_t anchor = anchor_of(host);
      const auto [row, is_new] = rows.try_emplace(anchor, static_cast<std::uint32_t>(rows.size()));
      fabric.row_of_[host] = row->second;
      if (!is_new) continue;
      if (rows.size() * fabric.switch_count_ > fabric_distances_max || rows.size() * cost > fabric_search_max) {
        return Error{Code::malformed, "the fabric has too many switches and links between them to find all routes"};
      }
      measure_from(anchor);
    }
    return check_connected();
  }

  // What all ways to a host lead through.
  std::uint32_t anchor_of(std::uint32_t host) const {
    const TextFabric& fabric = *fabric_;
    if (fabric.first_out_[host + 1] - fabric.first_out_[host] != 1) return host;
    const std::uint32_t neighbour = fabric.links_[fabric.out_[fabric.first_out_[host]]].to;
    return is_switch(neighbour) ? neighbour : host;
  }

  // Calls `reach` with each switch from `start` on, breadth first, once it says that it is new.
  template <typename Reach>
  void spread(std::uint32_t start, const Reach& reach) const {
    const TextFabric& fabric = *fabric_;
    std::deque<std::pair<std::uint32_t, std::uint32_t>> open = {{start, 0u}};
    while (!open.empty()) {
      const auto [node, distance] = open.front();
      open.pop_front();
      for (std::uint32_t k = fabric.first_out_[node]; k < fabric.switch_end_[node]; ++k) {
        const std::uint32_t to = fabric.links_[fabric.out_[k]].to;
        if (reach(to, distance + 1)) open.emplace_back(to, distance + 1);
      }
    }
  }

  // Adds a row. Cables go both ways, so a distance from the anchor is one to it.
  void measure_from(std::uint32_t anchor) {
    TextFabric& fabric = *fabric_;
    const std::size_t row = fabric.distances_.size();
    fabric.distances_.resize(row + fabric.switch_count_, TextFabric::unreached);
    if (is_switch(anchor)) fabric.distances_[row + fabric.switch_number_[anchor]] = 0;
    spread(anchor, [&](std::uint32_t to, std::uint32_t distance) {
      std::uint16_t& known = fabric.distances_[row + fabric.switch_number_[to]];
      if (known != TextFabric::unreached || distance >= TextFabric::unreached) return false;
      known = static_cast<std::uint16_t>(distance);
      return true;
    });
  }

  // Hosts pass nothing on: all must be at one connected set of switches, or, where they are few, each be asked for a
  // way to each.
  Status check_connected() const {
    const TextFabric& fabric = *fabric_;
    std::vector<std::uint32_t> set_of(fabric.switch_count_, no_link);
    std::vector<std::uint32_t> hosts_at;  // by set
    for (std::uint32_t node = 0; node < fabric.names_.size(); ++node) {
      if (!is_switch(node) || set_of[fabric.switch_number_[node]] != no_link) continue;
      const auto set = static_cast<std::uint32_t>(hosts_at.size());
      hosts_at.push_back(0);
      set_of[fabric.switch_number_[node]] = set;
      spread(node, [&](std::uint32_t to, std::uint32_t) {
        return std::exchange(set_of[fabric.switch_number_[to]], set) == no_link;
      });
    }
    for (const std::uint32_t host : fabric.hosts_) {
      std::vector<std::uint32_t> sets;
      for (std::uint32_t k = fabric.first_out_[host]; k < fabric.switch_end_[host]; ++k) {
        sets.push_back(set_of[fabric.switch_number_[fabric.links_[fabric.out_[k]].to]]);
      }
      std::sort(sets.begin(), sets.end());
      sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
      for (const std::uint32_t set : sets) ++hosts_at[set];
    }
    if (std::find(hosts_at.begin(), hosts_at.end(), fabric.host_count_) != hosts_at.end()) return {};
    if (fabric.host_count_ > fabric_pairs_max) {
      return Error{Code::malformed, "the fabric's switches do not connect all hosts with each other"};
    }
    for (std::uint32_t from = 0; from < fabric.host_count_; ++from) {
      for (std::uint32_t to = 0; to < fabric.host_count_; ++to) {
        if (from == to || fabric.next_link(fabric.hosts_[from], to) != no_link) continue;
        return Error{Code::malformed, text("there is no way from host ", fabric.names_[fabric.hosts_[from]],
                                           " to host ", fabric.names_[fabric.hosts_[to]])};
      }
    }
    return {};
  }

  std::string_view rest_;
  std::string_view line_;
  std::string_view line_rest_;
  std::size_t line_number_ = 0;
  std::unique_ptr<TextFabric> fabric_;
  std::unordered_map<std::string_view, std::uint32_t> nodes_;
};

}  // namespace

Result<std::unique_ptr<Fabric>> parse_fabric(std::string_view text) { return FabricParser(text).run(); }

}  // namespace gossamer::topology
