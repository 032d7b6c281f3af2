#include "runtime/session/settings_sources.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "runtime/session/settings_file.h"

namespace gossamer::runtime {
namespace {

std::string value_of(const std::vector<FoundSetting>& found, std::string_view name) {
  const FoundSetting* const one = find_found(found, name);
  return one != nullptr ? one->value : std::string();
}

// What the launcher's variables say of rank and rank count, and torchrun's of the rendezvous.
std::optional<LaunchersWord> word_of(const LauncherRow& launcher, std::string_view setting) {
  const auto place = launcher.place != nullptr ? launcher.place() : std::nullopt;
  if (place && setting == "rank") return LaunchersWord{text(place->rank), place->rank_variable};
  if (place && setting == "rank_count") return LaunchersWord{text(place->rank_count), place->rank_count_variable};
  if (setting == "rendezvous" && launcher.name == "torchrun") return torchrun_rendezvous();
  return std::nullopt;
}

}  // namespace

const FoundSetting* find_found(const std::vector<FoundSetting>& found, std::string_view name) {
  const auto one =
      std::find_if(found.begin(), found.end(), [&](const FoundSetting& each) { return each.row->name == name; });
  return one != found.end() ? &*one : nullptr;
}

bool is_said(const std::vector<FoundSetting>& found, std::string_view name) {
  const FoundSetting* const one = find_found(found, name);
  return one != nullptr && one->source < SettingSource::launcher;
}

Result<const LauncherRow*> launcher_of(const std::vector<FoundSetting>& found) {
  const bool has_folder = !value_of(found, "folder").empty();
  const LauncherRow* const own = find_launcher(has_folder ? "folder" : "tcp");
  const bool counted = is_said(found, "rank_count");
  if (counted && (is_said(found, "rank") || value_of(found, "rank_count") == "1")) return own;
  const std::string name = value_of(found, "launcher");
  if (name != "auto") {
    const LauncherRow* const named = find_launcher(name);
    if (named == nullptr) return own;  // refused where it is read
    if (named->place != nullptr && !named->signs())
      return Error{Code::invalid_argument, text("launcher is \"", name,
                                                "\" (GOSSAMER_LAUNCHER), but nothing here is its: "
                                                "expected ",
                                                named->told_by, " in the environment")};
    return named;
  }
  const LauncherRow* const here = launcher_here();
  return here != nullptr ? here : own;
}

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
  GOSSAMER_ASSIGN(const LauncherRow* const launcher, launcher_of(found));
  for (FoundSetting& each : found) {
    if (each.source != SettingSource::fallback) continue;
    const auto word = word_of(*launcher, each.row->name);
    if (!word) continue;
    each.value = word->value;
    each.source = SettingSource::launcher;
    each.origin = text("environment (", word->variables, ")");
  }
  return found;
}

}  // namespace gossamer::runtime
