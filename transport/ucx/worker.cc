#include "transport/ucx/worker.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "transport/environment.h"
#include "transport/framed_address.h"
#include "transport/interfaces.h"
#include "transport/ucx/library.h"

namespace gossamer::transport::ucx {
namespace {

constexpr AddressMark address_mark = {'G', 'S', 'M', 'R', 'U', 'C', 'X', '1'};
// A live peer that polls needs less than a millisecond; one that died never answers.
constexpr std::uint64_t settle_ns_max = 100'000'000;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The transports in UCX's own listing of a context, each once, in its order. A line of it:
// "#      resource 1  :  md 1  dev 1  flags -- tcp/lo"
std::vector<std::string> parse_ways(std::string_view listing) {
  std::vector<std::string> ways;
  while (!listing.empty()) {
    const std::string_view line = listing.substr(0, listing.find('\n'));
    listing.remove_prefix(std::min(listing.size(), line.size() + 1));
    const std::size_t slash = line.rfind('/');
    if (line.find(" resource ") == std::string_view::npos || slash == std::string_view::npos) continue;
    const std::size_t blank = line.rfind(' ', slash);
    std::string way(line.substr(blank + 1, slash - blank - 1));
    if (std::find(ways.begin(), ways.end(), way) == ways.end()) ways.push_back(std::move(way));
  }
  return ways;
}

std::string context_listing(ucp_context_h context) {
  char* buffer = nullptr;
  std::size_t bytes = 0;
  FILE* const stream = ::open_memstream(&buffer, &bytes);
  if (stream == nullptr) return {};
  ucp_context_print_info(context, stream);
  std::fclose(stream);
  std::string listing(buffer, bytes);
  std::free(buffer);
  return listing;
}

// For UCX_NET_DEVICES: where the session's addresses are, and every adapter that may do better. Without it UCX takes
// the fastest-looking interface whose network both hosts have, which a bridge of containers is on any two hosts.
std::string choose_devices(const WorkerOptions& options, std::string_view transports) {
  std::vector<std::string> devices = options.interfaces;
  if (devices.empty() && allows_tcp(transports)) devices = {interface_of(options.local_host)};
  if (devices.empty() || devices.front().empty()) return {};
  if (allows_rdma(transports)) {
    const auto ports = rdma_ports(options.interfaces);
    devices.insert(devices.end(), ports.begin(), ports.end());
  }
  std::string joined;
  for (const std::string& each : devices) joined += (joined.empty() ? "" : ",") + each;
  return joined;
}

ucs_status_t ignore_greeting(void* /*argument*/, const void* /*header*/, std::size_t /*header_bytes*/, void* /*data*/,
                             std::size_t /*bytes*/, const ucp_am_recv_param_t* /*parameters*/) {
  return UCS_OK;
}

// InfiniBand and RoCE transports: rc_verbs, ud_mlx5, dc_mlx5 and the like.
bool is_rdma(std::string_view way) { return way.starts_with("rc") || way.starts_with("ud") || way.starts_with("dc"); }

}  // namespace

Result<const ucp_address_t*> worker_address(Rank rank, const Address& address) {
  const auto contents = unframe_address(address_mark, address);
  if (!contents) {
    return Error{Code::invalid_argument,
                 text("the address of rank ", rank.value, " (", address.size(),
                      " B) is damaged or not of the ucx transport; every rank must use the same transport"),
                 rank};
  }
  return reinterpret_cast<const ucp_address_t*>(contents->data());
}

Result<std::unique_ptr<Worker>> Worker::make(const WorkerOptions& options) {
  GOSSAMER_TRY(load_functions());
  const KeptSignals kept;
  route_log();
  GOSSAMER_TRY(check_thread_room("UCX"));  // it aborts when it gets none
  std::unique_ptr<Worker> worker(new Worker);
  GOSSAMER_TRY(worker->set_up(options));
  return worker;
}

Worker::~Worker() {
  if (abandoned_) return;
  if (worker_ != nullptr) ucp_worker_destroy(worker_);
  if (context_ != nullptr) ucp_cleanup(context_);
}

void Worker::settle() {
  if (abandoned_) return;
  const SteadyClock clock;
  const std::uint64_t end_ns = clock.now_ns() + settle_ns_max;
  const ucp_request_param_t flush{};
  void* const request = ucp_worker_flush_nbx(worker_, &flush);
  if (!UCS_PTR_IS_PTR(request)) return;
  while (ucp_request_check_status(request) == UCS_INPROGRESS) {
    if (clock.now_ns() >= end_ns) return abandon();
    ucp_worker_progress(worker_);
  }
  ucp_request_free(request);
}

Status Worker::set_up(const WorkerOptions& options) {
  const std::string transports = options.transports.empty() ? environment("UCX_TLS") : options.transports;
  ScopedEnvironment scope;
  if (allows_shared_memory(transports)) {
    // For UCX's files, unless the user has named another place, and for memory that peers may map.
    std::string folder = environment("UCX_POSIX_DIR");
    auto own = SharedFolder::open(options.job);
    if (own.ok()) {
      folder_ = std::move(*own);
      if (folder.empty()) folder = folder_->path();
    } else if (allows_posix(transports) && folder.empty()) {
      return std::move(own).error();
    }
    if (allows_posix(transports)) {
      GOSSAMER_TRY(check_shared_memory(folder));
      scope.set_unless_set("UCX_POSIX_DIR", folder);
    }
  }
  // Without it UCX drops shared memory silently for endpoints that handle errors; ucp_config_modify accepts it and
  // does nothing.
  if (allows_shared_memory(transports)) scope.set_unless_set("UCX_MM_ERROR_HANDLING", "y");
  // By default UCX 1.13 connects over TCP with a call that blocks: two minutes where a firewall drops the attempt.
  if (allows_tcp(transports)) scope.set_unless_set("UCX_TCP_CONN_NB", "y");
  if (allows_tcp(transports) && options.tcp_send_buffer_bytes > 0)
    scope.set_unless_set("UCX_TCP_SNDBUF", text(options.tcp_send_buffer_bytes));
  if (environment("UCX_NET_DEVICES").empty()) capabilities_.device = choose_devices(options, transports);
  GOSSAMER_TRY(make_context(options));
  read_capabilities();
  GOSSAMER_TRY(make_worker());
  return read_address();
}

Status Worker::make_context(const WorkerOptions& options) {
  ucp_config_t* config = nullptr;
  ucs_status_t status = ucp_config_read(nullptr, nullptr, &config);
  if (status != UCS_OK) return status_error(Code::unavailable, "read its configuration (UCX_* variables)", status);
  if (!options.transports.empty()) status = ucp_config_modify(config, "TLS", options.transports.c_str());
  if (status == UCS_OK && !capabilities_.device.empty())
    status = ucp_config_modify(config, "NET_DEVICES", capabilities_.device.c_str());
  if (status == UCS_OK) {
    ucp_params_t parameters{};
    parameters.field_mask = UCP_PARAM_FIELD_FEATURES;
    parameters.features = UCP_FEATURE_TAG | UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
    status = ucp_init_version(UCP_API_MAJOR, UCP_API_MINOR, &parameters, config, &context_);
  }
  ucp_config_release(config);
  if (status == UCS_OK) return {};
  context_ = nullptr;
  return status_error(Code::unavailable, "start; check UCX_TLS and UCX_NET_DEVICES", status);
}

Status Worker::make_worker() {
  if (has_rdma_) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0) GOSSAMER_TRY(check_locked_memory(limit.rlim_cur));
  }
  ucp_worker_params_t parameters{};
  parameters.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  parameters.thread_mode = UCS_THREAD_MODE_SERIALIZED;  // one thread at a time, not always the same: no locks inside
  const ucs_status_t status = ucp_worker_create(context_, &parameters, &worker_);
  if (status != UCS_OK) {
    worker_ = nullptr;
    const bool resources = status == UCS_ERR_NO_MEMORY || status == UCS_ERR_NO_RESOURCE;
    return status_error(resources ? Code::out_of_resources : Code::unavailable,
                        "make a worker; check shared memory (df /dev/shm, ipcs -lm), locked memory (ulimit -l) and "
                        "open files (ulimit -n)",
                        status);
  }
  GOSSAMER_TRY(ignore_greetings());
  if (ucp_worker_get_efd(worker_, &event_descriptor_) != UCS_OK) event_descriptor_ = -1;
  capabilities_.can_sleep = event_descriptor_ >= 0;
  return {};
}

