// What is in folders and files of the kernel's.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
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

// The first line of a file, 4,096 characters of it at most, with blanks for what does not print and none at its end;
// nothing where it cannot be read.
[[nodiscard]] inline std::optional<std::string> line_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  constexpr std::size_t most = 4'096;
  if (line.size() > most) line.resize(most);
  for (char& c : line)
    if (c < ' ' || c > '~') c = ' ';
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

// The same, empty where it cannot be read.
[[nodiscard]] inline std::string kernel_line(const std::filesystem::path& path) { return line_of(path).value_or(""); }

}  // namespace gossamer::tools
