// Joining without what a session builds on it: for who measures the members instead of exchanging with them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/bootstrap/bootstrap.h"
#include "runtime/control/control.h"
#include "runtime/session/deadline.h"
#include "runtime/session/link_cost.h"
#include "runtime/session/settings.h"
#include "runtime/session/user_schedules.h"
#include "topology/topology_file.h"
#include "transport/transport.h"

namespace gossamer::runtime {

struct JoinedMembers {
  Settings settings;
  std::string who;  // "rank 3 of 8 on node7", for the log
  std::unique_ptr<Control> control;
  std::unique_ptr<transport::Transport> transport;  // its view is open, and every pair was tried
  std::unique_ptr<ThreadPool> pool;                 // null: one thread
  std::string host;                                 // equal on ranks that share their cores
  std::uint32_t local_ranks = 1;                    // how many do
  bool is_memory_shared = false;                    // all ranks do, and see the same /dev/shm
  std::vector<std::string> hosts;                   // by rank, as schedules tell them apart
  std::string library_difference;                   // of the transports' versions, in a sentence; empty: none
  LinkCost cost;
  UserSchedules schedules;
  std::optional<topology::TopologyFile> topology;  // GOSSAMER_TOPOLOGY
  std::optional<Deadline> deadline;                // of the init timeout, once the settings are known

  [[nodiscard]] std::uint64_t left_ns() const { return deadline->left_ns(); }
  // A deadline's words with where the deadline is from.
  [[nodiscard]] Error of_what_was_left(Error error) const {
    if (error.code == Code::deadline)
      error.message +=
          text("; that is what was left of the init timeout of ", format_duration(settings.init_timeout_ns));
    return error;
  }
};

// As Session::join, up to the open view. Blocks, at most the init timeout. Who ends calls leave_members before the
// transport is destroyed.
[[nodiscard]] Result<JoinedMembers> join_members(const SettingsRequest& request,
                                                 std::unique_ptr<Bootstrap> callers = nullptr);

// Closes the view and leaves, in 2 s at most. False: the view did not close; the transport stays until the process
// ends, and so must the memory that it was given.
[[nodiscard]] bool leave_members(JoinedMembers& joined);

}  // namespace gossamer::runtime
