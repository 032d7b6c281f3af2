// Runs the gossamer command as a user does.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/base.h"
#include "temporary_folder.h"

namespace gossamer::tools {

inline std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

struct Ran {
  int status = -1;  // exit status, or 128 + signal
  std::string output, errors;
};

class Command : public ::testing::Test {
 protected:
  // `output`: where stdout goes; empty: a file in the folder.
  pid_t start(const std::vector<std::string>& arguments, const std::string& output = "") {
    const pid_t pid = fork();
    if (pid == 0) {
      const auto redirect = [](const std::string& path, int flags, int target) {
        const int file = open(path.c_str(), flags, 0644);
        if (file < 0 || dup2(file, target) < 0) _exit(125);
      };
      redirect("/dev/null", O_RDONLY, 0);
      redirect(output.empty() ? folder_ / "output" : output, O_WRONLY | O_CREAT | O_TRUNC, 1);
      redirect(folder_ / "errors", O_WRONLY | O_CREAT | O_TRUNC, 2);
      std::vector<char*> argv = {const_cast<char*>("gossamer")};
      for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
      argv.push_back(nullptr);
      execv(GOSSAMER_COMMAND, argv.data());
      _exit(125);
    }
    return pid;
  }

  Ran finish(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), read_file(folder_ / "output"),
            read_file(folder_ / "errors")};
  }

  Ran run(const std::vector<std::string>& arguments) { return finish(start(arguments)); }

  // A short training run; `json` is read from the file it writes.
  Ran train(std::vector<std::string> more, nlohmann::json* document = nullptr) {
    std::vector<std::string> arguments = {"train",         "--dataset=synthetic", "--samples=640",
                                          "--features=32", "--hidden=48,24",      "--steps=20",
                                          "--batch=50",    "--density=0.1",       "--timeout=120"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const std::string path = folder_ / "result.json";
    if (document != nullptr) arguments.push_back("--json=" + path);
    Ran out = run(arguments);
    if (document != nullptr) *document = nlohmann::json::parse(read_file(path), nullptr, false);
    return out;
  }

  TemporaryFolder folder_;
};

}  // namespace gossamer::tools
