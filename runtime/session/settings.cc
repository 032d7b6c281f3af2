#include "runtime/session/settings.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "runtime/session/launchers.h"
#include "runtime/session/settings_file.h"
#include "runtime/session/settings_sources.h"
#include "runtime/session/settings_table.h"

extern char** environ;

namespace gossamer::runtime {

namespace {

// Of no session: where the settings are, and what the gossamer command logs.
constexpr std::array<std::string_view, 2> other_variables = {settings_file_variable, "GOSSAMER_LOG"};

const FoundSetting& setting_named(const std::vector<FoundSetting>& found, std::string_view name) {
  const auto one =
      std::find_if(found.begin(), found.end(), [&](const FoundSetting& each) { return each.row->name == name; });
  GOSSAMER_CHECK(one != found.end(), "no such setting");
  return *one;
}

// A launcher's processes must not each become a session of their own because nobody told them apart.
Status check_launcher(const FoundSetting& rank, const FoundSetting& rank_count) {
  const bool counted = rank_count.source != SettingSource::fallback;
  if (counted && (rank_count.value == "1" || rank.source != SettingSource::fallback)) return {};
  const auto launched = launched_process();
  if (!launched) return {};
  return Error{Code::invalid_argument, text(launched->says, ", and nothing says ",
                                            counted ? "which rank this process is" : "that they are one session",
                                            ": start them with ", launched->remedy,
                                            ", or set rank and rank_count in gossamer_config; "
                                            "GOSSAMER_RANK_COUNT=1 says that sessions of one rank are meant")};
}

std::string rendezvous_advice(const FoundSetting& rendezvous) {
  if (rendezvous.source == SettingSource::launcher)
    return "it is the one beside MASTER_PORT, which torchrun itself holds: choose another --master-port, not an "
           "adjacent one, or set GOSSAMER_RENDEZVOUS";
  if (rendezvous.source == SettingSource::fallback)
    return "it is the default port: jobs that start at once on one host need a GOSSAMER_RENDEZVOUS each";
  return {};
}

}  // namespace

std::string seconds_text(std::int64_t nanoseconds) {
  constexpr std::uint64_t second = 1'000'000'000;
  const auto bits = static_cast<std::uint64_t>(nanoseconds);
  const std::uint64_t magnitude = nanoseconds < 0 ? 0 - bits : bits;
  const std::string fraction = text(second + magnitude % second).substr(1);  // nine digits
  return text(nanoseconds < 0 ? "-" : "", magnitude / second, ".", fraction);
}

Result<Settings> resolve_settings(const SettingsRequest& request) {
  GOSSAMER_ASSIGN(const auto found, find_settings(request));
  GOSSAMER_TRY(check_launcher(setting_named(found, "rank"), setting_named(found, "rank_count")));
  Settings settings;
  for (const FoundSetting& each : found) {
    const auto expected = each.row->read(each.value, settings);
    if (!expected) continue;
    return Error{Code::invalid_argument, each.row->is_private ? *expected
                                                              : text(each.row->name, " is \"", each.value, "\" (from ",
                                                                     each.origin, "), expected ", *expected)};
  }
  if (!settings.interface.empty() && setting_named(found, "bind_host").source == SettingSource::fallback)
    settings.bind_host.clear();
  settings.rendezvous_advice = rendezvous_advice(setting_named(found, "rendezvous"));
  return settings;
}

Result<std::vector<SettingLine>> describe_settings() {
  GOSSAMER_ASSIGN(const auto found, find_settings({}));
  std::vector<SettingLine> lines;
  for (const FoundSetting& each : found) {
    const SettingRow& row = *each.row;
    SettingLine line{std::string(row.name), row.variable, each.value, each.origin, std::string(row.meaning)};
    if (Settings unused; row.is_private && row.read(each.value, unused))
      line.value = "(not shown: it is not what is expected)";
    if (row.is_private && line.value.empty()) line.value = "(not set)";
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> unknown_variables() {
  std::vector<std::string> unknown;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const std::string_view name = line.substr(0, line.find('='));
    if (!name.starts_with("GOSSAMER_") || is_setting_variable(name)) continue;
    if (std::find(other_variables.begin(), other_variables.end(), name) == other_variables.end())
      unknown.emplace_back(name);
  }
  std::sort(unknown.begin(), unknown.end());
  return unknown;
}

}  // namespace gossamer::runtime
