#include "tools/command/log_level.h"

#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace gossamer::tools {

Result<LogLevel> log_level() {
  constexpr std::array<std::pair<std::string_view, LogLevel>, 4> words = {{{"debug", LogLevel::debug},
                                                                           {"info", LogLevel::info},
                                                                           {"warning", LogLevel::warning},
                                                                           {"error", LogLevel::error}}};
  const char* const value = std::getenv("GOSSAMER_LOG");
  if (value == nullptr || *value == '\0') return LogLevel::warning;
  for (const auto& [word, level] : words)
    if (word == value) return level;
  return Error{Code::invalid_argument, text("GOSSAMER_LOG is \"", value, "\", expected debug, info, warning or error")};
}

}  // namespace gossamer::tools
