#include "topology/text_reader.h"

#include <algorithm>
#include <charconv>

namespace gossamer::topology {
namespace {

template <typename Number>
std::optional<Number> whole_number(std::string_view s) {
  Number value = 0;
  const char* end = s.data() + s.size();
  const auto [stop, error] = std::from_chars(s.data(), end, value);
  if (s.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

}  // namespace

std::string_view trimmed(std::string_view s) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t first = s.find_first_not_of(blanks);
  if (first == std::string_view::npos) return s.substr(s.size());
  return s.substr(first, s.find_last_not_of(blanks) - first + 1);
}

std::string quoted(std::string_view s) {
  constexpr std::size_t shown_max = 40;
  std::string out = "\"";
  for (const char c : s.substr(0, shown_max)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (s.size() > shown_max ? "...\"" : "\"");
}

std::optional<std::uint32_t> parse_number(std::string_view s) { return whole_number<std::uint32_t>(s); }
std::optional<std::uint64_t> parse_long_number(std::string_view s) { return whole_number<std::uint64_t>(s); }

Status TextReader::check_length() const {
  if (rest_.size() <= text_bytes_max) return {};
  return Error{Code::malformed, text("the ", what_, " has ", format_bytes(rest_.size()), " of text: at most ",
                                     format_bytes(text_bytes_max), " are read")};
}

bool TextReader::next_line() {
  while (!rest_.empty()) {
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    line_ = trimmed(rest_.substr(0, end));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++line_number_;
    if (!line_.empty() && line_.front() != '#') return true;
  }
  line_ = {};
  return false;
}

Result<std::string_view> TextReader::parse_field(std::string_view key) {
  next_line();
  if (!line_.starts_with(key) || line_.size() <= key.size() || line_[key.size()] != ' ') {
    return fail("\"", key, " ...\"");
  }
  return trimmed(line_.substr(key.size()));
}

Status TextReader::parse_number_field(std::string_view key, std::uint32_t least, std::uint32_t most,
                                      std::uint32_t& out) {
  const Result<std::string_view> word = parse_field(key);
  if (!word) return word.error();
  const std::optional<std::uint32_t> value = parse_number(*word);
  if (!value || *value < least || *value > most) return fail("\"", key, "\" and a number from ", least, " to ", most);
  out = *value;
  return {};
}

}  // namespace gossamer::topology
