// The shared-memory folder of a process, and what the dead leave behind.
//
//   /dev/shm/gossamer-<job>-<process id>-<...>/     (the whole name: shared_name.h)
//     alive            locked for as long as the process lives, whatever its process-id namespace
//     block-*          memory that peers may map (shared_block.h)
//     ucx_shm_posix_*  UCX's files, for the moments between making and unlinking them
//   /dev/shm/gossamer-<job>-<process id>-<...>.fi<n>-<view>[_<message>]
//                      libfabric's, which cannot be in a folder; there as long as an endpoint
//
// UCX unlinks its files at once in the steady state, but a process killed while it sets up leaves
// them, under names that tell nothing. So each process has its own folder, and whoever finds the
// folder or files of a process of its user that is gone removes them, whatever the job. No folder is removed whose
// lock is held.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::transport {

// What one worker takes of /dev/shm. Measured on UCX 1.13.1 with statvfs around
// ucp_worker_create: 512 receive buffers of 8 KiB (4,292,720 B) and a queue (12,288 B), nothing for
// each peer. When more than about 500 messages wait that no receive was posted for, UCX takes the
// first block again, so one is kept in reserve.
inline constexpr std::uint64_t shared_memory_start_bytes = 4'292'720 + 12'288;
inline constexpr std::uint64_t shared_memory_reserve_bytes = 4'292'720;

// What one InfiniBand interface pins: by UCX 1.13's defaults 4,095 receive buffers of 8,256 B.
inline constexpr std::uint64_t locked_memory_bytes = 4'095ULL * 8'256ULL;

// A share in the process's folder for a job. One folder for all transports of one job in one
// process, removed with all in it when the last share goes or the process exits. Any thread.
class SharedFolder {
 public:
  [[nodiscard]] static Result<std::unique_ptr<SharedFolder>> open(std::string_view job);
  ~SharedFolder();
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // The last part of the path.
  [[nodiscard]] std::string name() const { return path_.substr(path_.rfind('/') + 1); }

 private:
  SharedFolder(std::string job, std::string path, pid_t owner)
      : job_(std::move(job)), path_(std::move(path)), owner_(owner) {}
  std::string job_;
  std::string path_;
  pid_t owner_;  // a forked child must not remove its parent's folder
};

// Where the folder of this name is, a peer's as well; `malformed` for what cannot be such a folder's name.
[[nodiscard]] Result<std::string> shared_folder_path(std::string_view name);

// out_of_resources with the remedy when this process may not write a file of so many bytes (RLIMIT_FSIZE): the system
// ends it with SIGXFSZ when it tries.
[[nodiscard]] Status check_file_size(std::uint64_t bytes);

// out_of_resources with the remedy when `folder`'s file system has too little room for one worker, or its files
// would be too long for this process.
[[nodiscard]] Status check_shared_memory(const std::string& folder);

// out_of_resources with the remedy when `limit` (RLIMIT_MEMLOCK) is too small for one interface.
[[nodiscard]] Status check_locked_memory(std::uint64_t limit_bytes);

}  // namespace gossamer::transport
