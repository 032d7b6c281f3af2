// Private to `topology`: reads text forms line by line. Blank lines and lines that begin with '#' are passed over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/base.h"

namespace gossamer::topology {

// Without blanks, tabs and carriage returns at both ends; a view into `s` also where nothing is left.
[[nodiscard]] std::string_view trimmed(std::string_view s);

// Foreign text in a message: short, and without control characters.
[[nodiscard]] std::string quoted(std::string_view s);

// A number that takes up all of `s`.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view s);
[[nodiscard]] std::optional<std::uint64_t> parse_long_number(std::string_view s);

class TextReader {
 public:
  // Bounds the memory of a parse: at most some 6 bytes for each byte of text, for rounds of no steps.
  static constexpr std::size_t text_bytes_max = std::size_t{64} << 20;

  // `what` the text describes, "schedule" or "graph", is named in errors; `input` outlives the reader.
  TextReader(std::string_view what, std::string_view input) : what_(what), rest_(input) {}

  [[nodiscard]] Status check_length() const;

  // Steps to the next line that says something; false at the end of the text.
  bool next_line();
  [[nodiscard]] std::string_view line() const { return line_; }
  [[nodiscard]] std::size_t line_number() const { return line_number_; }

  // `malformed`, with the line: "schedule text, line 3: expected ..., found ...".
  template <typename... Parts>
  [[nodiscard]] Error fail(const Parts&... expected) const {
    return Error{Code::malformed, text(what_, " text, line ", line_number_, ": expected ", expected..., ", found ",
                                       line_.empty() ? "the end of the text" : quoted(line_))};
  }

  // The word after "<key> " on the next line.
  [[nodiscard]] Result<std::string_view> parse_field(std::string_view key);
  [[nodiscard]] Status parse_number_field(std::string_view key, std::uint32_t least, std::uint32_t most,
                                          std::uint32_t& out);

 private:
  std::string_view what_;
  std::string_view rest_;
  std::string_view line_;
  std::size_t line_number_ = 0;
};

}  // namespace gossamer::topology
