// Which hosts a job runs on: the list of --hosts, and the file of --hostfile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct HostSlots {
  std::string name;  // as ssh takes it: "node7", "me@node7", "10.0.0.7", "fd00::7"
  std::uint32_t ranks = 1;
};

// "a:4,b:2", "a,b", "[fd00::7]:4". Errors: invalid_argument, which say what was expected.
[[nodiscard]] Result<std::vector<HostSlots>> parse_hosts(std::string_view list);

// A line for each host, in the order of the ranks: "node7 slots=4" as Open MPI has it, "node7:4" as MPICH has it, or
// "node7" for one rank; # begins a comment. max_slots=N is allowed and means nothing. Errors: unavailable (it cannot be
// read), invalid_argument ("file:line: ...").
[[nodiscard]] Result<std::vector<HostSlots>> read_hostfile(const std::string& path);

// The first `ranks` of them, in order. Errors: invalid_argument where there are not so many.
[[nodiscard]] Result<std::vector<HostSlots>> take_ranks(std::vector<HostSlots> hosts, std::uint32_t ranks);

// The other way round, for the ranks: "a:4,b:2".
[[nodiscard]] std::string hosts_text(const std::vector<HostSlots>& hosts);

// "rank 3", "ranks 4 to 7".
[[nodiscard]] std::string ranks_text(std::uint32_t first, std::uint32_t count);

}  // namespace gossamer::tools
