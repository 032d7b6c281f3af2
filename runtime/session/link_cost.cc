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

}  // namespace

Links links_of(const transport::Capabilities& capabilities) {
  return {has_any(capabilities, memory_ways), has_any(capabilities, adapter_ways)};
}

Result<LinkCost> choose_link_cost(std::string_view setting, std::span<const Introduction> introductions) {
  std::string_view name = setting;
  if (setting == "auto") {
    const auto all = [&](const auto& holds) { return std::all_of(introductions.begin(), introductions.end(), holds); };
    if (all([&](const Introduction& each) {
          return each.links.shared_memory && each.host == introductions.front().host;
        }))
      name = "shared-memory";
    else
      name = all([](const Introduction& each) { return each.links.adapter; }) ? "rdma" : "tcp-1g";
  }
  GOSSAMER_ASSIGN(auto model, topology::parse_cost_model(name));
  return LinkCost{std::string(name), model};
}

}  // namespace gossamer::runtime
