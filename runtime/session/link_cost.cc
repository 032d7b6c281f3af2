#include "runtime/session/link_cost.h"

#include <algorithm>
#include <array>

namespace gossamer::runtime {

namespace {

// As UCX and libfabric name their ways.
constexpr std::array<std::string_view, 6> memory_ways = {"posix", "sysv", "cma", "xpmem", "knem", "shm"};
constexpr std::array<std::string_view, 8> adapter_ways = {"rc_", "ud_", "dc_", "srd", "verbs", "cxi", "efa", "opx"};

template <std::size_t Count>
bool has_any(const transport::Capabilities& capabilities, const std::array<std::string_view, Count>& beginnings) {
  return std::any_of(capabilities.ways.begin(), capabilities.ways.end(), [&](const std::string& way) {
    return std::any_of(beginnings.begin(), beginnings.end(),
                       [&](std::string_view beginning) { return way.starts_with(beginning); });
  });
}

std::string_view without_blanks(std::string_view words) {
  const std::size_t first = words.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return words.substr(first, words.find_last_not_of(" \t") - first + 1);
}

// Whether ranks that share a host can all talk through its memory.
bool share_memory(const topology::Groups& groups, std::span<const Introduction> introductions) {
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    const std::vector<Rank>& members = groups.members(group);
    if (members.size() == 1 && groups.size() > 1) continue;
    const Introduction& first = introductions[members.front().value];
    for (const Rank rank : members) {
      const Introduction& each = introductions[rank.value];
      if (!each.links.shared_memory || each.host != first.host || each.memory != first.memory) return false;
    }
  }
  return true;
}

}  // namespace

Links links_of(const transport::Capabilities& capabilities) {
  return {has_any(capabilities, memory_ways), has_any(capabilities, adapter_ways)};
}

Result<CostSetting> parse_cost_setting(std::string_view setting) {
  if (setting == "auto") return CostSetting{};
  const Error refusal{
      Code::invalid_argument,
      "auto, shared-memory, rdma, tcp-10g, tcp-1g, or microseconds for a message and nanoseconds for a "
      "byte, as in 25,10; or one within hosts and one between them, as in near shared-memory; far 25,10"};
  const std::size_t end = setting.find(';');
  if (end == std::string_view::npos) {
    if (!topology::parse_cost_model(setting).ok()) return refusal;
    return CostSetting{std::string(setting), std::string(setting)};
  }
  CostSetting made;
  for (std::string_view part : {setting.substr(0, end), setting.substr(end + 1)}) {
    part = without_blanks(part);
    std::string& model = part.starts_with("near ") ? made.near : made.far;
    if (!part.starts_with("near ") && !part.starts_with("far ")) return refusal;
    part = without_blanks(part.substr(part.find(' ')));
    if (!model.empty() || !topology::parse_cost_model(part).ok()) return refusal;
    model = part;
  }
  return made;
}

Result<std::uint64_t> tcp_send_buffer_for(std::string_view setting) {
  // What is on its way in a cluster for so long keeps a link busy; 64 KiB is what TSO takes at once.
  constexpr double way_ns = 200'000;
  constexpr double least_bytes = 64 << 10;
  constexpr double most_bytes = 4 << 20;  // as much as kernels give by themselves
  GOSSAMER_ASSIGN(const CostSetting models, parse_cost_setting(setting));
  if (models.far.empty()) return std::uint64_t{0};
  GOSSAMER_ASSIGN(const topology::CostModel far, topology::parse_cost_model(models.far));
  const double ns_per_byte = std::max(far.beta_ns_per_byte, way_ns / most_bytes);
  return static_cast<std::uint64_t>(std::max(least_bytes, way_ns / ns_per_byte));
}

std::vector<std::string> hosts_of(std::span<const Introduction> introductions) {
  std::vector<std::string> hosts;
  for (const Introduction& each : introductions)
    hosts.push_back(each.name.empty() ? text(each.host, " ", each.memory) : text("named ", each.name));
  return hosts;
}

Result<LinkCost> choose_link_cost(std::string_view setting, std::span<const Introduction> introductions) {
  GOSSAMER_ASSIGN(auto models, parse_cost_setting(setting));
  const std::vector<std::string> hosts = hosts_of(introductions);
  const topology::Groups groups = topology::Groups::by_name(hosts);
  if (models.far.empty()) {
    const bool have_adapters = std::all_of(introductions.begin(), introductions.end(),
                                           [](const Introduction& each) { return each.links.adapter; });
    models.far = have_adapters ? "rdma" : "tcp-1g";
    models.near = share_memory(groups, introductions) ? "shared-memory" : models.far;
  }
  LinkCost made;
  GOSSAMER_ASSIGN(made.cost.near, topology::parse_cost_model(models.near));
  GOSSAMER_ASSIGN(made.cost.far, topology::parse_cost_model(models.far));
  if (models.near == models.far || groups.size() == 1)
    made.name = models.near;
  else if (groups.largest() == 1)
    made.name = models.far;
  else
    made.name = text(models.near, " within ", groups.size(), " hosts and ", models.far, " between them");
  return made;
}

}  // namespace gossamer::runtime
