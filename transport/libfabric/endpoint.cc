#include "transport/libfabric/endpoint.h"

#include <rdma/fi_cm.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "transport/environment.h"

namespace gossamer::transport::libfabric {
namespace {

// Read where an endpoint is made. Over tcp ofi_rxm then sends messages up to this length as they are, from and into the
// caller's memory; what comes before its receive waits in memory of its own. Longer ones take its rendezvous, which is
// no way to send there. By reads ofi_rxm 1.17 crashes in fi_close and in progress when the peer of a half-read message
// is gone (a completion of no operation reaches it). By writes, before libfabric 2.2, a receiver knows the end of a
// message by a number that each sender counts for itself: with two senders one receive ends before its bytes have come,
// and the other never does.
constexpr const char* eager_limit = "FI_OFI_RXM_EAGER_LIMIT";
constexpr const char* eager_bytes_max = "4294967295";  // peers compare it in 32 bits

// libfabric sizes the queues under verbs;ofi_rxm for 256 peers, which small devices refuse.
constexpr const char* small_device =
    "; on an adapter with small queues (soft-RoCE) set FI_UNIVERSE_SIZE to the number of ranks, "
    "FI_OFI_RXM_MSG_TX_SIZE=64 and FI_OFI_RXM_MSG_RX_SIZE=64";

Error open_error(const Domain& domain, std::string_view what, int result) {
  const bool layered = domain.provider().name.find("verbs") != std::string::npos;
  const Code code = completion_code(result) == Code::out_of_resources ? Code::out_of_resources : Code::unavailable;
  Error error = library_error(code, text(what, " of ", domain.provider().name), result);
  if (layered) error.message += small_device;
  return error;
}

// The domain's info with another source address.
Info with_source(const fi_info& info, const ProviderAddress& address) {
  Info copy(fi_dupinfo(&info));
  GOSSAMER_CHECK(copy != nullptr, "memory for a copy of libfabric's info");
  if (address.empty()) return copy;
  std::free(copy->src_addr);
  copy->src_addr = std::malloc(address.size());
  GOSSAMER_CHECK(copy->src_addr != nullptr, "memory for an address");
  std::memcpy(copy->src_addr, address.data(), address.size());
  copy->src_addrlen = address.size();
  return copy;
}

}  // namespace

// With a descriptor to sleep on where the provider has one.
Status Endpoint::open_queue() {
  fi_cq_attr attributes{};
  attributes.format = FI_CQ_FORMAT_TAGGED;
  attributes.wait_obj = FI_WAIT_FD;
  fid_cq* queue = nullptr;
  int result = fi_cq_open(domain_->fid(), &attributes, &queue, nullptr);
  if (result == 0) {
    queue_.reset(queue);
    if (fi_control(&queue->fid, FI_GETWAIT, &event_descriptor_) != 0) event_descriptor_ = -1;
    return {};
  }
  attributes.wait_obj = FI_WAIT_NONE;
  result = fi_cq_open(domain_->fid(), &attributes, &queue, nullptr);
  if (result != 0) return open_error(*domain_, "open the completion queue", result);
  queue_.reset(queue);
  return {};
}

Result<std::unique_ptr<Endpoint>> Endpoint::open(std::shared_ptr<Domain> owner, const ProviderAddress& address) {
  auto opened = std::make_unique<Endpoint>();
  opened->domain_ = std::move(owner);
  const Domain& domain = *opened->domain_;
  const Info info = with_source(domain.info(), address);
  fi_av_attr attributes{};
  attributes.type = FI_AV_TABLE;
  fid_av* peers = nullptr;
  if (const int result = fi_av_open(domain.fid(), &attributes, &peers, nullptr); result != 0) {
    return open_error(domain, "open the address table", result);
  }
  opened->peers_.reset(peers);
  GOSSAMER_TRY(opened->open_queue());
  ScopedEnvironment environment;
  if (domain.provider().is_tcp()) environment.set_unless_set(eager_limit, eager_bytes_max);
  fid_ep* endpoint = nullptr;
  if (const int result = fi_endpoint(domain.fid(), info.get(), &endpoint, nullptr); result != 0) {
    return open_error(domain, "make an endpoint", result);
  }
  opened->endpoint_.reset(endpoint);
  int result = fi_ep_bind(endpoint, &peers->fid, 0);
  if (result == 0) result = fi_ep_bind(endpoint, &opened->queue_->fid, FI_TRANSMIT | FI_RECV);
  if (result == 0) result = fi_enable(endpoint);
  if (result != 0) return open_error(domain, "enable the endpoint", result);
  return opened;
}

Result<ProviderAddress> Endpoint::address() const {
  ProviderAddress address(256);
  std::size_t bytes = address.size();
  const int result = fi_getname(&endpoint_->fid, address.data(), &bytes);
  if (result != 0) return library_error(Code::unavailable, "tell the endpoint's address", result);
  address.resize(bytes);
  return address;
}

SharedEndpoints& SharedEndpoints::instance() {
  static SharedEndpoints* const instance = new SharedEndpoints;  // transports may live until the process ends
  return *instance;
}

void SharedEndpoints::opened() {
  SharedEndpoints& all = instance();
  const std::lock_guard lock(all.mutex_);
  ++all.open_;
}

void SharedEndpoints::retire(std::unique_ptr<Endpoint> endpoint, const ProviderAddress& address) {
  SharedEndpoints& all = instance();
  const std::lock_guard lock(all.mutex_);
  ::shm_unlink(reinterpret_cast<const char*>(address.data()));
  all.retired_.push_back(std::move(endpoint));
  if (--all.open_ == 0) all.retired_.clear();
}

}  // namespace gossamer::transport::libfabric
