// Joining a real session: settings, control mesh, transport, addresses.
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>

#include "base/tick_clock.h"
#include "runtime/control/joining/interfaces.h"
#include "runtime/control/joining/local_host.h"
#include "runtime/control/mesh.h"
#include "runtime/session/clock_offset.h"
#include "runtime/session/data_path.h"
#include "runtime/session/introduction.h"
#include "runtime/session/joined_members.h"
#include "runtime/session/launched.h"
#include "runtime/session/link_cost.h"
#include "runtime/session/session.h"
#include "runtime/session/user_schedules.h"
#include "runtime/session/user_topology.h"
#include "runtime/session/version.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

// The same for all processes of one running system, containers included: they share its cores.
std::string host_identity() {
  std::string identity;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> identity;
  return identity.empty() ? text("host ", gethostid()) : identity;
}

// The same for those of them that see the same /dev/shm: a container may have its own.
std::string memory_identity() {
  struct stat status {};
  return ::stat("/dev/shm", &status) == 0 ? text("/dev/shm ", status.st_dev) : "none";
}

std::uint32_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)));
}

// Descriptors that are open at once while a session begins and runs. A library that finds none aborts, or loses a peer
// in the first step. Measured over 1 to 8 ranks: UCX 1.13 opens 17 and one for each peer over TCP, libfabric 1.17 15
// and one; a connection that both ends begin has two for a moment. The rest is for more network interfaces.
struct DescriptorNeed {
  std::size_t alone = 0;
  std::size_t each_peer = 0;
};
constexpr DescriptorNeed control_need = {12, 2};
constexpr DescriptorNeed ucx_need = {24, 2};
constexpr DescriptorNeed libfabric_need = {22, 2};

std::size_t descriptors_for(const DescriptorNeed& need, std::uint32_t rank_count) {
  return need.alone + need.each_peer * (rank_count - 1);
}

// What GOSSAMER_INTERFACE means on this host.
struct ChosenInterfaces {
  std::string address;             // where this rank listens and is reached; empty: none was chosen
  std::vector<std::string> names;  // for TCP of the data path
};

Result<ChosenInterfaces> choose_for(const Settings& settings) {
  ChosenInterfaces out;
  if (settings.interface.empty()) return out;
  GOSSAMER_ASSIGN(const auto chosen, choose_interfaces(settings.interface, interface_addresses()));
  out.address = like(chosen, settings.rendezvous).address;
  for (const InterfaceAddress& each : chosen)
    if (std::find(out.names.begin(), out.names.end(), each.interface) == out.names.end())
      out.names.push_back(each.interface);
  return out;
}

Result<std::unique_ptr<transport::Transport>> make_transport(const Settings& settings,
                                                             const ChosenInterfaces& interfaces) {
  const DescriptorNeed& need = settings.transport == "libfabric" ? libfabric_need : ucx_need;
  GOSSAMER_TRY(check_descriptor_room(text("the ", settings.transport, " transport"),
                                     descriptors_for(need, settings.rank_count)));
  const std::string host = !interfaces.address.empty()
                               ? interfaces.address
                               : local_host(settings.bind_host, settings.rendezvous, settings.init_timeout_ns);
  if (settings.transport == "ucx") {
    GOSSAMER_ASSIGN(const std::uint64_t send_buffer, tcp_send_buffer_for(settings.cost));
    return transport::make_ucx_transport({.job = settings.job,
                                          .local_host = host,
                                          .interfaces = interfaces.names,
                                          .tcp_send_buffer_bytes = send_buffer});
  }
  if (settings.transport == "libfabric") {
    return transport::make_libfabric_transport(
        {.job = settings.job, .provider = settings.libfabric_provider, .local_host = host});
  }
  return Error{Code::invalid_argument,
               text("transport is \"", settings.transport, "\", expected \"ucx\" or \"libfabric\"")};
}

// More ranks than cores: who looks again keeps the core from the rank that it waits for; and where messages come over a
// network, from the kernel, which brings them, and which wakes whoever sleeps.
Patience patience_for(std::uint32_t local_ranks, std::uint32_t cores, bool is_memory_shared) {
  if (local_ranks <= cores) return {.spins = 2'000, .yields = 200};
  return is_memory_shared ? Patience{.spins = 1, .yields = 200} : Patience{.spins = 2, .yields = 40};
}

}  // namespace

