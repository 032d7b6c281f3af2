// Private to `topology`: what its readers of text share.
#pragma once

#include <string>
#include <string_view>

namespace gossamer::topology {

[[nodiscard]] inline std::string_view trimmed(std::string_view s) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t first = s.find_first_not_of(blanks);
  if (first == std::string_view::npos) return s.substr(s.size());
  return s.substr(first, s.find_last_not_of(blanks) - first + 1);
}

// Foreign text in a message: short, and without control characters.
[[nodiscard]] inline std::string quoted(std::string_view s) {
  constexpr std::size_t shown_max = 40;
  std::string out = "\"";
  for (const char c : s.substr(0, shown_max)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (s.size() > shown_max ? "...\"" : "\"");
}

}  // namespace gossamer::topology
