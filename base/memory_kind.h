// Where a block of memory lives.
#pragma once

#include <cstdint>
#include <string_view>

namespace gossamer {

// `fake_device` exists where a test has provided it (device_memory.h) and nowhere else.
enum class MemoryKind : std::uint8_t { host = 1, cuda = 2, fake_device = 3 };

[[nodiscard]] constexpr std::string_view memory_kind_name(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::host:
      return "host";
    case MemoryKind::cuda:
      return "cuda";
    case MemoryKind::fake_device:
      return "fake-device";
  }
  return "unknown";
}

}  // namespace gossamer
