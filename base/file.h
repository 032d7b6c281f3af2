// Files that are there whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/rank.h"
#include "base/result.h"

namespace gossamer {

// What a file that was written must outlive: this process, or a loss of power too (which waits for the disk).
enum class Outlives : std::uint8_t { process, power };

// Writes beside and renames: at every moment the path is the whole old file or the whole new one. `unavailable` says
// why not; then it is the old one.
[[nodiscard]] Status write_whole_file(const std::string& path, std::span<const std::byte> bytes, Outlives outlives);
[[nodiscard]] Status write_whole_file(const std::string& path, std::string_view words, Outlives outlives);

// `unavailable` also where it is no regular file.
[[nodiscard]] Result<std::vector<std::byte>> read_whole_file(const std::string& path);

// "%r" in the setting is the rank; without one, ".RANK" follows it where there is more than one rank.
[[nodiscard]] std::string path_of_rank(std::string_view setting, Rank rank, std::uint32_t rank_count);

}  // namespace gossamer