Result<JoinedMembers> join_members(const SettingsRequest& request, std::unique_ptr<Bootstrap> callers) {
  JoinedMembers joined;
  GOSSAMER_ASSIGN(joined.settings, resolve_settings(request));
  Settings& settings = joined.settings;
  GOSSAMER_ASSIGN(const auto interfaces, choose_for(settings));
  if (settings.bind_host.empty()) {
    settings.bind_host = interfaces.address;
    settings.said.bind_host = true;
  }
  for (const std::string& name : unknown_variables())
    log(LogLevel::warning, text(name, " is set, but no setting has that name: `gossamer info` lists them"));

  // One for all that follows: a rank that comes late, or stops on the way, takes from what is left.
  static const SteadyClock clock;
  joined.deadline.emplace(clock, settings.init_timeout_ns);
  GOSSAMER_ASSIGN(auto meeting, meet_as_launched(settings, std::move(callers), *joined.deadline));
  settings.rendezvous = meeting.rendezvous;
  joined.who = text("rank ", settings.rank.value, " of ", settings.rank_count, " on ", host_name(settings.host));
  const LogScope scope(&joined.who);
  GOSSAMER_TRY(check_descriptor_room("joining a session", descriptors_for(control_need, settings.rank_count)));
  UserSchedules schedules = read_user_schedules(settings.schedule);
  UserTopology topology = read_user_topology(settings.topology);
  std::vector<Field> shared = {
      {"library version", version},
      {"wire version", text(wire_version)},
      {"hash version", text(sketch::hash_version)},
      {"byte order", std::endian::native == std::endian::little ? "little" : "big"},
      {"transport", settings.transport},
      {"cost", settings.cost},
      {"trace", settings.trace.empty() ? "off" : "on"},
      {"libfabric provider", settings.transport == "libfabric" ? settings.libfabric_provider : "none"},
  };
  shared.push_back(topology.field);
  shared.insert(shared.end(), schedules.fields.begin(), schedules.fields.end());
  MeshOptions mesh;
  mesh.rank = settings.rank;
  mesh.rank_count = settings.rank_count;
  mesh.rendezvous = settings.rendezvous;
  mesh.rendezvous_advice = meeting.advice;
  mesh.rendezvous_descriptor = settings.rendezvous_descriptor;
  if (meeting.listener.value() >= 0)
    mesh.rendezvous_listener = std::make_shared<UniqueDescriptor>(std::move(meeting.listener));
  mesh.bind_host = settings.bind_host;
  mesh.deadline_ns = settings.init_timeout_ns;
  mesh.spent_ns = joined.deadline->passed_ns();
  mesh.job = settings.job;
  mesh.rank_hosts = settings.rank_hosts;
  mesh.lease_ns = settings.lease_ns;
  const auto secret = Secret::read(settings.secret);  // not moved: a short string leaves its letters behind
  GOSSAMER_TRY(secret);
  mesh.secret = meeting.secret.empty() ? *secret : Secret::of(meeting.secret);
  GOSSAMER_ASSIGN(auto control, make_control_mesh(mesh, shared));
  if (schedules.trouble) return *schedules.trouble;
  if (topology.trouble) return *topology.trouble;

  transport::sweep_shared_memory();  // what killed processes left behind
  auto made = make_transport(settings, interfaces);
  // A rank without a transport tells the others, so that nobody waits for it.
  auto pool = ThreadPool::make(settings.threads);
  const Status same_cluster = topology.file ? check_same_cluster(*topology.file, settings.topology, settings.rank,
                                                                 settings.rank_count, host_name(settings.host))
                                            : Status();
  const std::vector<Field> ready = {{"transport error", made.ok() ? "none" : made.error().message},
                                    {"threads error", pool.ok() ? "none" : pool.error().message},
                                    {"topology error", same_cluster.ok() ? "none" : same_cluster.error().message}};
  const Status all_ready = control->agree("transport", ready, joined.left_ns());
  GOSSAMER_TRY(made);
  GOSSAMER_TRY(pool);
  GOSSAMER_TRY(same_cluster);
  if (!all_ready.ok()) return joined.of_what_was_left(all_ready.error());

  const std::string host = host_identity();
  const std::string library = text((*made)->capabilities().name, " ", (*made)->capabilities().version);
  auto blobs = control->all_gather("addresses",
                                   encode_introduction({host, memory_identity(), settings.host, library,
                                                        (*made)->address(), links_of((*made)->capabilities())}),
                                   joined.left_ns());
  if (!blobs.ok()) return joined.of_what_was_left(blobs.error());
  transport::View view{Epoch{1}, settings.rank, {}};
  std::uint32_t local_ranks = 0;
  std::vector<Introduction> introductions;
  for (std::uint32_t r = 0; r < settings.rank_count; ++r) {
    GOSSAMER_ASSIGN(auto introduction, decode_introduction((*blobs)[r], Rank{r}));
    local_ranks += introduction.host == host ? 1u : 0u;
    view.addresses.push_back(std::move(introduction.address));
    introductions.push_back(std::move(introduction));
  }
  GOSSAMER_ASSIGN(const auto cost, choose_link_cost(settings.cost, introductions));
  joined.library_difference = library_difference(introductions, settings.rank_hosts);
  if (!joined.library_difference.empty() && settings.rank.value == 0) log(LogLevel::warning, joined.library_difference);
  // Who finds a path silent comes to the verdict before those that wait for it there give up.
  const std::uint64_t path_ns = joined.left_ns();
  const Status path = open_data_path(**made, *control, view, path_ns / 4 * 3, path_ns);
  if (!path.ok()) {
    Error error = path.error();
    if (!joined.library_difference.empty()) error.message += "; " + joined.library_difference;
    return error;
  }
  const bool is_memory_shared = std::all_of(introductions.begin(), introductions.end(), [&](const Introduction& each) {
    return each.links.shared_memory && each.host == host && each.memory == introductions[settings.rank.value].memory;
  });
  joined.control = std::move(control);
  joined.transport = std::move(*made);
  joined.pool = std::move(*pool);
  joined.host = host;
  joined.local_ranks = local_ranks;
  joined.is_memory_shared = is_memory_shared;
  joined.hosts = hosts_of(introductions);
  joined.cost = cost;
  joined.schedules = std::move(schedules);
  joined.topology = std::move(topology.file);
  return joined;
}

