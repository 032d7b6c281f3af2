#include "runtime/session/settings_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <thread>

#include "runtime/bootstrap/catalogue.h"
#include "runtime/control/joining/interfaces.h"
#include "runtime/control/joining/rank_hosts.h"
#include "runtime/control/mesh.h"
#include "runtime/control/secret/secret.h"
#include "runtime/session/introduction.h"
#include "runtime/session/link_cost.h"
#include "topology/schedule_rules.h"

namespace gossamer::runtime {
namespace {

// What was expected instead of the text; nothing where it was taken.
using Refusal = std::optional<std::string>;

// As the digits say in every locale; nothing where there is more than a number.
template <typename Number>
std::optional<Number> parse_whole(std::string_view words) {
  Number value = 0;
  const char* const end = words.data() + words.size();
  const auto [at, error] = std::from_chars(words.data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

template <std::string Settings::*field>
Refusal take_text(std::string_view value, Settings& settings) {
  settings.*field = value;
  return std::nullopt;
}

template <typename Field>
Refusal take_number(std::string_view value, std::int64_t least, std::int64_t most, Field& field,
                    std::string_view expected) {
  const auto number = parse_whole<std::int64_t>(value);
  if (!number || *number < least || *number > most) return std::string(expected);
  field = static_cast<Field>(*number);
  return std::nullopt;
}

// From `least` seconds to a day; 0 where `has_none` says that it stands for none.
Refusal take_seconds(std::string_view value, double least, bool has_none, std::uint64_t& field,
                     std::string_view expected) {
  const auto seconds = parse_whole<double>(value);
  const bool is_none = seconds && *seconds == 0 && has_none;
  if (!seconds || !(is_none || (*seconds >= least && *seconds <= 86'400.0))) return std::string(expected);
  field = static_cast<std::uint64_t>(std::llround(*seconds * 1e9));
  return std::nullopt;
}

Refusal take_rank(std::string_view value, Settings& settings) {
  const std::int64_t count = settings.rank_count;
  return take_number(value, 0, count - 1, settings.rank.value,
                     text("a rank from 0 to ", count - 1, ", since rank_count is ", count));
}

// A launcher hands it to all ranks; only rank 0 has a use for it.
Refusal take_rendezvous_fd(std::string_view value, Settings& settings) {
  const Refusal refusal = take_number(value, -1, 1 << 20, settings.rendezvous_descriptor, "a file descriptor, or -1");
  if (settings.rank != Rank{0}) settings.rendezvous_descriptor = -1;
  return refusal;
}

Refusal take_progress(std::string_view value, Settings& settings) {
  const Choice* const choice = find_choice(progress_choices, value);
  if (choice == nullptr) return alternatives(std::span(progress_choices), [](const Choice& each) { return each.name; });
  settings.progress = static_cast<ProgressMode>(choice->number);
  return std::nullopt;
}

Refusal take_threads(std::string_view value, Settings& settings) {
  std::uint32_t& threads = settings.threads.threads;
  const Refusal refusal = take_number(value, 0, 256, threads, "a number of threads from 1 to 256, or 0 for every core");
  if (!refusal && threads == 0) threads = std::min(256u, std::max(1u, std::thread::hardware_concurrency()));
  return refusal;
}

Refusal take_pin_threads(std::string_view value, Settings& settings) {
  if (value != "yes" && value != "no") return "yes or no";
  settings.threads.pin = value == "yes";
  return std::nullopt;
}

Refusal take_secret(std::string_view value, Settings& settings) {
  const Status status = check_secret_source(value);
  if (!status.ok()) return status.error().message;
  settings.secret = value;
  return std::nullopt;
}

Refusal take_cost(std::string_view value, Settings& settings) {
  const auto setting = parse_cost_setting(value);
  if (!setting.ok()) return setting.error().message;
  settings.cost = value;
  return std::nullopt;
}

Refusal take_schedule(std::string_view value, Settings& settings) {
  if (!value.empty()) {
    const auto rules = topology::parse_schedule_rules(value);
    if (!rules.ok()) return text("rules like all-reduce:0-4k:butterfly;4k-:circulant (", rules.error().message, ")");
  }
  settings.schedule = value;
  return std::nullopt;
}

Refusal take_launcher(std::string_view value, Settings& settings) {
  if (value != "auto" && (value == "caller" || find_launcher(value) == nullptr))
    return "auto, pmix, pmi, slurm, torchrun, folder or tcp";
  settings.launcher = value;
  return std::nullopt;
}

Refusal take_host(std::string_view value, Settings& settings) {
  if (value.size() > Introduction::text_bytes_max)
    return text("a name of at most ", Introduction::text_bytes_max, " characters");
  settings.host = value;
  return std::nullopt;
}

Refusal take_interface(std::string_view value, Settings& settings) {
  if (const std::string expected = check_interface_choice(value); !expected.empty()) return expected;
  settings.interface = value;
  return std::nullopt;
}

Refusal take_rank_hosts(std::string_view value, Settings& settings) {
  if (!are_rank_hosts(value)) return "hosts with how many ranks each has, as a:4,b:4";
  settings.rank_hosts = value;
  return std::nullopt;
}

constexpr SettingRow rows_of_settings[] = {
    {"rank_count", "GOSSAMER_RANK_COUNT", "1", "how many ranks the session has",
     [](std::string_view value, Settings& s) {
       return take_number(value, 1, 4096, s.rank_count, "a number of ranks from 1 to 4096");
     }},
    {"rank", "GOSSAMER_RANK", "0", "this process's rank, 0 to rank_count - 1", take_rank},
    {"rendezvous", "GOSSAMER_RENDEZVOUS", "127.0.0.1:29400", "host:port where rank 0 listens",
     take_text<&Settings::rendezvous>},
    {"rendezvous_fd", "GOSSAMER_RENDEZVOUS_FD", "-1", "rank 0: a socket that listens already, from the launcher",
     take_rendezvous_fd},
    {"bind_host", "GOSSAMER_BIND_HOST", "127.0.0.1", "address that listeners bind to", take_text<&Settings::bind_host>},
    {"interface", "GOSSAMER_INTERFACE", "",
     "network interfaces of the session: eth0, 10.0.0.0/16, several with commas, or ^ and those to leave out; empty: "
     "all",
     take_interface},
    {"transport", "GOSSAMER_TRANSPORT", "ucx", "what moves the data: ucx, libfabric", take_text<&Settings::transport>},
    {"libfabric_provider", "GOSSAMER_LIBFABRIC_PROVIDER", "",
     "libfabric's provider, as it names it (tcp;ofi_rxm, verbs;ofi_rxm, shm); empty: the best",
     take_text<&Settings::libfabric_provider>},
    {"job", "GOSSAMER_JOB", unnamed_job, "names this job: its ranks and its shared-memory files",
     take_text<&Settings::job>, scheduler_job},
    {"init_timeout", "GOSSAMER_INIT_TIMEOUT_S", "30", "seconds that init waits for all ranks",
     [](std::string_view value, Settings& s) {  // nanoseconds are counted: less would be no time at all
       return take_seconds(value, 1e-9, false, s.init_timeout_ns, "a number of seconds from just above 0 to 86400");
     }},
    {"progress", "GOSSAMER_PROGRESS", "auto", "who moves data on: auto, inline, thread", take_progress},
    {"threads", "GOSSAMER_THREADS", "1", "threads that sketch and select, the caller's included; 0: every core",
     take_threads},
    {"pin_threads", "GOSSAMER_PIN_THREADS", "no", "yes: bind each thread but the caller's to a core", take_pin_threads},
    {.name = "secret",
     .variable = "GOSSAMER_SECRET",
     .fallback = "",
     .meaning = "where the session secret is: file:PATH, fd:N; none: no secret, anywhere",
     .read = take_secret,
     .is_private = true},
    {"lease", "GOSSAMER_LEASE_S", "5", "seconds of silence after which a rank is given up; 0: never",
     [](std::string_view value, Settings& s) {
       return take_seconds(value, 0.1, true, s.lease_ns, "a number of seconds from 0.1 to 86400, or 0 for none");
     }},
    {"cost", "GOSSAMER_COST", "auto",
     "what schedules are chosen by: auto, shared-memory, rdma, tcp-10g, tcp-1g, or MICROSECONDS,NS_PER_BYTE; or near "
     "and far: near MODEL; far MODEL",
     take_cost},
    {"schedule", "GOSSAMER_SCHEDULE", "",
     "which schedules: KIND, file:PATH, or by collective and bytes: all-reduce:0-4k:butterfly;4k-:ring; empty: by cost",
     take_schedule},
    {"topology", "GOSSAMER_TOPOLOGY", "",
     "file of `gossamer topo recommend` with costs, schedules and rank order for this cluster; empty: none",
     take_text<&Settings::topology>},
    {"host", "GOSSAMER_HOST", "", "the name of this host: ranks with one name are near each other; empty: found out",
     take_host},
    {"rank_hosts", "GOSSAMER_RANK_HOSTS", "", "where the ranks are, for messages: a:4,b:4; from the launcher",
     take_rank_hosts},
    {"trace", "GOSSAMER_TRACE", "", "file for what was done when, for Perfetto; %r in it is the rank; empty: none",
     take_text<&Settings::trace>},
    {"metrics", "GOSSAMER_METRICS", "",
     "file for what a session has done, as OpenMetrics text; %r in it is the rank; empty: none",
     take_text<&Settings::metrics>},
    {"launcher", "GOSSAMER_LAUNCHER", "auto",
     "whom to ask for rank, rank count and rendezvous: auto, pmix, pmi, slurm, torchrun, folder, tcp", take_launcher},
    {"folder", "GOSSAMER_FOLDER", "",
     "a folder that all ranks see and only this user writes, to meet there; empty: none", take_text<&Settings::folder>},
};

}  // namespace

std::span<const SettingRow> all_settings() { return rows_of_settings; }

const SettingRow* find_setting(std::string_view name) {
  const auto* const found = std::find_if(std::begin(rows_of_settings), std::end(rows_of_settings),
                                         [&](const SettingRow& row) { return row.name == name; });
  return found != std::end(rows_of_settings) ? found : nullptr;
}

bool is_setting_variable(std::string_view variable) {
  return std::any_of(std::begin(rows_of_settings), std::end(rows_of_settings),
                     [&](const SettingRow& row) { return row.variable == variable; });
}

}  // namespace gossamer::runtime
