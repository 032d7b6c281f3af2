// Fork and exec of one peer.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct Pipe {
  UniqueDescriptor reading;
  UniqueDescriptor writing;  // above the standard descriptors
};
// Closed at exec. Errors: out_of_resources.
[[nodiscard]] Result<Pipe> make_pipe();

struct SpawnRequest {
  std::string path;                      // as execve takes it
  std::vector<std::string> arguments;    // with the program's name first
  std::vector<std::string> environment;  // NAME=value, all of it
  int input = -1;                        // become 0, 1 and 2; borrowed, close-on-exec, above 2
  int output = -1;
  int errors = -1;
  std::vector<int> kept;  // stay open over exec; borrowed
  // Stays open over exec, and is closed here before: the program alone has it, so that it is gone when the program
  // closes it. Null: none.
  UniqueDescriptor* given = nullptr;
};

struct Spawned {
  pid_t pid = -1;
  int exec_errno = 0;  // not 0: the program could not be executed, the process is already gone
};

// The child leads a process group of its own, gets SIGKILL when the calling thread ends, and starts with no
// signal blocked or ignored but those that this process ignores. Blocks until exec worked or failed. Errors:
// out_of_resources.
[[nodiscard]] Result<Spawned> spawn(const SpawnRequest& request);

// Readable once the process has ended; not open where the kernel refuses.
[[nodiscard]] UniqueDescriptor open_process(pid_t pid);

}  // namespace gossamer::tools
