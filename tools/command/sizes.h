// Sizes as people write them: "300", "64K", "1M", "2G", "1MiB"; powers of 1,024.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/base.h"

namespace gossamer::tools {

// Errors: invalid_argument, also beyond 2^62.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view words);

struct SizeRange {
  std::uint64_t from = 0;
  std::uint64_t to = 0;  // not below `from`
};
// "64K", or "1K:64M".
[[nodiscard]] Result<SizeRange> parse_size_range(std::string_view words);

}  // namespace gossamer::tools
