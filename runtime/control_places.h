// What make_control_mesh checks and opens before anything runs.
#pragma once

#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control_address.h"
#include "runtime/control_mesh.h"

namespace gossamer::runtime {

struct Places {
  std::string rendezvous;           // as the user wrote it
  std::vector<Endpoint> endpoints;  // what it resolved to
  Descriptor listener;              // rank 0: at the rendezvous; others: for the higher ranks
};

[[nodiscard]] Status check_options(const MeshOptions& options);

// Resolves the rendezvous and opens or adopts the own listener. Beyond loopback only with a secret, or where
// none was said to be wanted.
[[nodiscard]] Result<Places> find_places(const MeshOptions& options, Time deadline);

}  // namespace gossamer::runtime
