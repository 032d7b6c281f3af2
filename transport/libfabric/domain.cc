#include "transport/libfabric/domain.h"

#include <rdma/fi_endpoint.h>
#include <sys/uio.h>

namespace gossamer::transport::libfabric {

Result<std::unique_ptr<Domain>> Domain::open(Provider provider) {
  std::unique_ptr<Domain> domain(new Domain(std::move(provider)));
  fi_info& info = *domain->provider_.info;
  fid_fabric* fabric = nullptr;
  if (const int result = fi_fabric(info.fabric_attr, &fabric, nullptr); result != 0) {
    return library_error(Code::unavailable, text("open the fabric of ", domain->provider_.name), result);
  }
  domain->fabric_.reset(fabric);
  fid_domain* opened = nullptr;
  if (const int result = fi_domain(fabric, &info, &opened, nullptr); result != 0) {
    return library_error(Code::unavailable, text("open the domain of ", domain->provider_.name), result);
  }
  domain->domain_.reset(opened);
  return domain;
}

Result<Owned<fid_mr>> Domain::register_memory(void* base, std::size_t bytes, MemoryKind kind, fid_ep* endpoint) {
  iovec range{base, bytes};
  fi_mr_attr attributes{};
  attributes.mr_iov = &range;
  attributes.iov_count = 1;
  attributes.access = FI_SEND | FI_RECV;
  attributes.requested_key = ++last_key_;  // not used where the provider chooses; each once in the domain's life
  attributes.iface = kind == MemoryKind::cuda ? FI_HMEM_CUDA : FI_HMEM_SYSTEM;
  fid_mr* opened = nullptr;
  int result = fi_mr_regattr(domain_.get(), &attributes, 0, &opened);
  Owned<fid_mr> memory(result == 0 ? opened : nullptr);
  if (result == 0 && needs(FI_MR_ENDPOINT)) {
    result = fi_mr_bind(opened, &endpoint->fid, 0);
    if (result == 0) result = fi_mr_enable(opened);
  }
  if (result == 0) return memory;
  return library_error(Code::out_of_resources,
                       text("register ", format_bytes(bytes), " of ", memory_kind_name(kind),
                            " memory; check the locked-memory limit (ulimit -l)"),
                       result);
}

}  // namespace gossamer::transport::libfabric