Status Worker::ignore_greetings() {
  ucp_am_handler_param_t parameters{};
  parameters.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB;
  parameters.id = greeting_id;
  parameters.cb = &ignore_greeting;
  const ucs_status_t status = ucp_worker_set_am_recv_handler(worker_, &parameters);
  if (status == UCS_OK) return {};
  return status_error(Code::unavailable, "listen for active messages", status);
}

Status Worker::read_address() {
  ucp_address_t* address = nullptr;
  std::size_t bytes = 0;
  const ucs_status_t status = ucp_worker_get_address(worker_, &address, &bytes);
  if (status != UCS_OK) return status_error(Code::unavailable, "tell the worker's address", status);
  address_ = frame_address(address_mark, {reinterpret_cast<const std::byte*>(address), bytes});
  ucp_worker_release_address(worker_, address);
  return {};
}

void Worker::read_capabilities() {
  capabilities_.name = "ucx";
  capabilities_.version = ucp_get_version_string();
  capabilities_.ways = parse_ways(context_listing(context_));
  has_rdma_ = std::any_of(capabilities_.ways.begin(), capabilities_.ways.end(), is_rdma);
  capabilities_.memory_kinds = {MemoryKind::host};
  capabilities_.can_map = folder_ != nullptr;
  ucp_context_attr_t attributes{};
  attributes.field_mask = UCP_ATTR_FIELD_MEMORY_TYPES;
  if (ucp_context_query(context_, &attributes) == UCS_OK &&
      (attributes.memory_types & UCS_BIT(UCS_MEMORY_TYPE_CUDA)) != 0) {
    capabilities_.memory_kinds.push_back(MemoryKind::cuda);
  }
}

}  // namespace gossamer::transport::ucx
