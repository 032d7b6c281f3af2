// Memory of this process that libfabric may move.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/base.h"
#include "transport/libfabric/domain.h"
#include "transport/transport.h"

namespace gossamer::transport::libfabric {

class Regions {
 public:
  explicit Regions(Domain& domain) : domain_(domain) {}
  ~Regions();
  Regions(const Regions&) = delete;
  Regions& operator=(const Regions&) = delete;

  Result<Region> add(void* base, std::size_t bytes, MemoryKind kind);
  // Zeroed memory of this object's own.
  Result<Region> allocate(std::size_t bytes);
  void remove(const Region& region);
  [[nodiscard]] bool has(const Slice& slice) const {
    if (slice.bytes == 0) return true;
    if (slice.region.id - 1 >= local_.size()) return false;
    const Local& local = local_[slice.region.id - 1];
    return local.base == slice.region.base && local.kind == slice.region.kind;
  }
  // What each start on this slice must name; null where the provider needs nothing.
  [[nodiscard]] void* descriptor(const Slice& slice) const {
    return slice.bytes == 0 ? nullptr : local_[slice.region.id - 1].descriptor;
  }

  // A view opens with this endpoint: what the provider ties to endpoints (FI_MR_ENDPOINT) is registered.
  Status open(fid_ep* endpoint);
  // The view ends.
  void close();

 private:
  struct Local {
    std::byte* base = nullptr;
    std::size_t bytes = 0;
    MemoryKind kind = MemoryKind::host;
    bool used = false;
    bool own = false;  // mapped by allocate
    void* descriptor = nullptr;
    Owned<fid_mr> memory;  // where the provider needs it
  };

  [[nodiscard]] bool is_known(const Region& region) const;
  Status register_local(Local& local);
  static void unmap(Local& local);

  Domain& domain_;
  fid_ep* endpoint_ = nullptr;
  std::vector<Local> local_;  // Region::id is the index + 1
};

}  // namespace gossamer::transport::libfabric
