// Slurm's variables: tasks of `srun` without --mpi=pmix or --mpi=pmi2, which have no key-value space.
//
// On one host the words go through a folder of this user alone, and so does a secret. On several they go through
// GOSSAMER_FOLDER where it is set; else ranks meet on the step's first host, at a port that follows from job and step.
// Everybody knows these, so there the secret is the user's to give.
#pragma once

#include "runtime/bootstrap/catalogue.h"

namespace gossamer::runtime {

[[nodiscard]] std::optional<std::string> slurm_signs();
[[nodiscard]] std::optional<LaunchedPlace> slurm_place();
[[nodiscard]] Result<std::unique_ptr<Bootstrap>> make_slurm_bootstrap(const BootstrapRequest& request);

// "n[03-05,9]" is "n03", "a7,b" is "a7", "r[1-2]n[4,6]" is "r1n4"; nothing for what is no list of hosts.
[[nodiscard]] std::optional<std::string> first_host(std::string_view list);

// A port from 10000 to 29999, below those that the system gives out by itself, from job and step.
[[nodiscard]] std::uint16_t port_of_step(std::string_view job, std::string_view step);

}  // namespace gossamer::runtime
