// Memory of this process that libfabric may move, memory that peers may write to, and memory of peers.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/base.h"
#include "transport/libfabric/domain.h"
#include "transport/transport.h"

namespace gossamer::transport::libfabric {

// Where a put writes.
struct Remote {
  Rank peer;
  std::uint64_t address = 0;
  std::uint64_t key = 0;
  std::size_t bytes = 0;
  std::uint32_t generation = 0;
  bool used = false;
};

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
  // The view ends: keys given out for it reach nothing any more, and remote regions are forgotten.
  void close();

  // Lets peers of the open view write to the region. The key and the address that they must use.
  struct Exported {
    std::uint64_t key = 0;
    std::uint64_t address = 0;
  };
  Result<Exported> export_region(const Region& region);

  RemoteRegion import_region(Rank peer, const Exported& exported, std::size_t bytes);
  void release(const RemoteRegion& remote);
  // Null when it is not, or no longer, one of this view.
  [[nodiscard]] const Remote* find(const RemoteRegion& remote) const;

 private:
  struct Local {
    std::byte* base = nullptr;
    std::size_t bytes = 0;
    MemoryKind kind = MemoryKind::host;
    bool used = false;
    bool own = false;  // mapped by allocate
    void* descriptor = nullptr;
    Owned<fid_mr> memory;    // for its own transfers, where the provider needs it
    Owned<fid_mr> exported;  // for those of peers, in this view
  };

  [[nodiscard]] bool is_known(const Region& region) const;
  Status register_local(Local& local);
  static void unmap(Local& local);

  Domain& domain_;
  fid_ep* endpoint_ = nullptr;
  std::vector<Local> local_;  // Region::id is the index + 1
  std::vector<Remote> remote_;
  std::uint32_t generation_ = 0;
};

}  // namespace gossamer::transport::libfabric
