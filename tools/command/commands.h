// The subcommands. Each adds its flags to `app` and gives back what to run when it was named.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace gossamer::tools {

// Returns the exit code.
using Action = std::function<int()>;

// `behind`: the first "--" and what stands behind it, or nothing.
[[nodiscard]] Action add_run_command(CLI::App& app, const std::vector<std::string>& behind);
[[nodiscard]] Action add_train_command(CLI::App& app);
[[nodiscard]] Action add_bench_command(CLI::App& app);
[[nodiscard]] Action add_study_command(CLI::App& app);
[[nodiscard]] Action add_graph_command(CLI::App& app);
[[nodiscard]] Action add_simulate_command(CLI::App& app);
[[nodiscard]] Action add_explain_command(CLI::App& app);
[[nodiscard]] Action add_topo_command(CLI::App& app);
[[nodiscard]] Action add_trace_command(CLI::App& app);
[[nodiscard]] Action add_info_command(CLI::App& app);

// Prints "gossamer COMMAND: message" and returns `exit_code`.
int complain(const std::string& command, const std::string& message, int exit_code);

}  // namespace gossamer::tools
