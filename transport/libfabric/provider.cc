#include "transport/libfabric/provider.h"

#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "transport/environment.h"

namespace gossamer::transport::libfabric {
namespace {

struct Candidate {
  const char* name;
  bool automatic;      // may be chosen without being named
  const char* reason;  // why it stands where it stands
};

// Best first. Shared memory is never chosen by itself: a rank does not know whether its peers are on its host.
constexpr std::array<Candidate, 7> candidates = {{
    {"cxi", true, "HPE Slingshot adapters"},
    {"efa", true, "AWS Elastic Fabric Adapters"},
    {"opx", true, "Omni-Path adapters"},
    {"verbs;ofi_rxm", true, "InfiniBand or RoCE adapters"},
    {"tcp", true, "sockets, with reliable datagrams of the provider's own (libfabric 1.18 and later)"},
    {"tcp;ofi_rxm", true, "sockets"},
    {"shm", false, "shared memory of one host"},
}};

// Deprecated by libfabric itself (fi_sockets(7)).
constexpr std::string_view refused = "sockets";

// What it says of itself is a log line only.
constexpr std::string_view shared_memory_hint =
    " (it wants free room in /dev/shm, more on a host with more cores: df /dev/shm)";

// Whether this host has an adapter that verbs may reach.
bool has_adapter() {
  std::error_code failure;
  return std::filesystem::directory_iterator("/sys/class/infiniband", failure) != std::filesystem::directory_iterator();
}

// What libfabric makes of a switch's value (fi_param_get(3)).
bool is_on(const char* value) {
  if (value == nullptr) return false;
  for (const char* const each : {"1", "true", "yes", "on"})
    if (::strcasecmp(value, each) == 0) return true;
  return false;
}

// What is settled for the process when libfabric starts: at the first call that needs it, here or in another library.
struct Library {
  bool has_cuda = false;         // built with it
  bool sends_by_writes = false;  // long messages over ofi_rxm
};

// `provider` as for choose_provider.
Library start_library(std::string_view provider) {
  constexpr const char* by_writes = "FI_OFI_RXM_USE_RNDV_WRITE";
  ScopedEnvironment environment;
  // A cache would keep memory registered after its release, so that an adapter still reaches what is somebody else's by
  // then. All memory is registered here, for long, so there is nothing else to gain from it.
  environment.set_unless_set("FI_MR_CACHE_MAX_COUNT", "0");
  // By reads, which are the default, ofi_rxm 1.17 over tcp crashes in fi_close and in progress when the peer of a
  // half-read message is gone (a completion of no operation reaches it). By writes it delivers wrong bytes over verbs.
  const bool verbs = provider.starts_with("verbs") || (provider.empty() && has_adapter());
  if (!verbs) environment.set_unless_set(by_writes, "1");
  Library library;
  library.sends_by_writes = is_on(std::getenv(by_writes));
  fi_param* parameters = nullptr;
  int count = 0;
  if (fi_getparams(&parameters, &count) != 0) return library;
  // It then knows a parameter for it. A provider's FI_HMEM alone says only that it would take a descriptor of device
  // memory.
  library.has_cuda = std::any_of(parameters, parameters + count,
                                 [](const fi_param& each) { return std::strstr(each.name, "hmem_cuda") != nullptr; });
  fi_freeparams(parameters);
  return library;
}

// Starts it where nobody has.
const Library& library_for(std::string_view provider) {
  static const Library library = start_library(provider);
  return library;
}

Info make_hints(const std::string& name, std::uint64_t capabilities) {
  Info hints(fi_dupinfo(nullptr));
  GOSSAMER_CHECK(hints != nullptr, "memory for libfabric's hints");
  hints->caps = capabilities;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
  if ((capabilities & FI_HMEM) != 0) hints->domain_attr->mr_mode |= FI_MR_HMEM;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;  // one thread at a time: no locks inside
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;  // by poll; no thread of the provider's
  hints->domain_attr->resource_mgmt = FI_RM_ENABLED;       // a full queue says FI_EAGAIN
  hints->fabric_attr->prov_name = ::strdup(name.c_str());
  return hints;
}

// The first answer that is of this very provider: a query for "tcp" is answered by "tcp;ofi_rxm" as well.
Info query(const std::string& name, const std::string& source, std::uint64_t capabilities) {
  const Info hints = make_hints(name, capabilities);
  fi_info* answer = nullptr;
  const char* const node = source.empty() ? nullptr : source.c_str();
  const std::uint64_t flags = source.empty() ? 0 : FI_SOURCE | FI_NUMERICHOST;
  if (fi_getinfo(interface_version, node, nullptr, flags, hints.get(), &answer) != 0) return nullptr;
  const Info all(answer);
  for (const fi_info* each = answer; each != nullptr; each = each->next) {
    if (name == each->fabric_attr->prov_name) return Info(fi_dupinfo(each));
  }
  return nullptr;
}

// Bits of the tag that the application may use: the format's highest set bit is their end (fi_getinfo(3)).
std::size_t tag_bits(const fi_info& info) {
  return static_cast<std::size_t>(std::bit_width(info.ep_attr->mem_tag_format));
}

// Asks for device memory too, where that may be had.
Result<Provider> query_provider_at(const std::string& name, const std::string& source) {
  Provider provider;
  provider.name = name;
  provider.source = source;
  // Shared memory gives up reading the peer's memory directly (CMA) where device memory is asked for.
  const Library& library = library_for(name);  // first: starts it
  const bool try_cuda = library.has_cuda && !provider.is_shared_memory();
  if (try_cuda) provider.info = query(name, source, FI_TAGGED | FI_HMEM);
  provider.moves_cuda = provider.info != nullptr;
  if (provider.info == nullptr) provider.info = query(name, source, FI_TAGGED);
  if (provider.info == nullptr) {
    return Error{Code::unavailable, text("libfabric ", library_version(), " has no usable provider \"", name, "\"",
                                         provider.is_shared_memory() ? shared_memory_hint : "")};
  }
  if (name.starts_with("verbs") && library.sends_by_writes) {
    return Error{
        Code::unavailable,
        text("libfabric ", library_version(), " would send long messages by writes in this process, and over ", name,
             " their bytes arrive wrong; unset FI_OFI_RXM_USE_RNDV_WRITE, and make no transport over "
             "tcp in the same process before")};
  }
  const fi_info& info = *provider.info;
  if (tag_bits(info) < 64) {
    return Error{Code::unavailable,
                 text("libfabric's provider \"", name, "\" matches ", tag_bits(info), " bits of a tag, 64 are needed")};
  }
  return provider;
}

// At `source` where it is there, since of several interfaces libfabric takes the first, which may lead nowhere. An
// adapter that has no address, or another one, is taken as it is.
Result<Provider> query_provider(const std::string& name, const std::string& source) {
  if (!source.empty() && name != "shm" && std::getenv("FI_TCP_IFACE") == nullptr) {
    auto provider = query_provider_at(name, source);
    if (provider.ok()) return provider;
  }
  return query_provider_at(name, "");
}

std::string join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& each : names) joined += (joined.empty() ? "" : ", ") + each;
  return joined.empty() ? "none" : joined;
}

