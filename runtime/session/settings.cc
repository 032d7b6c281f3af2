#include "runtime/session/settings.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "runtime/bootstrap/catalogue.h"
#include "runtime/bootstrap/torchrun.h"
#include "runtime/session/launchers.h"
#include "runtime/session/settings_file.h"
#include "runtime/session/settings_sources.h"
#include "runtime/session/settings_table.h"

extern char** environ;

namespace gossamer::runtime {

namespace {

// Of no session: where the settings are, and what the gossamer command logs.
constexpr std::array<std::string_view, 3> other_variables = {settings_file_variable, "GOSSAMER_LOG",
                                                             "GOSSAMER_LIBRARY"};  // where Python finds us

// A launcher's processes must not each become a session of their own because nobody told them apart: those of a
// launcher that nobody here can ask.
Status check_launcher(const std::vector<FoundSetting>& found, const LauncherRow& launcher) {
  const bool counted = is_said(found, "rank_count");
  if (launcher.name != "tcp" && launcher.name != "folder") return {};
  if (counted && (find_found(found, "rank_count")->value == "1" || is_said(found, "rank"))) return {};
  const auto launched = launched_process();
  if (!launched) return {};
  return Error{Code::invalid_argument, text(launched->says, ", and nothing says ",
                                            counted ? "which rank this process is" : "that they are one session",
                                            ": start them with ", launched->remedy,
                                            ", or set rank and rank_count in gossamer_config; "
                                            "GOSSAMER_RANK_COUNT=1 says that sessions of one rank are meant")};
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
  GOSSAMER_ASSIGN(const LauncherRow* const launcher, launcher_of(found));
  GOSSAMER_TRY(check_launcher(found, *launcher));
  Settings settings;
  settings.launched_by = launcher;
  for (const auto& [name, said] :
       {std::pair{"rank", &settings.said.rank}, std::pair{"rank_count", &settings.said.rank_count},
        std::pair{"rendezvous", &settings.said.rendezvous}, std::pair{"bind_host", &settings.said.bind_host},
        std::pair{"secret", &settings.said.secret}, std::pair{"job", &settings.said.job}})
    *said = is_said(found, name);
  for (const FoundSetting& each : found) {
    const auto expected = each.row->read(each.value, settings);
    if (!expected) continue;
    return Error{Code::invalid_argument, each.row->is_private ? *expected
                                                              : text(each.row->name, " is \"", each.value, "\" (from ",
                                                                     each.origin, "), expected ", *expected)};
  }
  if (!settings.interface.empty() && !is_said(found, "bind_host")) settings.bind_host.clear();
  const SettingSource rendezvous = find_found(found, "rendezvous")->source;
  if (rendezvous == SettingSource::launcher) settings.rendezvous_advice = torchrun_advice;
  if (rendezvous == SettingSource::fallback)
    settings.rendezvous_advice =
        "it is the default port: jobs that start at once on one host need a GOSSAMER_RENDEZVOUS each";
  return settings;
}

Result<std::vector<LauncherLine>> describe_launchers() {
  GOSSAMER_ASSIGN(const auto found, find_settings({}));
  GOSSAMER_ASSIGN(const LauncherRow* const taken, launcher_of(found));
  const bool is_own = taken->place == nullptr;
  std::vector<LauncherLine> lines;
  for (const LauncherRow& row : all_launchers()) {
    LauncherLine line{std::string(row.name),   std::string(row.who), std::string(row.told_by),
                      std::string(row.secret), &row == taken,        {}};
    const auto signs = row.signs();
    if (line.is_taken && !is_own) {
      line.why = *signs;
    } else if (line.is_taken) {
      line.why = row.name == "folder"           ? "GOSSAMER_FOLDER is set"
                 : is_said(found, "rank_count") ? "the settings say rank and rank count"
                                                : "nothing else was found";
    } else if (signs) {
      line.why = is_own ? text(*signs, ", and the settings say rank and rank count, or it started one process")
                        : text(*signs, ", and an earlier way is taken");
    } else {
      line.why = row.name == "caller" ? "the call says it" : "not here";
    }
    lines.push_back(std::move(line));
  }
  return lines;
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
