#include "topology/measure/suspects.h"

#include <algorithm>
#include <map>
#include <utility>

namespace gossamer::topology {
namespace {

enum Family : std::uint32_t { host_family, pair_family, group_family, group_pair_family };
constexpr std::size_t group_pairs_of_at_most = 64;

void add_hosts(std::vector<Suspect>& out, const std::vector<HostCell>& cells, std::uint32_t hosts) {
  std::vector<Suspect> both(hosts, {CauseKind::slow_host, CauseDirection::both, false, 0, 0, false, host_family, {}});
  std::vector<Suspect> from(hosts,
                            {CauseKind::slow_direction, CauseDirection::out, false, 0, 0, false, host_family, {}});
  std::vector<Suspect> to(hosts, {CauseKind::slow_direction, CauseDirection::in, false, 0, 0, false, host_family, {}});
  std::vector<Suspect> inside(hosts, {CauseKind::slow_host, CauseDirection::both, true, 0, 0, false, host_family, {}});
  for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
    const HostCell& at = cells[cell];
    if (at.from == at.to) {
      inside[at.from].cells.push_back(cell);
      continue;
    }
    both[at.from].cells.push_back(cell);
    both[at.to].cells.push_back(cell);
    from[at.from].cells.push_back(cell);
    to[at.to].cells.push_back(cell);
  }
  for (std::vector<Suspect>* list : {&both, &from, &to, &inside}) {
    for (std::uint32_t host = 0; host < hosts; ++host) {
      (*list)[host].first = host;
      if (!(*list)[host].cells.empty()) out.push_back(std::move((*list)[host]));
    }
  }
}

void add_pairs(std::vector<Suspect>& out, const std::vector<HostCell>& cells) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint32_t>> directions;
  for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
    if (cells[cell].from != cells[cell].to) directions[{cells[cell].from, cells[cell].to}].push_back(cell);
  }
  for (const auto& [ends, own] : directions) {
    const auto [from, to] = ends;
    out.push_back({CauseKind::slow_direction, CauseDirection::both, false, from, to, false, pair_family, own});
    const auto back = directions.find({to, from});
    if (from > to || back == directions.end()) continue;
    Suspect both{CauseKind::slow_pair, CauseDirection::both, false, from, to, false, pair_family, own};
    both.cells.insert(both.cells.end(), back->second.begin(), back->second.end());
    out.push_back(std::move(both));
  }
}

void add_groups(std::vector<Suspect>& out, const std::vector<HostCell>& cells, std::uint32_t hosts,
                const std::vector<HostGroup>& groups) {
  const auto make = [](CauseDirection direction, bool is_inside, std::size_t group) {
    return Suspect{CauseKind::slow_switch, direction, is_inside, static_cast<std::uint32_t>(group), 0, false,
                   group_family,           {}};
  };
  std::vector<std::vector<bool>> is_in;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    is_in.emplace_back(hosts, false);
    for (const std::uint32_t host : groups[group].hosts) is_in.back()[host] = true;
    Suspect both = make(CauseDirection::both, false, group);
    Suspect whole = make(CauseDirection::both, true, group);
    Suspect from = make(CauseDirection::out, false, group);
    Suspect to = make(CauseDirection::in, false, group);
    for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
      const bool leaves = is_in.back()[cells[cell].from];
      const bool enters = is_in.back()[cells[cell].to];
      if ((!leaves && !enters) || cells[cell].from == cells[cell].to) continue;
      whole.cells.push_back(cell);
      if (leaves && enters) continue;
      both.cells.push_back(cell);
      (leaves ? from : to).cells.push_back(cell);
    }
    for (Suspect* each : {&both, &whole, &from, &to}) {
      if (!each->cells.empty()) out.push_back(std::move(*each));
    }
  }
  if (groups.size() > group_pairs_of_at_most || groups.size() < 3) return;
  for (std::size_t one = 0; one < groups.size(); ++one) {
    for (std::size_t two = one + 1; two < groups.size(); ++two) {
      const bool overlap = std::any_of(groups[two].hosts.begin(), groups[two].hosts.end(),
                                       [&](std::uint32_t host) { return is_in[one][host]; });
      if (overlap) continue;
      Suspect between = make(CauseDirection::both, false, one);
      between.second = static_cast<std::uint32_t>(two);
      between.is_pair_of_groups = true;
      between.family = group_pair_family;
      for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
        const auto from = cells[cell].from;
        const auto to = cells[cell].to;
        if ((is_in[one][from] && is_in[two][to]) || (is_in[two][from] && is_in[one][to])) between.cells.push_back(cell);
      }
      if (!between.cells.empty()) out.push_back(std::move(between));
    }
  }
}

}  // namespace

std::vector<HostGroup> host_groups(const std::vector<Partition>& partitions, const Measurement& measurement) {
  const std::size_t hosts = measurement.hosts.size();
  std::map<std::vector<std::uint32_t>, std::string> unique;
  std::map<std::string, std::vector<std::uint32_t>> declared;
  for (std::uint32_t host = 0; host < hosts; ++host) {
    const std::string& name = measurement.hosts[host].declared_switch;
    if (!name.empty()) declared[name].push_back(host);
  }
  for (const auto& [name, members] : declared) unique.try_emplace(members, name);
  for (const Partition& partition : partitions) {
    std::map<std::uint32_t, std::vector<std::uint32_t>> groups;
    for (std::uint32_t host = 0; host < hosts; ++host) groups[partition[host]].push_back(host);
    for (const auto& [least, members] : groups) unique.try_emplace(members, "");
  }
  std::vector<HostGroup> out;
  for (const auto& [members, name] : unique) {
    if (members.size() > 1 && members.size() + 1 < hosts) out.push_back({name, members});
  }
  return out;
}

std::vector<Suspect> network_suspects(const std::vector<HostCell>& cells, std::uint32_t hosts,
                                      const std::vector<HostGroup>& groups) {
  std::vector<Suspect> out;
  add_hosts(out, cells, hosts);
  add_pairs(out, cells);
  add_groups(out, cells, hosts, groups);
  return out;
}

std::vector<Suspect> noise_suspects(const std::vector<HostCell>& cells, std::uint32_t hosts) {
  std::vector<Suspect> out(hosts, {CauseKind::noise, CauseDirection::both, false, 0, 0, false, host_family, {}});
  for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
    out[cells[cell].from].cells.push_back(cell);
    if (cells[cell].to != cells[cell].from) out[cells[cell].to].cells.push_back(cell);
  }
  for (std::uint32_t host = 0; host < hosts; ++host) out[host].first = host;
  std::erase_if(out, [](const Suspect& each) { return each.cells.empty(); });
  return out;
}

}  // namespace gossamer::topology
