// What make_control_mesh checks and opens before anything runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/address.h"
#include "runtime/control/joining/inherited.h"
#include "runtime/control/mesh.h"

namespace gossamer::runtime {

struct Places {
  std::string rendezvous;                // as the user wrote it
  std::vector<SocketAddress> addresses;  // what it resolved to
  UniqueDescriptor listener;             // rank 0: at the rendezvous; others: for the higher ranks
  std::unique_ptr<ListenerTurn> turn;    // where the listener is an inherited one
  std::string remark;                    // what may keep ranks from meeting there; empty, or "; ..."
};

[[nodiscard]] Status check_options(const MeshOptions& options);

// Resolves the rendezvous and opens or borrows the own listener. Beyond loopback only with a secret, or where
// none was said to be wanted.
//
// A host often has its own name as 127.0.1.1, and then nobody else could reach a rank 0 that listens where its name
// leads. Where the name is one of loopback here and bind_host is not, rank 0 listens at bind_host, at the rendezvous'
// port, and ranks on its host look there as well.
[[nodiscard]] Result<Places> find_places(const MeshOptions& options, Time deadline);

}  // namespace gossamer::runtime
