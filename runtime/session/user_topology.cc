#include "runtime/session/user_topology.h"

#include <unistd.h>

#include <array>
#include <memory>
#include <span>
#include <utility>

#include "sketch/sketch.h"
#include "topology/text_file.h"

namespace gossamer::runtime {

UserTopology read_user_topology(const std::string& path) {
  UserTopology made;
  made.field = {"topology file", "none"};
  if (path.empty()) return made;
  const auto content = topology::read_text_file("topology", path);
  if (!content.ok()) {
    made.field.value = content.error().message;
    made.trouble = content.error();
    return made;
  }
  made.field.value = "hash " + hex(sketch::hash_bytes(std::as_bytes(std::span(*content))), 16);
  auto parsed = topology::parse_topology_file(*content, path);
  if (parsed.ok())
    made.file = *std::move(parsed);
  else
    made.trouble = Error{Code::malformed, text("topology file ", parsed.error().message)};
  return made;
}

std::string host_name(const std::string& given) {
  if (!given.empty()) return given;
  std::array<char, 257> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

Status check_same_cluster(const topology::TopologyFile& file, const std::string& path, Rank rank,
                          std::uint32_t rank_count, const std::string& host) {
  if (file.hosts.size() != rank_count)
    return Error{Code::invalid_argument,
                 text("topology file ", path, " is of ", file.hosts.size(), " ranks, and this session has ", rank_count,
                      ": measure these ranks, or start without GOSSAMER_TOPOLOGY")};
  const std::string& expected = file.hosts[rank.value];
  if (expected == host) return {};
  return Error{
      Code::invalid_argument,
      text("topology file ", path, " has rank ", rank.value, " on host ", expected, ", and here it is on ", host,
           ": it is of another cluster, or ranks were placed otherwise when it was measured; measure "
           "again, or start without GOSSAMER_TOPOLOGY"),
      rank};
}

SchedulePolicy with_topology(SchedulePolicy policy, const topology::TopologyFile& file, bool cost_is_given) {
  policy.without_topology = std::make_shared<const SchedulePolicy>(policy);
  if (!cost_is_given) policy.cost = file.cost;
  policy.recommended = file.rules;
  policy.order = file.order;
  return policy;
}

}  // namespace gossamer::runtime
