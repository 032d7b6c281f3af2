// PMI-1's wire protocol: MPICH's hydra and its kin (PMI_FD, or PMI_PORT), `srun --mpi=pmi2`. Lines over a descriptor
// that the launcher left, one request and one answer each; the words are those of MPICH, src/pmi/simple and the manual
// "Process Management in MPICH".
//
// The descriptor is one, and its other user is MPI: a program that has MPI in it is refused here, before a byte is
// written, and told of gossamer_mpi.h. What MPI speaks there (PMI-2?), when (connections on demand, spawned processes)
// and from which thread cannot be known. A process that has spoken says good-bye at its exit, or the launcher takes the
// exit for a failure and ends the others.
#pragma once

#include "runtime/bootstrap/catalogue.h"

namespace gossamer::runtime {

[[nodiscard]] std::optional<std::string> pmi_signs();
[[nodiscard]] std::optional<LaunchedPlace> pmi_place();
[[nodiscard]] Result<std::unique_ptr<Bootstrap>> make_pmi_bootstrap(const BootstrapRequest& request);

// The value of `key` in a line "cmd=get_result rc=0 value=a=b c": `value` goes to the end of the line, others to a
// blank.
[[nodiscard]] std::optional<std::string> pmi_word(std::string_view line, std::string_view key);

// Whether PMI_process_mapping, "(vector,(0,1,4))", puts all processes on one host: each block begins at host 0 and has
// one. False for what cannot be read.
[[nodiscard]] bool is_mapping_of_one_host(std::string_view mapping);

}  // namespace gossamer::runtime