bool leave_members(JoinedMembers& joined) {
  constexpr std::uint64_t close_ns = 2'000'000'000;
  const bool is_closed = joined.transport->close_view(close_ns).ok();
  joined.control->leave();
  if (!is_closed) static_cast<void>(joined.transport.release());
  return is_closed;
}

Result<std::unique_ptr<Session>> Session::join(const SettingsRequest& request, std::unique_ptr<Bootstrap> callers) {
  GOSSAMER_ASSIGN(auto joined, join_members(request, std::move(callers)));
  const LogScope scope(&joined.who);
  const Settings& settings = joined.settings;
  const std::uint32_t local_ranks = joined.local_ranks;

  std::unique_ptr<Trace> trace;
  if (!settings.trace.empty()) {
    const bool is_one_host = local_ranks == settings.rank_count;
    const auto offset = is_one_host
                            ? Result<ClockOffset>(ClockOffset{})
                            : measure_clock_offset(*joined.control, SteadyClock(), settings.rank, joined.left_ns());
    if (!offset.ok()) return joined.of_what_was_left(offset.error());
    trace =
        std::make_unique<Trace>(TraceConfig{.path = path_of_rank(settings.trace, settings.rank, settings.rank_count),
                                            .rank = settings.rank,
                                            .rank_count = settings.rank_count,
                                            .host = joined.host,
                                            .offset_ns = offset->offset_ns,
                                            .uncertainty_ns = offset->uncertainty_ns});
  }

  const std::uint32_t cores = usable_cores();
  const bool threaded = settings.progress == ProgressMode::thread ||
                        (settings.progress == ProgressMode::automatic && cores >= 2 * local_ranks);
  log(LogLevel::info, text(local_ranks, " of ", settings.rank_count, " ranks are on this host with ", cores,
                           " cores: progress ", threaded ? "thread" : "inline", "; schedules for ",
                           joined.topology ? text("what ", settings.topology, " says") : joined.cost.name));
  SessionParts parts;
  parts.rank = settings.rank;
  parts.rank_count = settings.rank_count;
  // Where a thread progresses, both it and the caller look at the clock.
  if (threaded)
    parts.clock = std::make_unique<SteadyClock>();
  else
    parts.clock = std::make_unique<TickClock>();
  parts.control = std::move(joined.control);
  parts.transport = std::move(joined.transport);
  parts.patience = patience_for(threaded ? 2 * local_ranks : local_ranks, cores, joined.is_memory_shared);
  parts.timeout_ns = settings.init_timeout_ns;
  parts.policy.cost = joined.cost.cost;
  parts.policy.hosts = std::move(joined.hosts);
  parts.policy.rules = std::move(joined.schedules.rules);
  parts.policy.files = std::move(joined.schedules.files);
  if (joined.topology) parts.policy = with_topology(std::move(parts.policy), *joined.topology, settings.cost != "auto");
  parts.pool = std::move(joined.pool);
  parts.trace = std::move(trace);
  parts.host = host_name(settings.host);
  parts.job = settings.job;
  if (!settings.metrics.empty())
    parts.metrics_path = path_of_rank(settings.metrics, settings.rank, settings.rank_count);
  auto session = Session::make(std::move(parts));
  GOSSAMER_TRY(session);
  if (threaded) GOSSAMER_TRY((*session)->start_thread());
  return session;
}

}  // namespace gossamer::runtime
