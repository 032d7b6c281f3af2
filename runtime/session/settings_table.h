// The one list of settings. A new one is a field of Settings and a row here: the environment, the configuration file,
// the call, `gossamer info` and the search for misspelt variables ask the table.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/session/launchers.h"
#include "runtime/session/settings.h"

namespace gossamer::runtime {

struct SettingRow {
  std::string_view name;  // "rank_count", also of the call's fields
  const char* variable;   // "GOSSAMER_RANK_COUNT", also in the file
  std::string_view fallback;
  std::string_view meaning;
  // Takes the text into its field; else what was expected instead. Rows above have been read.
  std::optional<std::string> (*read)(std::string_view value, Settings& settings);
  // What a launcher says, where call, variable and file do not; null: launchers have no word for it.
  std::optional<LaunchersWord> (*launchers_word)() = nullptr;
  bool is_private = false;  // a wrong value is repeated nowhere, and what `read` says is the whole message
};

// In the order in which they are shown.
[[nodiscard]] std::span<const SettingRow> all_settings();
// Null where there is none of this name.
[[nodiscard]] const SettingRow* find_setting(std::string_view name);
[[nodiscard]] bool is_setting_variable(std::string_view variable);

}  // namespace gossamer::runtime
