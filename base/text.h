// Text from numbers, the same in every program: no locale of C or C++ has a say in it. What is written here is compared
// between ranks, names files and is read again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace gossamer {

// As printf's %.*f, %.*g and %0*x (at most 16 digits) would write it in the C locale.
[[nodiscard]] std::string fixed(double value, int digits);
[[nodiscard]] std::string general(double value, int digits);
[[nodiscard]] std::string hex(std::uint64_t value, int digits = 1);

void append_number(std::string& out, std::int64_t value);
void append_number(std::string& out, std::uint64_t value);

// Puts its parts behind `out`: text and letters as they are, numbers in decimal, fractions with six significant digits.
template <typename... Parts>
void append(std::string& out, const Parts&... parts) {
  const auto add = [&out](const auto& part) {
    using Part = std::decay_t<decltype(part)>;
    if constexpr (std::is_convertible_v<const Part&, std::string_view>) {
      out += std::string_view(part);
    } else if constexpr (std::is_same_v<Part, char>) {
      out += part;
    } else if constexpr (std::is_floating_point_v<Part>) {
      out += general(static_cast<double>(part), 6);
    } else {
      static_assert(std::is_integral_v<Part>, "text() takes text, letters and numbers");
      static_assert(sizeof(Part) > 1 || std::is_same_v<Part, bool>, "a byte: say whether it is a number or a letter");
      append_number(out, static_cast<std::conditional_t<std::is_signed_v<Part>, std::int64_t, std::uint64_t>>(part));
    }
  };
  (add(parts), ...);
}

// Joins its arguments: text("rank ", 3, " is lost").
template <typename... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
  std::string out;
  append(out, parts...);
  return out;
}

// The same where it is UTF-8; what is not becomes U+FFFD, one for each longest beginning of a letter.
[[nodiscard]] std::string valid_utf8(std::string_view words);

// As a text of JSON; control characters become blanks, and what is no UTF-8 U+FFFD.
[[nodiscard]] std::string quoted_json(std::string_view words);

// "17 B", "4.0 KiB", "63.9 MiB".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

// "5.0 s", "12.3 ms", "870 ns".
[[nodiscard]] std::string format_duration(std::uint64_t duration_ns);

}  // namespace gossamer
