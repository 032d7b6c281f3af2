// What is left in /dev/shm, once nobody removes it any more.
#pragma once

#include <sched.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace gossamer::testing {

// Names that contain `mark`.
inline std::vector<std::string> shared_memory_names(const std::string& mark) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    if (std::string name = entry.path().filename().string(); name.find(mark) != std::string::npos)
      names.push_back(std::move(name));
  return names;
}

// The same, when they are gone or five seconds have passed: every process on the machine sweeps for all, so another one
// may be in the middle of removing what this one's sweep left to it.
inline std::vector<std::string> shared_memory_left(const std::string& mark) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  std::vector<std::string> names = shared_memory_names(mark);
  while (!names.empty() && std::chrono::steady_clock::now() < deadline) {
    sched_yield();
    names = shared_memory_names(mark);
  }
  return names;
}

}  // namespace gossamer::testing
