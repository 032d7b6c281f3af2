// What is in a folder of the kernel's.
#pragma once

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

namespace gossamer::tools {

// In order; none where it cannot be read.
[[nodiscard]] inline std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure))
    entries.push_back(at->path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace gossamer::tools
