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

std::string quoted_json(std::string_view words) {
  std::string json = "\"";
  for (const char c : words) {
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
