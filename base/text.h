// Small pieces of text that error messages need in many places.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

namespace gossamer {

// Joins its arguments with operator<<: text("rank ", 3, " is lost").
template <typename... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// "17 B", "4.0 KiB", "63.9 MiB".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

// "5.0 s", "12.3 ms", "870 ns".
[[nodiscard]] std::string format_duration(std::uint64_t duration_ns);

}  // namespace gossamer
