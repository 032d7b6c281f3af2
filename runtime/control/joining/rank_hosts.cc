#include "runtime/control/joining/rank_hosts.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace gossamer::runtime {
namespace {

// So many names are worth reading; the ranks of a whole rack are told by their numbers.
constexpr std::size_t named_max = 8;

struct HostOfRanks {
  std::string_view name;
  std::uint32_t ranks = 0;
};

std::optional<std::vector<HostOfRanks>> parse(std::string_view rank_hosts) {
  std::vector<HostOfRanks> hosts;
  for (std::size_t at = 0; at < rank_hosts.size();) {
    const std::size_t end = std::min(rank_hosts.find(',', at), rank_hosts.size());
    const std::string_view word = rank_hosts.substr(at, end - at);
    const std::size_t colon = word.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    const std::string_view digits = word.substr(colon + 1);
    HostOfRanks host{word.substr(0, colon), 0};
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), host.ranks);
    if (error != std::errc{} || stop != digits.data() + digits.size() || host.ranks == 0) return std::nullopt;
    hosts.push_back(host);
    at = end + 1;
  }
  return hosts;
}

}  // namespace

bool are_rank_hosts(std::string_view rank_hosts) { return parse(rank_hosts).has_value(); }

std::string host_of_rank(std::string_view rank_hosts, Rank rank) {
  std::uint64_t end = 0;
  for (const HostOfRanks& host : parse(rank_hosts).value_or(std::vector<HostOfRanks>())) {
    end += host.ranks;
    if (rank.value < end) return std::string(host.name);
  }
  return {};
}

std::string on_hosts(std::string_view rank_hosts, std::span<const Rank> ranks) {
  std::vector<std::string> names;
  for (const Rank rank : ranks) {
    std::string name = host_of_rank(rank_hosts, rank);
    if (name.empty()) return {};
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  if (names.empty()) return {};
  std::string out = text(" (on ", names.front());
  const std::size_t told = std::min(names.size(), named_max);
  for (std::size_t i = 1; i < told; ++i) out += text(i + 1 < names.size() ? ", " : " and ", names[i]);
  if (told < names.size()) out += text(" and ", names.size() - told, " other hosts");
  return out + ")";
}

}  // namespace gossamer::runtime
