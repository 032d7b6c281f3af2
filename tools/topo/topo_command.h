// The subcommands of `gossamer topo`, one in each file <name>_command.cc beside this one. Each adds its flags to `app`
// and gives back what to run when it was named; the table in topo_command.cc lists them.
#pragma once

#include "tools/command/commands.h"

namespace gossamer::tools {

[[nodiscard]] Action add_topo_measure(CLI::App& app);
[[nodiscard]] Action add_topo_causes(CLI::App& app);
[[nodiscard]] Action add_topo_discover(CLI::App& app);
[[nodiscard]] Action add_topo_report(CLI::App& app);
[[nodiscard]] Action add_topo_diff(CLI::App& app);
[[nodiscard]] Action add_topo_recommend(CLI::App& app);
[[nodiscard]] Action add_topo_verify(CLI::App& app);
[[nodiscard]] Action add_topo_metrics(CLI::App& app);

}  // namespace gossamer::tools
