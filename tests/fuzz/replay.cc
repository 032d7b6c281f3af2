// Runs a fuzz target on every file of the folders that it is given: replay_DECODER FOLDER...
// Names each file before it runs it, so that the last name is the one that failed. No file at all is a failure.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz.h"

int main(int argument_count, char** arguments) {
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argument_count; ++i) {
    std::error_code failed;
    for (std::filesystem::directory_iterator each(arguments[i], failed), end; !failed && each != end;
         each.increment(failed)) {
      if (each->is_regular_file()) paths.push_back(each->path());
    }
    if (failed) {
      std::fprintf(stderr, "replay: cannot read the folder %s: %s\n", arguments[i], failed.message().c_str());
      return 2;
    }
  }
  if (paths.empty()) {
    std::fprintf(stderr, "replay: no files to run; expected folders of them: %s FOLDER...\n", arguments[0]);
    return 2;
  }
  std::sort(paths.begin(), paths.end());
  for (const std::filesystem::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad() || bytes.size() != std::filesystem::file_size(path)) {
      std::fprintf(stderr, "replay: cannot read %s\n", path.c_str());
      return 2;
    }
    std::fprintf(stderr, "%s\n", path.c_str());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::printf("%zu files replayed\n", paths.size());
  return 0;
}
