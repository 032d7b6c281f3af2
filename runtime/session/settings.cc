#include "runtime/session/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string_view>
#include <thread>

#include "runtime/control/mesh.h"
#include "runtime/control/secret/secret.h"
#include "runtime/session/launchers.h"
#include "topology/topology.h"

extern char** environ;

namespace gossamer::runtime {

namespace {

struct SettingDefinition {
  const char* name;
  const char* variable;
  const char* alternative;  // a variable of torchrun's that means the same, or null
  const char* fallback;
  const char* meaning;
};

enum Index : std::size_t {
  rank,
  rank_count,
  rendezvous,
  rendezvous_fd,
  bind_host,
  transport,
  libfabric_provider,
  job,
  init_timeout,
  progress,
  threads,
  pin_threads,
  secret,
  lease,
  cost
};

constexpr std::array<SettingDefinition, 15> definitions = {{
    {"rank", "GOSSAMER_RANK", "RANK", "0", "this process's rank, 0 to rank_count - 1"},
    {"rank_count", "GOSSAMER_RANK_COUNT", "WORLD_SIZE", "1", "how many ranks the session has"},
    {"rendezvous", "GOSSAMER_RENDEZVOUS", nullptr, "127.0.0.1:29400", "host:port where rank 0 listens"},
    {"rendezvous_fd", "GOSSAMER_RENDEZVOUS_FD", nullptr, "-1",
     "rank 0: a socket that listens already, from the launcher"},
    {"bind_host", "GOSSAMER_BIND_HOST", nullptr, "127.0.0.1", "address that listeners bind to"},
    {"transport", "GOSSAMER_TRANSPORT", nullptr, "ucx", "what moves the data: ucx, libfabric"},
    {"libfabric_provider", "GOSSAMER_LIBFABRIC_PROVIDER", nullptr, "",
     "libfabric's provider, as it names it (tcp;ofi_rxm, verbs;ofi_rxm, shm); empty: the best"},
    {"job", "GOSSAMER_JOB", nullptr, unnamed_job, "names this job: its ranks and its shared-memory files"},
    {"init_timeout", "GOSSAMER_INIT_TIMEOUT_S", nullptr, "30", "seconds that init waits for all ranks"},
    {"progress", "GOSSAMER_PROGRESS", nullptr, "auto", "who moves data on: auto, inline, thread"},
    {"threads", "GOSSAMER_THREADS", nullptr, "1",
     "threads that sketch and select, the caller's included; 0: every core"},
    {"pin_threads", "GOSSAMER_PIN_THREADS", nullptr, "no", "yes: bind each thread but the caller's to a core"},
    {"secret", "GOSSAMER_SECRET", nullptr, "",
     "where the session secret is: file:PATH, fd:N; none: no secret, anywhere"},
    {"lease", "GOSSAMER_LEASE_S", nullptr, "5", "seconds of silence after which a rank is given up; 0: never"},
    {"cost", "GOSSAMER_COST", nullptr, "auto",
     "what schedules are chosen by: auto, shared-memory, rdma, tcp-10g, tcp-1g, or MICROSECONDS,NS_PER_BYTE"},
}};

constexpr const char* config_variable = "GOSSAMER_CONFIG";
// Read by the gossamer command, not by the library.
constexpr std::array other_variables = {config_variable, "GOSSAMER_LOG"};

struct Found {
  std::string value;
  std::string origin;
};

std::string trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

// What stands behind the = of a line: up to a # after a blank, or what a pair of quotes holds.
Result<std::string> read_value(std::string_view words) {
  const std::string value = trim(words);
  if (value.empty()) return value;
  if (value[0] == '"' || value[0] == '\'') {
    const auto end = value.find(value[0], 1);
    if (end == std::string::npos) return Error{Code::invalid_argument, "a quote that is not closed"};
    const std::string rest = trim(std::string_view(value).substr(end + 1));
    if (!rest.empty() && rest[0] != '#') return Error{Code::invalid_argument, "words behind the closing quote"};
    return value.substr(1, end - 1);
  }
  for (std::size_t at = 0; at < value.size(); ++at) {
    if (value[at] == '#' && (at == 0 || value[at - 1] == ' ' || value[at - 1] == '\t'))
      return trim(std::string_view(value).substr(0, at));
  }
  return value;
}

// Lines of NAME = value; # begins a comment, at the start of a line or after a blank. Names as in the environment.
Result<std::map<std::string, std::string>> read_config_file(const std::string& path) {
  const auto unreadable = [&](std::string_view why) {
    return Error{Code::unavailable, text(config_variable, " names ", path, ", which cannot be read: ", why)};
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return unreadable("it is a folder; expected a file");
  std::ifstream file(path);
  if (!file) return unreadable(std::strerror(errno));
  std::map<std::string, std::string> values;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::string_view words = line;
    if (constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF"; number == 1 && words.starts_with(byte_order_mark))
      words.remove_prefix(byte_order_mark.size());
    const std::string whole = trim(words);
    if (whole.empty() || whole[0] == '#') continue;
    const auto equals = whole.find('=');
    const std::string name = trim(std::string_view(whole).substr(0, equals));
    const bool known = std::any_of(definitions.begin(), definitions.end(),
                                   [&](const SettingDefinition& definition) { return name == definition.variable; });
    if (equals == std::string::npos || !known)
      return Error{Code::invalid_argument,
                   text(path, ":", number, ": \"", whole,
                        "\" is no setting, expected NAME = value with a name that `gossamer info` lists")};
    // The value is not repeated: it may be a secret in the wrong place.
    auto value = read_value(std::string_view(whole).substr(equals + 1));
    if (!value.ok())
      return Error{Code::invalid_argument, text(path, ":", number, ": the value of ", name, " has ",
                                                value.error().message, ", expected NAME = value or NAME = \"value\"")};
    values[name] = *std::move(value);
  }
  if (file.bad()) return unreadable(std::strerror(errno));
  return values;
}

constexpr const char* default_origin = "default";
constexpr const char* master_origin = "environment (MASTER_ADDR, MASTER_PORT + 1)";

// The port above MASTER_PORT, or below where there is none: at MASTER_PORT itself torchrun's agent listens, or rank 0's
// store of torch.distributed. What is no port stays, to be refused where it is read.
std::string beside_master(std::string_view host, std::string_view port) {
  std::uint16_t number = 0;
  const auto [at, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool bare_v6 = host.find(':') != std::string_view::npos && !host.starts_with('[');
  const std::string where = bare_v6 ? text("[", host, "]:") : text(host, ":");
  if (error != std::errc{} || at != port.data() + port.size() || number == 0) return text(where, port);
  return text(where, number == 65535 ? number - 1 : number + 1);
}

using FoundSettings = std::array<Found, definitions.size()>;

Result<FoundSettings> find_settings() {
  std::map<std::string, std::string> from_file;
  const char* path = std::getenv(config_variable);
  if (path != nullptr && *path != '\0') {
    auto values = read_config_file(path);
    GOSSAMER_TRY(values);
    from_file = std::move(*values);
  }
  FoundSettings found;
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    const SettingDefinition& definition = definitions[i];
    const char* value = std::getenv(definition.variable);
    const char* alternative = definition.alternative != nullptr ? std::getenv(definition.alternative) : nullptr;
    if (value != nullptr && *value != '\0')
      found[i] = {value, "environment"};
    else if (const auto entry = from_file.find(definition.variable); entry != from_file.end())
      found[i] = {entry->second, text("file ", path)};
    else if (alternative != nullptr && *alternative != '\0')
      found[i] = {alternative, text("environment (", definition.alternative, ")")};
    else
      found[i] = {definition.fallback, default_origin};
  }
  const char* host = std::getenv("MASTER_ADDR");
  const char* port = std::getenv("MASTER_PORT");
  if (found[rendezvous].origin == default_origin && host != nullptr && port != nullptr)
    found[rendezvous] = {beside_master(host, port), master_origin};
  if (found[job].origin == default_origin) {
    if (auto named = scheduler_job())
      found[job] = {std::move(named->name), text("environment (", named->variables, ")")};
  }
  return found;
}

Error wrong(Index index, const Found& found, std::string_view expected) {
  return Error{Code::invalid_argument, text(definitions[index].name, " is \"", found.value, "\" (from ", found.origin,
                                            "), expected ", expected)};
}

Result<std::int64_t> read_number(Index index, const Found& found, std::int64_t least, std::int64_t most,
                                 std::string_view expected) {
  std::int64_t number = 0;
  const char* end = found.value.data() + found.value.size();
  const auto [at, error] = std::from_chars(found.value.data(), end, number);
  if (error != std::errc{} || at != end || number < least || number > most) return wrong(index, found, expected);
  return number;
}

// As the digits say in every locale.
std::optional<double> read_decimal(const std::string& words) {
  double value = 0;
  const char* end = words.data() + words.size();
  const auto [at, error] = std::from_chars(words.data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

Result<std::uint64_t> read_seconds(Index index, const Found& found) {
  const auto seconds = read_decimal(found.value);
  if (!seconds || !(*seconds >= 1e-9) || *seconds > 86'400.0)  // nanoseconds are counted: less would be no time at all
    return wrong(index, found, "a number of seconds from just above 0 to 86400");
  return static_cast<std::uint64_t>(*seconds * 1e9);
}

Result<std::uint64_t> read_lease(const Found& found) {
  const auto seconds = read_decimal(found.value);
  if (!seconds || !(*seconds == 0 || (*seconds >= 0.1 && *seconds <= 86'400.0)))
    return wrong(lease, found, "a number of seconds from 0.1 to 86400, or 0 for none");
  return static_cast<std::uint64_t>(*seconds * 1e9);
}

Result<ProgressMode> read_progress(const Found& found) {
  if (found.value == "auto") return ProgressMode::automatic;
  if (found.value == "inline") return ProgressMode::inline_only;
  if (found.value == "thread") return ProgressMode::thread;
  return wrong(progress, found, "auto, inline or thread");
}

Result<ThreadPoolConfig> read_threads(const Found& count, const Found& pin) {
  const auto number = read_number(threads, count, 0, 256, "a number of threads from 1 to 256, or 0 for every core");
  GOSSAMER_TRY(number);
  if (pin.value != "yes" && pin.value != "no") return wrong(pin_threads, pin, "yes or no");
  const std::uint32_t cores = std::min(256u, std::max(1u, std::thread::hardware_concurrency()));
  return ThreadPoolConfig{*number == 0 ? cores : static_cast<std::uint32_t>(*number), pin.value == "yes"};
}

// A launcher's processes must not each become a session of their own because nobody told them apart.
Status check_launcher(const FoundSettings& found) {
  const bool counted = found[rank_count].origin != default_origin;
  if (counted && (found[rank_count].value == "1" || found[rank].origin != default_origin)) return {};
  const auto launched = launched_process();
  if (!launched) return {};
  return Error{Code::invalid_argument, text(launched->says, ", and nothing says ",
                                            counted ? "which rank this process is" : "that they are one session",
                                            ": start them with ", launched->remedy,
                                            ", or set rank and rank_count in gossamer_config; "
                                            "GOSSAMER_RANK_COUNT=1 says that sessions of one rank are meant")};
}

std::string rendezvous_advice(const Found& found) {
  if (found.origin == master_origin)
    return "it is the one beside MASTER_PORT, which torchrun itself holds: choose another --master-port, not an "
           "adjacent "
           "one, or set GOSSAMER_RENDEZVOUS";
  if (found.origin == default_origin)
    return "it is the default port: jobs that start at once on one host need a GOSSAMER_RENDEZVOUS each";
  return {};
}

void override_with(const SettingsRequest& request, FoundSettings& found) {
  const auto set = [&](Index index, const auto& value) {
    if (value) found[index] = {text(*value), "api"};
  };
  set(rank, request.rank);
  set(rank_count, request.rank_count);
  set(rendezvous, request.rendezvous);
  set(bind_host, request.bind_host);
  set(transport, request.transport);
  set(job, request.job);
  set(threads, request.threads);
  set(secret, request.secret);
  if (request.pin_threads) found[pin_threads] = {*request.pin_threads ? "yes" : "no", "api"};
}

}  // namespace

Result<Settings> resolve_settings(const SettingsRequest& request) {
  auto found = find_settings();
  GOSSAMER_TRY(found);
  override_with(request, *found);
  GOSSAMER_TRY(check_launcher(*found));

  Settings settings;
  const auto count = read_number(rank_count, (*found)[rank_count], 1, 4096, "a number of ranks from 1 to 4096");
  GOSSAMER_TRY(count);
  settings.rank_count = static_cast<std::uint32_t>(*count);
  const auto own = read_number(rank, (*found)[rank], 0, *count - 1,
                               text("a rank from 0 to ", *count - 1, ", since rank_count is ", *count));
  GOSSAMER_TRY(own);
  settings.rank = Rank{static_cast<std::uint32_t>(*own)};
  const auto descriptor = read_number(rendezvous_fd, (*found)[rendezvous_fd], -1, 1 << 20, "a file descriptor, or -1");
  GOSSAMER_TRY(descriptor);
  if (settings.rank.value == 0) settings.rendezvous_descriptor = static_cast<int>(*descriptor);
  settings.rendezvous = (*found)[rendezvous].value;
  settings.rendezvous_advice = rendezvous_advice((*found)[rendezvous]);
  settings.bind_host = (*found)[bind_host].value;
  settings.transport = (*found)[transport].value;
  settings.libfabric_provider = (*found)[libfabric_provider].value;
  settings.job = (*found)[job].value;
  if (request.init_timeout_ns) {
    settings.init_timeout_ns = *request.init_timeout_ns;
  } else {
    const auto timeout = read_seconds(init_timeout, (*found)[init_timeout]);
    GOSSAMER_TRY(timeout);
    settings.init_timeout_ns = *timeout;
  }
  if (request.progress) {
    settings.progress = *request.progress;
  } else {
    const auto mode = read_progress((*found)[progress]);
    GOSSAMER_TRY(mode);
    settings.progress = *mode;
  }
  const auto pool = read_threads((*found)[threads], (*found)[pin_threads]);
  GOSSAMER_TRY(pool);
  settings.threads = *pool;
  GOSSAMER_TRY(check_secret_source((*found)[secret].value));
  settings.secret = (*found)[secret].value;
  if (request.lease_ns) {
    settings.lease_ns = *request.lease_ns;
  } else {
    const auto duration = read_lease((*found)[lease]);
    GOSSAMER_TRY(duration);
    settings.lease_ns = *duration;
  }
  settings.cost = (*found)[cost].value;
  if (settings.cost != "auto" && !topology::parse_cost_model(settings.cost).ok())
    return wrong(
        cost, (*found)[cost],
        "auto, shared-memory, rdma, tcp-10g, tcp-1g, or microseconds for a message and nanoseconds for a byte, "
        "as in 25,10");
  return settings;
}

Result<std::vector<SettingLine>> describe_settings() {
  const auto found = find_settings();
  GOSSAMER_TRY(found);
  std::vector<SettingLine> lines;
  for (std::size_t i = 0; i < definitions.size(); ++i)
    lines.push_back(
        {definitions[i].name, definitions[i].variable, (*found)[i].value, (*found)[i].origin, definitions[i].meaning});
  // A secret in the place of its source is not shown.
  SettingLine& source = lines[secret];
  if (!check_secret_source(source.value).ok()) source.value = "(not shown: expected file:PATH, fd:N or none)";
  if (source.value.empty()) source.value = "(not set)";
  return lines;
}

std::vector<std::string> unknown_variables() {
  std::vector<std::string> unknown;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const std::string name(line.substr(0, line.find('=')));
    if (!name.starts_with("GOSSAMER_")) continue;
    const bool known =
        std::any_of(definitions.begin(), definitions.end(),
                    [&](const SettingDefinition& definition) { return name == definition.variable; }) ||
        std::any_of(other_variables.begin(), other_variables.end(), [&](const char* other) { return name == other; });
    if (!known) unknown.push_back(name);
  }
  std::sort(unknown.begin(), unknown.end());
  return unknown;
}

}  // namespace gossamer::runtime
