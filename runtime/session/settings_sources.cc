#include "runtime/session/settings_sources.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "runtime/session/settings_file.h"

namespace gossamer::runtime {

Result<std::vector<FoundSetting>> find_settings(const SettingsRequest& request) {
  for (const GivenSetting& given : request)
    if (find_setting(given.name) == nullptr)
      return Error{Code::invalid_argument, text("there is no setting \"", given.name, "\"")};
  std::map<std::string, std::string> from_file;
  const char* const path = std::getenv(settings_file_variable);
  if (path != nullptr && *path != '\0') {
    GOSSAMER_ASSIGN(from_file, read_settings_file(path));
  }
  std::vector<FoundSetting> found;
  for (const SettingRow& row : all_settings()) {
    const auto say = [&](SettingSource source, std::string_view value, std::string origin) {
      found.push_back({&row, std::string(value), source, std::move(origin)});
    };
    const auto given =
        std::find_if(request.begin(), request.end(), [&](const GivenSetting& each) { return each.name == row.name; });
    const char* const variable = std::getenv(row.variable);
    if (given != request.end()) {
      say(SettingSource::call, given->value, "api");
    } else if (variable != nullptr && *variable != '\0') {
      say(SettingSource::environment, variable, "environment");
    } else if (const auto line = from_file.find(row.variable); line != from_file.end()) {
      say(SettingSource::file, line->second, text("file ", path));
    } else if (const auto word = row.launchers_word != nullptr ? row.launchers_word() : std::nullopt) {
      say(SettingSource::launcher, word->value, text("environment (", word->variables, ")"));
    } else {
      say(SettingSource::fallback, row.fallback, "default");
    }
  }
  return found;
}

}  // namespace gossamer::runtime
