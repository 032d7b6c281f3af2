// PMIx: Open MPI's mpirun, prterun, `srun --mpi=pmix`. The library is loaded when it is first needed.
//
// PMIx_Init is counted, and a process that finalizes its last cannot begin MPI afterwards (Open MPI 4.1: "getting local
// rank failed"), while one that never finalizes is an abnormal end for mpirun. So PMIx is initialised once in a
// process, beside the program's own or MPI's, and finalised at its exit.
//
// Every call of PMIx runs in a thread of its own, which a server that does not answer keeps for ever: the caller goes
// on at its deadline.
#pragma once

#include "runtime/bootstrap/catalogue.h"

namespace gossamer::runtime {

[[nodiscard]] std::optional<std::string> pmix_signs();
[[nodiscard]] std::optional<LaunchedPlace> pmix_place();
[[nodiscard]] Result<std::unique_ptr<Bootstrap>> make_pmix_bootstrap(const BootstrapRequest& request);

}  // namespace gossamer::runtime
