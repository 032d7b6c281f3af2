// The topology file of a session (GOSSAMER_TOPOLOGY), read once, when it is joined.
#pragma once

#include <optional>
#include <string>

#include "base/base.h"
#include "runtime/control/control.h"
#include "runtime/engine/schedule_policy.h"
#include "topology/topology_file.h"

namespace gossamer::runtime {

struct UserTopology {
  std::optional<topology::TopologyFile> file;
  Field field;  // what ranks compare: the hash of its bytes, whatever its path; "none", or why it cannot be read
  // `unavailable`: it cannot be read; `malformed`: it is none. The same on all ranks that agree on the field.
  std::optional<Error> trouble;
};

// Empty: no file.
[[nodiscard]] UserTopology read_user_topology(const std::string& path);

// The name that this host goes by where people read it and in topology files: the user's, else the system's.
[[nodiscard]] std::string host_name(const std::string& given);

// That the file is of this cluster, as far as this rank sees it: so many ranks, and this one on the host of this name.
// `invalid_argument`, in clear words. Ranks see different things, so one that is refused has to tell the others.
[[nodiscard]] Status check_same_cluster(const topology::TopologyFile& file, const std::string& path, Rank rank,
                                        std::uint32_t rank_count, const std::string& host);

// What the file says, where nobody has said otherwise: costs where `cost_is_given` is false, rules after the user's.
[[nodiscard]] SchedulePolicy with_topology(SchedulePolicy policy, const topology::TopologyFile& file,
                                           bool cost_is_given);

}  // namespace gossamer::runtime
