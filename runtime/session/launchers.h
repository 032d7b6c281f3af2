// What launchers and schedulers say in the environment of the processes that they start.
#pragma once

#include <optional>
#include <string>

#include "base/base.h"

namespace gossamer::runtime {

// A process that a launcher started as one of several.
struct LaunchedProcess {
  std::string says;  // "Open MPI's mpirun started 4 processes (OMPI_COMM_WORLD_SIZE is 4)"
  // "mpirun ... bash -c 'GOSSAMER_RANK=$OMPI_COMM_WORLD_RANK GOSSAMER_RANK_COUNT=$OMPI_COMM_WORLD_SIZE exec ./program'"
  std::string remedy;
};

// The launcher of this process; nothing where none is known to have started it, or it started no other. A variable
// that says how large an allocation is, and not that this process is a part of it (SLURM_NTASKS in a batch script),
// counts for nothing.
[[nodiscard]] std::optional<LaunchedProcess> launched_process();

// Refuses to be one of several that each start `peers` of their own, unless GOSSAMER_RANK_COUNT=1 says that jobs apart
// are meant. `command` is for the message: "gossamer run".
[[nodiscard]] Status check_started_once(std::string_view command);

// What a launcher or scheduler says of a setting, and in which variables.
struct LaunchersWord {
  std::string value;
  std::string variables;  // "SLURM_JOB_ID, SLURM_STEP_ID"
};

// Where torchrun's ranks meet, as beside_master() of bootstrap/torchrun.h says.
[[nodiscard]] std::optional<LaunchersWord> torchrun_rendezvous();

// A name that all ranks of this job have and no other job has.
[[nodiscard]] std::optional<LaunchersWord> scheduler_job();

}  // namespace gossamer::runtime
