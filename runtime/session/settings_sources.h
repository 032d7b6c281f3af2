// Who says what a setting is: the first of call, environment, file, launcher and default that says anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/session/settings_table.h"

namespace gossamer::runtime {

enum class SettingSource : std::uint8_t { call, environment, file, launcher, fallback };

struct FoundSetting {
  const SettingRow* row = nullptr;
  std::string value;
  SettingSource source = SettingSource::fallback;
  std::string origin;  // of SettingLine
};

// One for each row of the table, in its order. invalid_argument: a file that says something else, or a request for what
// is no setting; unavailable: a file that cannot be read.
[[nodiscard]] Result<std::vector<FoundSetting>> find_settings(const SettingsRequest& request);

}  // namespace gossamer::runtime
