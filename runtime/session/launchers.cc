#include "runtime/session/launchers.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/bootstrap/catalogue.h"
#include "runtime/bootstrap/torchrun.h"

namespace gossamer::runtime {
namespace {

struct Launcher {
  const char* name;
  const char* command;
  const char* rank;
  const char* size;   // null: the launcher does not say
  const char* proof;  // set by this launcher alone; null: the other two are
};

// The innermost first: mpirun inside a Slurm job hands Slurm's variables on. SLURM_STEP_NUM_TASKS is there in tasks of
// srun alone; MPI_LOCALNRANKS counts those of one host, for want of better.
constexpr std::array<Launcher, 9> launchers = {{
    {"Open MPI's mpirun", "mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", nullptr},
    {"MVAPICH's launcher", "mpirun_rsh", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", nullptr},
    {"an MPI launcher (PMI)", "mpiexec", "PMI_RANK", "PMI_SIZE", nullptr},
    {"Flux", "flux run", "FLUX_TASK_RANK", "FLUX_JOB_SIZE", nullptr},
    {"jsrun", "jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE", nullptr},
    {"srun", "srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", nullptr},
    {"a PMIx launcher", "prterun", "PMIX_RANK", nullptr, nullptr},
    {"an MPI launcher", "mpiexec", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", nullptr},
    {"torchrun", "torchrun --no-python", "RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"},
}};

std::optional<std::uint64_t> number(const char* name) {
  const std::string_view digits = launch_variable(name);
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || error != std::errc{} || at != end) return std::nullopt;
  return value;
}

// Whether srun itself started this process, and not an mpirun that srun started: only then have all ranks the step.
bool is_task_of_srun() {
  const auto tasks = number("SLURM_STEP_NUM_TASKS");
  if (!tasks || !number("SLURM_PROCID")) return false;
  const auto size = number("PMI_SIZE");  // srun sets it as well, and to the same
  return !launch_variable("SLURM_STEP_ID").empty() && (!size || size == tasks);
}

}  // namespace

std::optional<LaunchedProcess> launched_process() {
  for (const Launcher& launcher : launchers) {
    const auto rank = number(launcher.rank);
    if (!rank || (launcher.proof != nullptr && launch_variable(launcher.proof).empty())) continue;
    const auto remedy = [&](const std::string& count) {
      return text(launcher.command, " ... bash -c 'GOSSAMER_RANK=$", launcher.rank, " GOSSAMER_RANK_COUNT=", count,
                  " exec ./program'");
    };
    if (launcher.size == nullptr) {
      if (*rank == 0) continue;  // perhaps the only one
      return LaunchedProcess{text(launcher.name, " started several processes (", launcher.rank, " is ", *rank, ")"),
                             remedy("HOW_MANY")};
    }
    const auto size = number(launcher.size);
    if (!size) continue;
    if (*size <= 1) return std::nullopt;
    return LaunchedProcess{text(launcher.name, " started ", *size, " processes (", launcher.size, " is ", *size, ")"),
                           remedy(text("$", launcher.size))};
  }
  return std::nullopt;
}

Status check_started_once(std::string_view command) {
  const auto launched = launched_process();
  if (!launched || launch_variable("GOSSAMER_RANK_COUNT") == "1") return {};
  return Error{Code::invalid_argument,
               text(launched->says, ", and each would start all peers of a job of its own: call `", command,
                    "` once, without that launcher, or let the launcher start the ranks (", launched->remedy,
                    "); GOSSAMER_RANK_COUNT=1 says that jobs apart are meant")};
}

std::optional<LaunchersWord> torchrun_rendezvous() {
  auto rendezvous = beside_master();
  if (!rendezvous) return std::nullopt;
  return LaunchersWord{std::move(*rendezvous), "MASTER_ADDR, MASTER_PORT + 1"};
}

std::optional<LaunchersWord> scheduler_job() {
  // `torchrun --rdzv-id` is often a constant, and "none" where it is not given; the port tells jobs of a host apart.
  if (const auto run = launch_variable("TORCHELASTIC_RUN_ID"); !run.empty()) {
    return LaunchersWord{text("torch-", run, "-", launch_variable("MASTER_PORT")), "TORCHELASTIC_RUN_ID, MASTER_PORT"};
  }
  for (const char* name : {"PMIX_NAMESPACE", "PMI_JOBID", "PALS_APID", "FLUX_JOB_ID"}) {
    if (const auto id = launch_variable(name); !id.empty()) return LaunchersWord{std::string(id), name};
  }
  if (const auto id = launch_variable("SLURM_JOB_ID"); !id.empty()) {
    if (!is_task_of_srun()) return LaunchersWord{std::string(id), "SLURM_JOB_ID"};
    return LaunchersWord{text(id, ".", launch_variable("SLURM_STEP_ID")), "SLURM_JOB_ID, SLURM_STEP_ID"};
  }
  for (const char* name : {"PBS_JOBID", "LSB_JOBID"}) {
    if (const auto id = launch_variable(name); !id.empty()) return LaunchersWord{std::string(id), name};
  }
  return std::nullopt;
}

}  // namespace gossamer::runtime
