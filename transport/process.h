// Other processes of this machine: which one has an id, and whether it still runs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace gossamer::transport {

// Field 22 of /proc/<pid>/stat, in clock ticks since boot; nullopt when there is no such process. A process that
// has ended and whose parent has not asked for its status yet is still there.
[[nodiscard]] std::optional<std::uint64_t> process_start_time(pid_t pid);

// Of this process, whatever process-id namespace /proc is of.
[[nodiscard]] std::optional<std::uint64_t> own_start_time();

// Names the process-id namespace of this process: ids of another one say nothing here. 0 where it is not known.
[[nodiscard]] std::uint64_t process_namespace();

// Whether the process runs. One that is ending (killed, its memory and files on their way out) is waited for, at
// most `limit_ms`: its sockets may close some time before the rest.
[[nodiscard]] bool process_runs(pid_t pid, int limit_ms);

}  // namespace gossamer::transport
