// The `gossamer` command: stdout is data, stderr is progress, exit_codes.h says what the status means.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "base/base.h"
#include "bindings/c/gossamer.h"
#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"

namespace gossamer::tools {

int complain(const std::string& command, const std::string& message, int exit_code) {
  std::fputs(text("gossamer", command.empty() ? "" : " ", command, ": ", message, "\n").c_str(), stderr);
  return exit_code;
}

namespace {

// Whatever is opened first takes the place of a standard descriptor that the parent closed (cron, `>&-`), and is then
// written to as if it were one.
void open_standard_descriptors() {
  for (const int each : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(each, F_GETFD) < 0) static_cast<void>(::open("/dev/null", each == STDIN_FILENO ? O_RDONLY : O_WRONLY));
  }
}

// --help and --version.
int print_and_end(const CLI::App& app, const CLI::Success& success) {
  const int status = app.exit(success);
  std::cout.flush();
  return std::cout ? status : complain("", text("cannot write to stdout: ", std::strerror(errno)), exit_failure);
}

// Of the words that are to name a command, and one of its own where it has any: 0, or the status where one does not.
int complain_of_commands(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* within = &app;
  std::string path;
  for (std::size_t i = 0;; ++i) {
    const auto commands = within->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty() || (i < words.size() && words[i].starts_with('-'))) return 0;
    const auto named = std::find_if(commands.begin(), commands.end(), [&](const CLI::App* each) {
      return i < words.size() && each->get_name() == words[i];
    });
    if (named == commands.end()) {
      std::string names;
      for (std::size_t k = 0; k < commands.size(); ++k)
        names += (k == 0 ? "" : k + 1 < commands.size() ? ", " : " or ") + commands[k]->get_name();
      if (i == words.size()) return complain(path, "which command is missing; expected " + names, exit_usage);
      return complain(path.empty() ? words[i] : path + " " + words[i], "there is no such command; expected " + names,
                      exit_usage);
    }
    within = *named;
    path += (path.empty() ? "" : " ") + words[i];
  }
}

int run_main(int count, char** arguments) {
  // What stands behind the first "--" belongs to the program that is started and is not ours to read.
  const std::vector<std::string> all(arguments + 1, arguments + count);
  const auto cut = std::find(all.begin(), all.end(), "--");
  std::vector<std::string> own(all.begin(), cut);
  const std::vector<std::string> behind(cut, all.end());
  if (own.empty()) own.push_back("--help");

  CLI::App app("Gossamer: gradient exchange between peers without a parameter server", "gossamer");
  app.set_version_flag("--version", std::string("gossamer ") + gossamer_version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(30);
  std::vector<std::pair<CLI::App*, Action>> commands;
  const auto add = [&](const char* name, const char* meaning, const auto& make) {
    CLI::App* command = app.add_subcommand(name, meaning);
    commands.emplace_back(command, make(*command));
  };
  add("run", "start the peers of a program, on this host or on several",
      [&](CLI::App& c) { return add_run_command(c, behind); });
  add("train", "train a network over real processes and compare algorithms", add_train_command);
  add("study", "measure what fewer bytes cost, and how well sketches recover", add_study_command);
  add("bench", "measure speed against what the machine can do", add_bench_command);
  add("graph", "what graphs of gossip are worth, and what deaths do to them", add_graph_command);
  add("simulate", "play a schedule on a network of up to 65,536 ranks", add_simulate_command);
  add("explain", "what the cost model says of each schedule, and which it chooses", add_explain_command);
  add("topo", "measure the links of a cluster, and what to make of them", add_topo_command);
  add("trace", "put together what ranks wrote for GOSSAMER_TRACE", add_trace_command);
  add("info", "versions, transports, limits and every setting with where it came from", add_info_command);
  if (const int status = complain_of_commands(app, own); status != 0) return status;
  std::reverse(own.begin(), own.end());  // CLI11 takes them from the back
  try {
    app.parse(own);
  } catch (const CLI::Success& success) {
    return print_and_end(app, success);
  } catch (const CLI::ParseError& error) {
    std::cerr << "gossamer: " << error.what() << "\nSee `gossamer --help` and `gossamer COMMAND --help`.\n";
    return exit_usage;
  }
  for (const auto& [command, action] : commands) {
    if (!command->parsed()) continue;
    if (behind.size() > 1 && command->get_name() != "run") {
      return complain(command->get_name(), "takes no program after --; did you mean `gossamer run`?", exit_usage);
    }
    return action();
  }
  return exit_usage;
}

}  // namespace
}  // namespace gossamer::tools

int main(int count, char** arguments) {
  gossamer::tools::open_standard_descriptors();
  try {
    return gossamer::tools::run_main(count, arguments);
  } catch (const std::exception& error) {
    return gossamer::tools::complain("", std::string("stopped by ") + error.what(), gossamer::tools::exit_failure);
  }
}
