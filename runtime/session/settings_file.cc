#include "runtime/session/settings_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "runtime/session/settings_table.h"

namespace gossamer::runtime {
namespace {

std::string trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

// What stands behind the = of a line: up to a # after a blank, or what a pair of quotes holds.
Result<std::string> read_value(std::string_view words) {
  const std::string value = trim(words);
  if (value.empty()) return value;
  if (value[0] == '"' || value[0] == '\'') {
    const auto end = value.find(value[0], 1);
    if (end == std::string::npos) return Error{Code::invalid_argument, "a quote that is not closed"};
    const std::string rest = trim(std::string_view(value).substr(end + 1));
    if (!rest.empty() && rest[0] != '#') return Error{Code::invalid_argument, "words behind the closing quote"};
    return value.substr(1, end - 1);
  }
  for (std::size_t at = 0; at < value.size(); ++at) {
    if (value[at] == '#' && (at == 0 || value[at - 1] == ' ' || value[at - 1] == '\t'))
      return trim(std::string_view(value).substr(0, at));
  }
  return value;
}

}  // namespace

Result<std::map<std::string, std::string>> read_settings_file(const std::string& path) {
  const auto unreadable = [&](std::string_view why) {
    return Error{Code::unavailable, text(settings_file_variable, " names ", path, ", which cannot be read: ", why)};
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return unreadable("it is a folder; expected a file");
  std::ifstream file(path);
  if (!file) return unreadable(std::strerror(errno));
  std::map<std::string, std::string> values;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::string_view words = line;
    if (constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF"; number == 1 && words.starts_with(byte_order_mark))
      words.remove_prefix(byte_order_mark.size());
    const std::string whole = trim(words);
    if (whole.empty() || whole[0] == '#') continue;
    const auto equals = whole.find('=');
    const std::string name = trim(std::string_view(whole).substr(0, equals));
    if (equals == std::string::npos || !is_setting_variable(name))
      return Error{Code::invalid_argument,
                   text(path, ":", number, ": \"", whole,
                        "\" is no setting, expected NAME = value with a name that `gossamer info` lists")};
    // The value is not repeated: it may be a secret in the wrong place.
    auto value = read_value(std::string_view(whole).substr(equals + 1));
    if (!value.ok())
      return Error{Code::invalid_argument, text(path, ":", number, ": the value of ", name, " has ",
                                                value.error().message, ", expected NAME = value or NAME = \"value\"")};
    values[name] = *std::move(value);
  }
  if (file.bad()) return unreadable(std::strerror(errno));
  return values;
}

}  // namespace gossamer::runtime
