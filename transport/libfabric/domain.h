// The provider opened: its fabric and domain, and memory registered there. Lives as long as the transport.
#pragma once

#include <rdma/fi_domain.h>

#include <memory>

#include "base/base.h"
#include "transport/libfabric/library.h"
#include "transport/libfabric/provider.h"

namespace gossamer::transport::libfabric {

class Domain {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Domain>> open(Provider provider);

  [[nodiscard]] const Provider& provider() const { return provider_; }
  [[nodiscard]] const fi_info& info() const { return *provider_.info; }
  [[nodiscard]] fid_fabric* fabric() const { return fabric_.get(); }
  [[nodiscard]] fid_domain* fid() const { return domain_.get(); }
  [[nodiscard]] bool needs(int mr_mode) const { return (info().domain_attr->mr_mode & mr_mode) != 0; }

  // Registers memory that messages are sent from and received into. `endpoint` is bound to it where the provider wants
  // that (FI_MR_ENDPOINT). Pins the memory on real adapters: milliseconds for each GiB.
  [[nodiscard]] Result<Owned<fid_mr>> register_memory(void* base, std::size_t bytes, MemoryKind kind, fid_ep* endpoint);

 private:
  explicit Domain(Provider provider) : provider_(std::move(provider)) {}

  Provider provider_;
  Owned<fid_fabric> fabric_;
  Owned<fid_domain> domain_;
  std::uint64_t last_key_ = 0;
};

}  // namespace gossamer::transport::libfabric
