// Where a session's settings come from: the call, then the environment, then a file, then defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

enum class ProgressMode : std::uint8_t { automatic = 0, inline_only = 1, thread = 2 };

// What the caller gave; nullopt where it left the choice to others.
struct SettingsRequest {
  std::optional<std::int64_t> rank;
  std::optional<std::int64_t> rank_count;
  std::optional<std::string> rendezvous;
  std::optional<std::string> bind_host;
  std::optional<std::string> transport;
  std::optional<std::string> job;
  std::optional<std::uint64_t> init_timeout_ns;
  std::optional<ProgressMode> progress;
  std::optional<std::int64_t> threads;
  std::optional<bool> pin_threads;
  std::optional<std::string> secret;
  std::optional<std::uint64_t> lease_ns;
};

struct Settings {
  Rank rank;
  std::uint32_t rank_count = 1;
  std::string rendezvous;
  std::string rendezvous_advice;   // what to do where its port is taken; empty: nothing special
  int rendezvous_descriptor = -1;  // GOSSAMER_RENDEZVOUS_FD, set by the launcher for rank 0
  std::string bind_host;
  std::string transport;           // "ucx" or "libfabric"
  std::string libfabric_provider;  // empty: the best that is found
  std::string job;
  std::uint64_t init_timeout_ns = 0;
  ProgressMode progress = ProgressMode::automatic;
  ThreadPoolConfig threads;
  std::string secret;          // where the session secret is, never what it is: control/secret/secret.h
  std::uint64_t lease_ns = 0;  // 0: none
  std::string cost;            // "auto", or a cost model: topology::parse_cost_model
};

// One setting for people: its value, and who said so.
struct SettingLine {
  std::string name;      // "rank_count"
  std::string variable;  // "GOSSAMER_RANK_COUNT"
  std::string value;
  std::string origin;  // "default", "environment", "file PATH", "api"
  std::string meaning;
};

// Errors name the setting, its value, where it came from and what was expected.
[[nodiscard]] Result<Settings> resolve_settings(const SettingsRequest& request);

// Every setting as a session started now without arguments would find it.
[[nodiscard]] Result<std::vector<SettingLine>> describe_settings();

// Variables named GOSSAMER_* in the environment that no setting reads: likely a misspelling.
[[nodiscard]] std::vector<std::string> unknown_variables();

}  // namespace gossamer::runtime
