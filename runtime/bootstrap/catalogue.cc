#include "runtime/bootstrap/catalogue.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iterator>

#include "runtime/bootstrap/folder.h"
#include "runtime/bootstrap/pmi.h"
#include "runtime/bootstrap/pmix.h"
#include "runtime/bootstrap/slurm.h"
#include "runtime/bootstrap/torchrun.h"

namespace gossamer::runtime {
namespace {

std::optional<std::string> no_signs() { return std::nullopt; }

Result<std::unique_ptr<Bootstrap>> make_of_caller(const BootstrapRequest&) {
  return Error{Code::internal, "the caller brings its own"};
}

Result<std::unique_ptr<Bootstrap>> make_of_folder(const BootstrapRequest& request) {
  if (!request.place)
    return Error{Code::invalid_argument,
                 "GOSSAMER_FOLDER says where ranks meet, but nothing says which rank this process is, and of how many: "
                 "set GOSSAMER_RANK and GOSSAMER_RANK_COUNT"};
  return make_folder_bootstrap(
      {text("the folder ", request.folder), request.folder, request.job, *request.place, false});
}

// Null: rank, rank count, rendezvous and secret are the settings'.
Result<std::unique_ptr<Bootstrap>> make_of_settings(const BootstrapRequest&) { return std::unique_ptr<Bootstrap>(); }

constexpr LauncherRow rows[] = {
    {"caller", "a unique id or callbacks, given in the call (gossamer_mpi.h)", "the call",
     "the id, or what rank 0 gives to all", no_signs, nullptr, make_of_caller},
    {"pmix", "Open MPI's mpirun, prterun, srun --mpi=pmix", "PMIX_NAMESPACE, PMIX_RANK", "PMIx's key-value space",
     pmix_signs, pmix_place, make_pmix_bootstrap},
    {"pmi", "MPICH's and Intel's mpiexec (hydra), srun --mpi=pmi2", "PMI_FD, PMI_RANK, PMI_SIZE; PMI_PORT, PMI_ID",
     "PMI's key-value space", pmi_signs, pmi_place, make_pmi_bootstrap},
    {"slurm", "srun", "SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_STEP_NODELIST",
     "one host: a private folder; several: GOSSAMER_FOLDER or GOSSAMER_SECRET", slurm_signs, slurm_place,
     make_slurm_bootstrap},
    {"torchrun", "torchrun", "RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT", "GOSSAMER_FOLDER or GOSSAMER_SECRET",
     torchrun_signs, torchrun_place, make_torchrun_bootstrap},
    {"folder", "anything that gives GOSSAMER_RANK and GOSSAMER_RANK_COUNT", "GOSSAMER_FOLDER", "the folder", no_signs,
     nullptr, make_of_folder},
    {"tcp", "gossamer run, or by hand", "GOSSAMER_RANK, GOSSAMER_RANK_COUNT, GOSSAMER_RENDEZVOUS", "GOSSAMER_SECRET",
     no_signs, nullptr, make_of_settings},
};

}  // namespace

std::span<const LauncherRow> all_launchers() { return rows; }

const LauncherRow* find_launcher(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(rows), std::end(rows), [&](const LauncherRow& row) { return row.name == name; });
  return found != std::end(rows) ? found : nullptr;
}

const LauncherRow* launcher_here() {
  for (const LauncherRow& row : rows) {
    if (!row.signs()) continue;
    const auto place = row.place != nullptr ? row.place() : std::nullopt;
    if (!place || place->rank_count > 1) return &row;
    return nullptr;  // the innermost launcher says that it is the only one
  }
  return nullptr;
}

std::string_view launch_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::string_view(value) : std::string_view();
}

std::optional<std::uint32_t> launch_number(const char* name) {
  const std::string_view digits = launch_variable(name);
  std::uint32_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || error != std::errc{} || at != end) return std::nullopt;
  return value;
}

std::optional<LaunchedPlace> place_of(const char* rank, const char* rank_count) {
  const auto here = launch_number(rank);
  const auto count = launch_number(rank_count);
  if (!here || !count) return std::nullopt;
  return LaunchedPlace{*here, *count, rank, rank_count};
}

}  // namespace gossamer::runtime
