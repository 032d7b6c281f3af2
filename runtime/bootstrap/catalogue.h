// The ways in which the processes of a job find each other, in the order in which they are asked. A new launcher is a
// file with a Bootstrap and a row here: joining, `gossamer info` and GOSSAMER_LAUNCHER ask the catalogue.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/base.h"
#include "runtime/bootstrap/bootstrap.h"

namespace gossamer::runtime {

// Who this process is, as far as the environment alone says.
struct LaunchedPlace {
  std::uint32_t rank = 0;
  std::uint32_t rank_count = 1;
  std::string rank_variable;        // "PMI_RANK"
  std::string rank_count_variable;  // "PMI_SIZE"
};

struct BootstrapRequest {
  std::string folder;                  // of GOSSAMER_FOLDER; empty: none
  std::string job;                     // of GOSSAMER_JOB or the scheduler
  std::optional<LaunchedPlace> place;  // as the user's own settings say it
  std::uint64_t timeout_ns = 0;        // of what making it may wait for
};

struct LauncherRow {
  std::string_view name;     // "pmix": of GOSSAMER_LAUNCHER
  std::string_view who;      // "Open MPI's mpirun, srun --mpi=pmix"
  std::string_view told_by;  // the variables that show it
  std::string_view secret;   // where the secret comes from
  // Why it is this one here: the variables that are set; nothing where it is not.
  std::optional<std::string> (*signs)();
  // Null where the environment never says it.
  std::optional<LaunchedPlace> (*place)();
  Result<std::unique_ptr<Bootstrap>> (*make)(const BootstrapRequest& request);
};

// In order. The first, the caller's own, and the last two, a folder and the user's own settings, are no launchers:
// nothing in the environment shows them.
[[nodiscard]] std::span<const LauncherRow> all_launchers();
// Null where there is none of this name.
[[nodiscard]] const LauncherRow* find_launcher(std::string_view name);
// The launcher that started this process as one of several, or, for what only asking tells, as perhaps one of several;
// null where none did.
[[nodiscard]] const LauncherRow* launcher_here();

// --- what rows are made of

// A variable's value; empty where it is not set.
[[nodiscard]] std::string_view launch_variable(const char* name);
// Digits alone, at most 2^32 - 1; nothing for anything else.
[[nodiscard]] std::optional<std::uint32_t> launch_number(const char* name);
// Where both variables are numbers.
[[nodiscard]] std::optional<LaunchedPlace> place_of(const char* rank, const char* rank_count);

}  // namespace gossamer::runtime
