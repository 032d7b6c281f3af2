// Where a block of memory lives.
#pragma once

#include <cstdint>
#include <string_view>

namespace gossamer {

enum class MemoryKind : std::uint8_t { host = 1, cuda = 2 };

[[nodiscard]] constexpr std::string_view memory_kind_name(MemoryKind kind) {
  return kind == MemoryKind::host ? "host" : "cuda";
}

}  // namespace gossamer
