// Joining a real session: settings, control mesh, transport, addresses.
#include <sched.h>
#include <unistd.h>

#include <bit>
#include <fstream>

#include "runtime/control_local_host.h"
#include "runtime/control_mesh.h"
#include "runtime/data_path.h"
#include "runtime/introduction.h"
#include "runtime/session.h"
#include "runtime/version.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

// The same for all processes of one running system, containers included: they share its cores.
std::string host_identity() {
  std::string identity;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> identity;
  return identity.empty() ? text("host ", gethostid()) : identity;
}

std::uint32_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)));
}

Result<std::unique_ptr<transport::Transport>> make_transport(const Settings& settings) {
  const std::string host = local_host(settings.bind_host, settings.rendezvous, settings.init_timeout_ns);
  if (settings.transport == "ucx") return transport::make_ucx_transport({.job = settings.job, .local_host = host});
  if (settings.transport == "libfabric") {
    return transport::make_libfabric_transport(
        {.job = settings.job, .provider = settings.libfabric_provider, .local_host = host});
  }
  return Error{Code::invalid_argument,
               text("transport is \"", settings.transport, "\", expected \"ucx\" or \"libfabric\"")};
}

// More ranks than cores: who spins keeps the core from the rank that it waits for.
Patience patience_for(std::uint32_t local_ranks, std::uint32_t cores) {
  return local_ranks > cores ? Patience{.spins = 20, .yields = 200} : Patience{.spins = 2'000, .yields = 200};
}

}  // namespace

Result<std::unique_ptr<Session>> Session::join(const SettingsRequest& request) {
  auto settings = resolve_settings(request);
  GOSSAMER_TRY(settings);
  for (const std::string& name : unknown_variables())
    log(LogLevel::warning, text(name, " is set, but no setting has that name: `gossamer info` lists them"));

  const std::vector<Field> shared = {
      {"library version", version},
      {"wire version", text(wire_version)},
      {"hash version", text(sketch::hash_version)},
      {"byte order", std::endian::native == std::endian::little ? "little" : "big"},
      {"transport", settings->transport},
      {"job", settings->job},
      {"libfabric provider", settings->transport == "libfabric" ? settings->libfabric_provider : "none"},
  };
  MeshOptions mesh;
  mesh.rank = settings->rank;
  mesh.rank_count = settings->rank_count;
  mesh.rendezvous = settings->rendezvous;
  mesh.rendezvous_descriptor = settings->rendezvous_descriptor;
  mesh.bind_host = settings->bind_host;
  mesh.deadline_ns = settings->init_timeout_ns;
  mesh.lease_ns = settings->lease_ns;
  const auto secret = Secret::read(settings->secret);
  GOSSAMER_TRY(secret);
  mesh.secret = *secret;
  auto control = make_control_mesh(mesh, shared);
  GOSSAMER_TRY(control);

  transport::sweep_shared_memory();  // what killed processes left behind
  auto made = make_transport(*settings);
  // A rank without a transport tells the others, so that nobody waits for it.
  const std::vector<Field> ready = {{"transport error", made.ok() ? "none" : made.error().message}};
  const Status all_ready = (*control)->agree("transport", ready, settings->init_timeout_ns);
  GOSSAMER_TRY(made);
  GOSSAMER_TRY(all_ready);

  const std::string host = host_identity();
  auto blobs =
      (*control)->all_gather("addresses", encode_introduction({host, (*made)->address()}), settings->init_timeout_ns);
  GOSSAMER_TRY(blobs);
  transport::View view{Epoch{1}, settings->rank, {}};
  std::uint32_t local_ranks = 0;
  for (std::uint32_t r = 0; r < settings->rank_count; ++r) {
    auto introduction = decode_introduction((*blobs)[r], Rank{r});
    GOSSAMER_TRY(introduction);
    local_ranks += introduction->host == host ? 1u : 0u;
    view.addresses.push_back(std::move(introduction->address));
  }
  // Who finds a path silent comes to the verdict before those that wait for it there give up.
  GOSSAMER_TRY(open_data_path(**made, **control, view, settings->init_timeout_ns / 4 * 3, settings->init_timeout_ns));

  const std::uint32_t cores = usable_cores();
  const bool threaded = settings->progress == ProgressMode::thread ||
                        (settings->progress == ProgressMode::automatic && cores >= 2 * local_ranks);
  log(LogLevel::info, text("rank ", settings->rank.value, " of ", settings->rank_count, ", ", local_ranks,
                           " on this host with ", cores, " cores: progress ", threaded ? "thread" : "inline"));
  SessionParts parts;
  parts.rank = settings->rank;
  parts.rank_count = settings->rank_count;
  parts.clock = std::make_unique<SteadyClock>();
  parts.control = std::move(*control);
  parts.transport = std::move(*made);
  parts.patience = patience_for(threaded ? 2 * local_ranks : local_ranks, cores);
  parts.timeout_ns = settings->init_timeout_ns;
  auto pool = ThreadPool::make(settings->threads);
  GOSSAMER_TRY(pool);
  parts.pool = std::move(*pool);
  auto session = std::make_unique<Session>(std::move(parts));
  if (threaded) session->start_thread();
  return session;
}

}  // namespace gossamer::runtime
