// torchrun's variables, which other launchers of PyTorch set as well.
#pragma once

#include "runtime/bootstrap/catalogue.h"

namespace gossamer::runtime {

[[nodiscard]] std::optional<std::string> torchrun_signs();
[[nodiscard]] std::optional<LaunchedPlace> torchrun_place();
[[nodiscard]] Result<std::unique_ptr<Bootstrap>> make_torchrun_bootstrap(const BootstrapRequest& request);

// What to do where that port is taken.
inline constexpr const char* torchrun_advice =
    "it is the one beside MASTER_PORT, which torchrun itself holds: choose another --master-port, not an adjacent one, "
    "or set GOSSAMER_RENDEZVOUS";

// Where torchrun's ranks meet: the port above MASTER_PORT, or below where there is none. At MASTER_PORT itself
// torchrun's agent listens, or rank 0's store of torch.distributed. What is no port stays, to be refused where it is
// read. Nothing where MASTER_ADDR or MASTER_PORT is not set.
[[nodiscard]] std::optional<std::string> beside_master();

}  // namespace gossamer::runtime
