#include "tools/command/sizes.h"

#include <array>
#include <charconv>

namespace gossamer::tools {

Result<std::uint64_t> parse_size(std::string_view words) {
  std::uint64_t value = 0;
  const char* const end = words.data() + words.size();
  const auto [stop, error] = std::from_chars(words.data(), end, value);
  std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  unsigned shift = 0;
  static constexpr std::array<std::pair<char, unsigned>, 4> units = {{{'K', 10}, {'M', 20}, {'G', 30}, {'T', 40}}};
  for (const auto& [letter, bits] : units) {
    if (unit.empty() || (unit.front() & ~0x20) != letter) continue;
    shift = bits;
    unit.remove_prefix(1);
    if (unit == "iB") unit = {};
    break;
  }
  constexpr unsigned bits_max = 62;
  if (error != std::errc{} || !unit.empty() || value > (std::uint64_t{1} << (bits_max - shift))) {
    return Error{Code::invalid_argument, text("expected bytes as in 300, 64K, 1M or 2G, not \"", words, "\"")};
  }
  return value << shift;
}

Result<SizeRange> parse_size_range(std::string_view words) {
  const std::size_t colon = words.find(':');
  const Result<std::uint64_t> from = parse_size(words.substr(0, colon));
  const Result<std::uint64_t> to = colon == std::string_view::npos ? from : parse_size(words.substr(colon + 1));
  if (!from) return from.error();
  if (!to) return to.error();
  if (*to < *from) return Error{Code::invalid_argument, text("the sizes \"", words, "\" do not grow")};
  return SizeRange{*from, *to};
}

}  // namespace gossamer::tools
