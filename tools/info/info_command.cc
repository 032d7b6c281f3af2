#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "bindings/c/gossamer.h"
#include "runtime/runtime.h"
#include "sketch/sketch.h"
#include "tools/command/commands.h"
#include "tools/command/exit_codes.h"
#include "tools/command/log_level.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/info/host_checks.h"
#include "tools/info/memory_probe.h"
#include "tools/launch/launcher.h"
#include "tools/train/mlp_kernel.h"
#include "transport/transport.h"

namespace gossamer::tools {
namespace {

nlohmann::json limit_json(const char* name, int resource) {
  rlimit limit = {};
  nlohmann::json out = {{"name", name}, {"value", nullptr}, {"most", nullptr}};  // null: unlimited
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return out;
  if (limit.rlim_cur != RLIM_INFINITY) out["value"] = limit.rlim_cur;
  if (limit.rlim_max != RLIM_INFINITY) out["most"] = limit.rlim_max;
  return out;
}

nlohmann::json launchers_json(const std::vector<runtime::LauncherLine>& launchers) {
  nlohmann::json out = nlohmann::json::array();
  for (const runtime::LauncherLine& each : launchers)
    out.push_back({{"name", each.name},
                   {"who", each.who},
                   {"told_by", each.told_by},
                   {"secret", each.secret},
                   {"taken", each.is_taken},
                   {"why", each.why}});
  return out;
}

nlohmann::json shared_memory_json() {
  struct statvfs state = {};
  if (::statvfs("/dev/shm", &state) != 0) return {{"failure", text("/dev/shm: ", std::strerror(errno))}};
  return {{"path", "/dev/shm"},
          {"bytes", std::uint64_t{state.f_blocks} * state.f_frsize},
          {"free_bytes", std::uint64_t{state.f_bavail} * state.f_frsize}};
}

nlohmann::json probes_json(transport::Transport& transport) {
  nlohmann::json out = nlohmann::json::array();
  for (const MemoryProbe& probe : probe_memory(transport))
    out.push_back({{"memory", memory_kind_name(probe.kind)},
                   {"path", memory_path_name(probe.path)},
                   {"verified", probe.is_verified},
                   {"device", probe.device},
                   {"problem", probe.problem},
                   {"text", describe_probe(probe)}});
  return out;
}

nlohmann::json transport_json(const char* name, const Result<std::unique_ptr<transport::Transport>>& made, bool probe) {
  if (!made.ok()) return {{"name", name}, {"failure", made.error().message}};
  const transport::Capabilities& can = (*made)->capabilities();
  std::vector<std::string> kinds;
  for (const MemoryKind kind : can.memory_kinds) kinds.emplace_back(memory_kind_name(kind));
  nlohmann::json out = {{"name", can.name}, {"version", can.version},     {"ways", can.ways},
                        {"memory", kinds},  {"can_sleep", can.can_sleep}, {"can_map", can.can_map}};
  if (probe) out["probes"] = probes_json(**made);
  return out;
}

nlohmann::json transports_json(const std::vector<runtime::SettingLine>& settings, bool probe) {
  const std::string job = make_job_name();
  std::string provider;
  for (const runtime::SettingLine& each : settings) {
    if (each.name == "libfabric_provider") provider = each.value;
  }
  nlohmann::json out = {
      transport_json("ucx", transport::make_ucx_transport({job}), probe),
      transport_json("libfabric", transport::make_libfabric_transport({.job = job, .provider = provider}), probe)};
  out.at(1)["providers"] = transport::libfabric_providers();
  transport::sweep_shared_memory();
  return out;
}

// Whether ranks reach each other, tried where a launcher has started several of this command.
HostCheck check_network(const std::vector<runtime::SettingLine>& settings) {
  HostCheck check{"between ranks", Verdict::unknown, "this is one process alone",
                  "gossamer run --hosts a,b -- gossamer info --probe tries it: listeners, firewall, versions"};
  const auto count = std::find_if(settings.begin(), settings.end(),
                                  [](const runtime::SettingLine& each) { return each.name == "rank_count"; });
  if (count == settings.end() || count->value == "1") return check;
  check.fix.clear();
  auto joined = runtime::join_members({});
  if (!joined.ok()) {
    check.verdict = Verdict::fail;
    check.found = joined.error().message;
    return check;
  }
  // Between those that were tried; they are one version of Gossamer, or they had not joined.
  check.verdict = joined->library_difference.empty() ? Verdict::pass : Verdict::warn;
  check.found = joined->library_difference.empty()
                    ? text(count->value, " ranks of one version joined, and messages came through")
                    : text(count->value, " ranks joined, and messages came through, but ", joined->library_difference);
  if (!runtime::leave_members(*joined)) return check;
  joined->transport.reset();
  transport::sweep_shared_memory();
  return check;
}

nlohmann::json checks_json(const std::vector<runtime::SettingLine>& settings) {
  auto checks = check_host(host_facts());
  checks.push_back(check_network(settings));
  nlohmann::json out = nlohmann::json::array();
  for (const HostCheck& each : checks)
    out.push_back(
        {{"name", each.name}, {"verdict", verdict_name(each.verdict)}, {"found", each.found}, {"fix", each.fix}});
  return out;
}

Result<nlohmann::json> info_document(bool probe) {
  const auto settings = runtime::describe_settings();
  if (!settings.ok()) return Error(settings.error());
  const auto launchers = runtime::describe_launchers();
  if (!launchers.ok()) return Error(launchers.error());
  nlohmann::json lines = nlohmann::json::array();
  for (const runtime::SettingLine& each : *settings) {
    lines.push_back({{"name", each.name},
                     {"variable", each.variable},
                     {"value", each.value},
                     {"origin", each.origin},
                     {"meaning", each.meaning}});
  }
  nlohmann::json out = {
      {"schema", "gossamer.info/1"},
      {"environment", machine_json()},
      {"versions", {{"gossamer", gossamer_version()}, {"wire", runtime::wire_version}, {"hash", sketch::hash_version}}},
      {"transports", transports_json(*settings, probe)},
      {"simd",
       {{"used", sketch::simd_target()},
        {"compiled", sketch::simd_targets_compiled()},
        {"training", mlp_kernel().target}}},
      {"shared_memory", shared_memory_json()},
      {"limits", {limit_json("RLIMIT_MEMLOCK", RLIMIT_MEMLOCK), limit_json("RLIMIT_NOFILE", RLIMIT_NOFILE)}},
      {"launchers", launchers_json(*launchers)},
      {"settings", lines},
      {"unknown_variables", runtime::unknown_variables()}};
  if (probe) out["checks"] = checks_json(*settings);
  return out;
}

// A kind without a device has not failed.
bool has_failed_probe(const nlohmann::json& document) {
  for (const nlohmann::json& each : document.at("transports"))
    for (const nlohmann::json& probe : each.value("probes", nlohmann::json::array()))
      if (probe.at("path") != memory_path_name(MemoryPath::none) && !probe.at("verified").get<bool>()) return true;
  for (const nlohmann::json& check : document.value("checks", nlohmann::json::array()))
    if (check.at("verdict") == verdict_name(Verdict::fail)) return true;
  return false;
}

std::string words(const nlohmann::json& list) {
  std::string out;
  for (const nlohmann::json& each : list) out += (out.empty() ? "" : " ") + each.get<std::string>();
  return out.empty() ? "none" : out;
}

std::string limit_text(const nlohmann::json& limit, bool bytes) {
  if (!limit.at("value").is_number()) return "unlimited";
  const auto value = limit.at("value").get<std::uint64_t>();
  return bytes ? format_bytes(value) : std::to_string(value);
}

std::string info_text(const nlohmann::json& document) {
  const nlohmann::json& machine = document.at("environment");
  const nlohmann::json& memory = document.at("shared_memory");
  std::vector<std::vector<std::string>> rows;
  const auto add = [&rows](std::string name, std::string value) {
    rows.push_back({std::move(name), std::move(value)});
  };
  add("gossamer", document.at("versions").at("gossamer").get<std::string>());
  add("wire version", std::to_string(document.at("versions").at("wire").get<int>()));
  add("hash version", std::to_string(document.at("versions").at("hash").get<int>()));
  for (const nlohmann::json& each : document.at("transports")) {
    add("transport " + each.at("name").get<std::string>(),
        each.contains("failure") ? "not available: " + each.at("failure").get<std::string>()
                                 : text(each.at("version").get<std::string>(), ", by ", words(each.at("ways")),
                                        ", memory ", words(each.at("memory"))));
    if (each.contains("providers")) add("libfabric providers", words(each.at("providers")));
    for (const nlohmann::json& probe : each.value("probes", nlohmann::json::array()))
      add("  memory " + probe.at("memory").get<std::string>(), probe.at("text").get<std::string>());
  }
  add("SIMD",
      text(document.at("simd").at("used").get<std::string>(), " of ", words(document.at("simd").at("compiled"))));
  add("processor", text(machine.at("cpu").get<std::string>(), ", ", machine.at("cores").get<unsigned>(), " cores"));
  add("system", machine.at("kernel").get<std::string>());
  add("/dev/shm", memory.contains("failure")
                      ? memory.at("failure").get<std::string>()
                      : text(format_bytes(memory.at("bytes").get<std::uint64_t>()), ", ",
                             format_bytes(memory.at("free_bytes").get<std::uint64_t>()), " free"));
  add("locked memory", limit_text(document.at("limits").at(0), true));
  add("open files", limit_text(document.at("limits").at(1), false));
  std::vector<std::vector<std::string>> launchers = {{"launcher", "", "told by", "secret from", "here"}};
  for (const nlohmann::json& each : document.at("launchers"))
    launchers.push_back({each.at("name"), each.at("taken").get<bool>() ? "*" : "", each.at("told_by"),
                         each.at("secret"), each.at("why")});
  std::vector<std::vector<std::string>> settings = {{"setting", "variable", "value", "from", "meaning"}};
  for (const nlohmann::json& each : document.at("settings")) {
    settings.push_back({each.at("name"), each.at("variable"), each.at("value"), each.at("origin"), each.at("meaning")});
  }
  std::vector<std::vector<std::string>> checks;
  for (const nlohmann::json& each : document.value("checks", nlohmann::json::array())) {
    const std::string fix = each.at("fix");
    checks.push_back(
        {each.at("verdict"), each.at("name"), each.at("found").get<std::string>() + (fix.empty() ? "" : ": " + fix)});
  }
  return format_columns(rows) + "\n" + (checks.empty() ? "" : format_columns(checks) + "\n") +
         format_columns(launchers) + "\n" + format_columns(settings);
}

}  // namespace

Action add_info_command(CLI::App& app) {
  auto as_json = std::make_shared<bool>(false);
  auto probe = std::make_shared<bool>(false);
  app.add_flag("--json", *as_json, "print JSON instead of text");
  app.add_flag(
      "--probe", *probe,
      "examine this host, and send memory of each kind over each transport; under a launcher also between ranks");
  return [as_json, probe] {
    const Result<LogLevel> level = log_level();
    if (!level.ok()) return complain("info", level.error().message, exit_usage);
    set_log_sink(*level, [](LogLevel, std::string_view line) { complain("info", std::string(line), 0); });
    const Result<nlohmann::json> document = info_document(*probe);
    if (!document.ok()) return complain("info", document.error().message, exit_failure);
    for (const nlohmann::json& each : document->at("unknown_variables")) {
      complain("info", text("warning: ", each.get<std::string>(), " is set and means nothing to this version"), 0);
    }
    const Status written = write_whole("-", *as_json ? json_text(*document) : info_text(*document));
    if (!written.ok()) return complain("info", written.error().message, exit_failure);
    return has_failed_probe(*document) ? complain("info", "a probe failed: see its line", exit_failure) : exit_success;
  };
}

}  // namespace gossamer::tools
