// Who says what a setting is: the first of call, environment, file, launcher and default that says anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/bootstrap/catalogue.h"
#include "runtime/session/settings_table.h"

namespace gossamer::runtime {

enum class SettingSource : std::uint8_t { call, environment, file, launcher, fallback };

struct FoundSetting {
  const SettingRow* row = nullptr;
  std::string value;
  SettingSource source = SettingSource::fallback;
  std::string origin;  // of SettingLine
};

// Whom to ask for what the user's own words do not say: the row of GOSSAMER_LAUNCHER; where rank and rank count are
// said, or a count of 1, none but a folder; else the launcher that shows itself. invalid_argument: no such row.
[[nodiscard]] Result<const LauncherRow*> launcher_of(const std::vector<FoundSetting>& found);

// Null where there is none of this name.
[[nodiscard]] const FoundSetting* find_found(const std::vector<FoundSetting>& found, std::string_view name);
// By the call, the environment or the file.
[[nodiscard]] bool is_said(const std::vector<FoundSetting>& found, std::string_view name);

// One for each row of the table, in its order. invalid_argument: a file that says something else, or a request for what
// is no setting; unavailable: a file that cannot be read.
[[nodiscard]] Result<std::vector<FoundSetting>> find_settings(const SettingsRequest& request);

}  // namespace gossamer::runtime
