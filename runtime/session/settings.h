// Where a session's settings come from: the call, then the environment, then a file, then launchers, then defaults.
// A setting is a field of Settings and a row of settings_table.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/choice.h"

namespace gossamer::runtime {

// X(name, NAME, number, words): GOSSAMER_PROGRESS_<NAME> of gossamer.h, and as people write it.
#define GOSSAMER_PROGRESS_TABLE(X)    \
  X(automatic, AUTO, 0, "auto")       \
  X(inline_only, INLINE, 1, "inline") \
  X(thread, THREAD, 2, "thread")

#define GOSSAMER_PROGRESS_ENUM(name, NAME, number, words) name = number,
enum class ProgressMode : std::uint8_t { GOSSAMER_PROGRESS_TABLE(GOSSAMER_PROGRESS_ENUM) };
#undef GOSSAMER_PROGRESS_ENUM
#define GOSSAMER_PROGRESS_CHOICE(name, NAME, number, words) {words, number},
inline constexpr Choice progress_choices[] = {GOSSAMER_PROGRESS_TABLE(GOSSAMER_PROGRESS_CHOICE)};
#undef GOSSAMER_PROGRESS_CHOICE

struct LauncherRow;  // bootstrap/catalogue.h

struct Settings {
  Rank rank;
  std::uint32_t rank_count = 1;
  std::string rendezvous;
  std::string rendezvous_advice;   // what to do where its port is taken; empty: nothing special
  int rendezvous_descriptor = -1;  // of rank 0, from the launcher
  std::string bind_host;           // empty: the address of `interface`
  std::string interface;           // as choose_interfaces of control/joining/interfaces.h takes it; empty: none chosen
  std::string transport;           // "ucx" or "libfabric"
  std::string libfabric_provider;  // empty: the best that is found
  std::string job;
  std::uint64_t init_timeout_ns = 0;
  ProgressMode progress = ProgressMode::automatic;
  ThreadPoolConfig threads;
  std::string secret;          // where the session secret is, never what it is: control/secret/secret.h
  std::uint64_t lease_ns = 0;  // 0: none
  std::string cost;            // as parse_cost_setting of link_cost.h takes it
  std::string schedule;        // as topology::parse_schedule_rules takes it; empty: no rules
  std::string topology;        // path of a file that topology::parse_topology_file takes; empty: none
  std::string host;            // this host's name; empty: found out
  std::string rank_hosts;      // as control/joining/rank_hosts.h has it; empty: not told
  std::string trace;           // path_of_rank(); empty: none
  std::string metrics;         // the same
  std::string launcher;        // name of a LauncherRow, or "auto"
  std::string folder;          // where ranks meet by files; empty: none

  // Which of these the call, the environment or the file says: no launcher is asked for them.
  struct Said {
    bool rank = false;
    bool rank_count = false;
    bool rendezvous = false;
    bool bind_host = false;
    bool secret = false;
    bool job = false;
  } said;
  const LauncherRow* launched_by = nullptr;  // whom to ask for the rest
};

// What the caller gave, by the setting's name, as text like that of a variable; the rest is looked for elsewhere.
struct GivenSetting {
  std::string name;  // "rank_count"
  std::string value;
};
using SettingsRequest = std::vector<GivenSetting>;

// For settings in seconds: 1500000000 becomes "1.500000000", which is read as the same number of nanoseconds.
[[nodiscard]] std::string seconds_text(std::int64_t nanoseconds);

// One setting for people: its value, and who said so.
struct SettingLine {
  std::string name;      // "rank_count"
  std::string variable;  // "GOSSAMER_RANK_COUNT"
  std::string value;
  std::string origin;  // "default", "environment", "file PATH", "environment (RANK)" of a launcher, "api"
  std::string meaning;
};

// Errors name the setting, its value, where it came from and what was expected.
[[nodiscard]] Result<Settings> resolve_settings(const SettingsRequest& request);

// One way in which ranks find each other, for people.
struct LauncherLine {
  std::string name;     // "pmix"
  std::string who;      // whose processes it is for
  std::string told_by;  // what shows it
  std::string secret;   // where the secret comes from
  bool is_taken = false;
  std::string why;  // why it is taken, or why not
};

// All of them in the order in which they are asked, as a session started now without arguments would.
[[nodiscard]] Result<std::vector<LauncherLine>> describe_launchers();

// Every setting as a session started now without arguments would find it.
[[nodiscard]] Result<std::vector<SettingLine>> describe_settings();

// Variables named GOSSAMER_* in the environment that no setting reads: likely a misspelling.
[[nodiscard]] std::vector<std::string> unknown_variables();

}  // namespace gossamer::runtime
