// Whether memory of each kind really travels: sent to oneself, and its contents compared.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::tools {

enum class MemoryPath : std::uint8_t { none, direct, staged };
[[nodiscard]] std::string_view memory_path_name(MemoryPath path);  // "none", "direct", "staged"

struct MemoryProbe {
  MemoryKind kind = MemoryKind::host;
  MemoryPath path = MemoryPath::none;  // none: there is no such memory here
  bool is_verified = false;
  std::string device;   // "NVIDIA H100"; empty for host memory
  std::string problem;  // why nothing was verified; empty if it was
};

// Messages of 8 B, 64 KiB + 1 and 4 MiB to the own rank, for host memory and each kind that this build knows. Opens a
// view of its own, closes it, and takes at most some seconds. `step` runs between polls: for a virtual clock.
[[nodiscard]] std::vector<MemoryProbe> probe_memory(transport::Transport& transport,
                                                    FunctionRef<void()> step = nullptr);

// "moved directly, verified", "staged through the host, verified (NVIDIA H100)", "no device: ..."
[[nodiscard]] std::string describe_probe(const MemoryProbe& probe);

}  // namespace gossamer::tools
