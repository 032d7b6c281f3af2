#include "base/text.h"

#include <array>
#include <charconv>
#include <limits>

namespace gossamer {
namespace {

// The longest double in plain decimals, with room for the digits behind the point that anyone asks for.
constexpr std::size_t number_bytes_max = std::numeric_limits<double>::max_exponent10 + 64;

template <typename... How>
std::string number_text(How... how) {
  std::array<char, number_bytes_max> buffer;
  const std::to_chars_result end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), how...);
  return {buffer.data(), end.ptr};
}

}  // namespace

std::string fixed(double value, int digits) { return number_text(value, std::chars_format::fixed, digits); }
std::string general(double value, int digits) { return number_text(value, std::chars_format::general, digits); }

std::string hex(std::uint64_t value, int digits) {
  std::string out = number_text(value, 16);
  if (out.size() < static_cast<std::size_t>(digits)) out.insert(0, static_cast<std::size_t>(digits) - out.size(), '0');
  return out;
}

void append_number(std::string& out, std::int64_t value) { out += number_text(value); }
void append_number(std::string& out, std::uint64_t value) { out += number_text(value); }

namespace {

// How many bytes the letter at the beginning has, as the Unicode standard's table 3-7 says; negative: so many are the
// beginning of none.
int letter_bytes(std::string_view words) {
  const auto byte = [&](std::size_t i) { return i < words.size() ? static_cast<unsigned char>(words[i]) : 0u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return -1;
  const int bytes = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  unsigned least = 0x80;
  unsigned most = 0xbf;
  if (first == 0xe0) least = 0xa0;
  if (first == 0xed) most = 0x9f;
  if (first == 0xf0) least = 0x90;
  if (first == 0xf4) most = 0x8f;
  for (int i = 1; i < bytes; ++i, least = 0x80, most = 0xbf)
    if (const unsigned next = byte(static_cast<std::size_t>(i)); next < least || next > most) return -i;
  return bytes;
}

}  // namespace

std::string valid_utf8(std::string_view words) {
  std::string out;
  while (!words.empty()) {
    const int bytes = letter_bytes(words);
    const auto taken = static_cast<std::size_t>(bytes < 0 ? -bytes : bytes);
    out += bytes < 0 ? std::string_view("\xef\xbf\xbd") : words.substr(0, taken);
    words.remove_prefix(taken);
  }
  return out;
}

std::string quoted_json(std::string_view words) {
  std::string json = "\"";
  for (const char c : valid_utf8(words)) {
    if (c == '"' || c == '\\') json += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      json += ' ';
    else
      json += c;
  }
  return json + '"';
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return text(bytes, " B");
  constexpr std::array units = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024.0;
  std::size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < units.size()) {
    value /= 1024.0;
    ++unit;
  }
  return text(fixed(value, 1), " ", units[unit]);
}

std::string format_duration(std::uint64_t duration_ns) {
  const double ns = static_cast<double>(duration_ns);
  if (duration_ns < 1'000) return text(duration_ns, " ns");
  if (duration_ns < 1'000'000) return fixed(ns / 1e3, 1) + " us";
  if (duration_ns < 1'000'000'000) return fixed(ns / 1e6, 1) + " ms";
  return fixed(ns / 1e9, 1) + " s";
}

}  // namespace gossamer