Result<Provider> choose_by_rank(const std::string& source) {
  static_cast<void>(library_for(""));
  std::string skipped;
  for (const Candidate& candidate : candidates) {
    if (!candidate.automatic) continue;
    auto provider = query_provider(candidate.name, source);
    if (!provider.ok()) {
      skipped += text("; ", provider.error().message);
      continue;
    }
    log(LogLevel::info,
        text("libfabric: provider ", candidate.name, " is the best of this host: ", candidate.reason, skipped));
    return provider;
  }
  return Error{Code::unavailable,
               text("libfabric ", library_version(), " has no provider here that reaches other hosts", skipped,
                    "; name one in GOSSAMER_LIBFABRIC_PROVIDER (shm for one host), or use the ucx transport")};
}

}  // namespace

Result<Provider> choose_provider(std::string_view name, const std::string& source) {
  GOSSAMER_TRY(load_functions());
  if (name.empty()) return choose_by_rank(source);
  if (name == refused) {
    return Error{Code::invalid_argument,
                 "libfabric's provider \"sockets\" is deprecated and not used; choose tcp;ofi_rxm or tcp"};
  }
  auto provider = query_provider(std::string(name), source);
  if (!provider.ok()) {
    return Error{Code::unavailable, text(provider.error().message, "; usable here: ", join(usable_providers()),
                                         " (GOSSAMER_LIBFABRIC_PROVIDER; FI_LOG_LEVEL=warn says more)")};
  }
  log(LogLevel::info, text("libfabric: provider ", name, " was asked for"));
  return provider;
}

std::vector<std::string> usable_providers() {
  if (!load_functions().ok()) return {};
  static_cast<void>(library_for(""));
  std::vector<std::string> names;
  for (const Candidate& candidate : candidates) {
    if (query_provider(candidate.name, "").ok()) names.emplace_back(candidate.name);
  }
  return names;
}

}  // namespace gossamer::transport::libfabric
