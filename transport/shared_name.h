// Names in /dev/shm: whose a folder or file is.
//
//   gossamer-<job>-<process id>-<start time>-<process-id namespace>-<random>                a process's folder
//   gossamer-<job>-<process id>-<start time>-<process-id namespace>-<random>.fi<n>-<view>   libfabric's file beside it
//
// In containers that share /dev/shm every program may be process 1, started in the same tick. So a name is random, and
// says in which namespace its process id means something.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gossamer::transport {

struct SharedOwner {
  pid_t pid = 0;
  std::uint64_t start_time = 0;     // process_start_time
  std::uint64_t pid_namespace = 0;  // process_namespace
};

// [A-Za-z0-9_.-] stay, all else becomes '_', at most 64 characters; "job" for an empty name.
[[nodiscard]] std::string clean_job_name(std::string_view job);

// A folder's name for this process: another one at each call.
[[nodiscard]] std::string make_shared_name(std::string_view job);

// Of a folder or file; nothing for what has no such name.
[[nodiscard]] std::optional<SharedOwner> parse_shared_name(std::string_view name);

// The name of the folder that a folder's or file's name tells.
[[nodiscard]] std::string_view folder_of(std::string_view name);

// Whether the text could be the name of such a file: nothing that leads elsewhere, and not too long.
[[nodiscard]] bool is_shared_name(std::string_view name);

}  // namespace gossamer::transport
