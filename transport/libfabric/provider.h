// Which of libfabric's providers moves the bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "transport/libfabric/library.h"

namespace gossamer::transport::libfabric {

// A provider as it is on this machine. `info` says what was granted, not what was asked for.
struct Provider {
  Info info;
  std::string name;    // "tcp;ofi_rxm"
  std::string source;  // the address that it was asked for and has; empty: its own choice
  bool moves_cuda = false;

  // Its addresses are names of files in /dev/shm.
  [[nodiscard]] bool is_shared_memory() const { return name == "shm"; }
  // Over sockets, natively or under ofi_rxm.
  [[nodiscard]] bool is_tcp() const { return name.starts_with("tcp"); }
};

// The provider of that name, or the best one that reaches other hosts when the name is empty. Every rank
// must come to the same one; open_view says when they did not. At `source`, a numeric address of this host, where the
// provider has it.
[[nodiscard]] Result<Provider> choose_provider(std::string_view name, const std::string& source = {});

// Names that choose_provider takes on this machine, best first.
[[nodiscard]] std::vector<std::string> usable_providers();

}  // namespace gossamer::transport::libfabric
