// The memory of UcxTransport: the caller's, its own, and that of peers on this host, which is read in place.
#include <algorithm>

#include "transport/region_key.h"
#include "transport/shared_memory.h"
#include "transport/start_checks.h"
#include "transport/ucx/library.h"
#include "transport/ucx/ucx_transport.h"

namespace gossamer::transport::ucx {

Result<Region> UcxTransport::register_memory(void* base, std::size_t bytes, MemoryKind kind) {
  const auto& kinds = worker_->capabilities().memory_kinds;
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    return Error{Code::unavailable,
                 text("this UCX (", worker_->capabilities().version, ") cannot move ", memory_kind_name(kind),
                      " memory; copy it to host memory first, or use a UCX built with CUDA")};
  }
  if (base == nullptr && bytes > 0) {
    return Error{Code::invalid_argument, text("cannot register ", bytes, " B at a null pointer")};
  }
  GOSSAMER_ASSIGN(auto memory, map_for_devices(base, bytes, kind));
  return keep({static_cast<std::byte*>(base), bytes, kind, memory, nullptr, true});
}

Result<Region> UcxTransport::allocate_memory(std::size_t bytes) {
  const SharedFolder* const folder = worker_->shared_folder();
  GOSSAMER_ASSIGN(auto block, SharedBlock::make(folder == nullptr ? "" : folder->path(), bytes));
  std::byte* const base = block->data();
  GOSSAMER_ASSIGN(auto memory, map_for_devices(base, bytes, MemoryKind::host));
  return keep({base, bytes, MemoryKind::host, memory, std::move(block), true});
}

Result<ucp_mem_h> UcxTransport::map_for_devices(void* base, std::size_t bytes, MemoryKind kind) const {
  if (!worker_->has_rdma() || bytes == 0) return ucp_mem_h{nullptr};
  ucp_mem_map_params_t parameters{};
  parameters.field_mask =
      UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH | UCP_MEM_MAP_PARAM_FIELD_MEMORY_TYPE;
  parameters.address = base;
  parameters.length = bytes;
  parameters.memory_type = memory_type(kind);
  ucp_mem_h memory = nullptr;
  const ucs_status_t status = ucp_mem_map(worker_->context(), &parameters, &memory);
  if (status == UCS_OK) return memory;
  return status_error(Code::out_of_resources,
                      text("register ", format_bytes(bytes), " of memory; check the locked-memory limit (ulimit -l)"),
                      status);
}

Region UcxTransport::keep(Registration registration) {
  auto entry = std::find_if(registrations_.begin(), registrations_.end(), [](const auto& r) { return !r.used; });
  if (entry == registrations_.end()) entry = registrations_.insert(entry, Registration{});
  *entry = std::move(registration);
  const auto id = static_cast<std::uint64_t>(entry - registrations_.begin()) + 1;
  return Region{id, entry->base, entry->bytes, entry->kind};
}

void UcxTransport::release_memory(const Region& region) {
  if (region.id == 0 || region.id > registrations_.size()) return;
  Registration& registration = registrations_[region.id - 1];
  if (!registration.used || registration.base != region.base) return;
  if (registration.memory != nullptr && !abandoned_) ucp_mem_unmap(worker_->context(), registration.memory);
  if (registration.block != nullptr && abandoned_) registration.block->leave_behind();
  registration = {};
}

Result<RegionKey> UcxTransport::export_region(const Region& region) {
  if (endpoints_.size() == 0 || abandoned_) return no_view_error();
  if (region.id == 0 || !is_registered({region, 0, region.bytes}) || region.id > registrations_.size() ||
      region.bytes > registrations_[region.id - 1].bytes) {
    return unregistered_error(region);
  }
  const SharedBlock* const block = registrations_[region.id - 1].block.get();
  if (block == nullptr || block->name() == 0) {
    return Error{Code::unavailable,
                 text("peers cannot read region ", region.id, " in place: ",
                      block == nullptr ? "it is not of allocate_memory" : "shared memory is off (UCX_TLS)")};
  }
  return encode_region_key(
      {epoch_, self_, hash_bytes(address()), region.bytes, block->name(), worker_->shared_folder()->name()});
}

Result<RemoteRegion> UcxTransport::import_region(Rank peer, const RegionKey& key) {
  if (endpoints_.size() == 0 || abandoned_) return no_view_error();
  if (peer.value >= endpoints_.size()) return peer_range_error(peer, endpoints_.size());
  GOSSAMER_ASSIGN(const auto fields, check_region_key(key, epoch_, peer, endpoints_.at(peer.value).address));
  GOSSAMER_ASSIGN(const auto folder, shared_folder_path(fields.folder));
  auto block = SharedBlock::open(folder, fields.block, fields.bytes);
  if (!block.ok()) {
    Error error = std::move(block).error();
    if (error.code != Code::unavailable) return error;
    error.message = text("the memory of rank ", peer.value, " cannot be read in place: it is on another host, behind ",
                         "another /dev/shm, or released (", error.message, ")");
    error.rank = peer;
    return error;
  }
  imports_.emplace(++last_import_, std::move(*block));
  return RemoteRegion{last_import_, peer, fields.bytes};
}

Result<const std::byte*> UcxTransport::map_remote(const RemoteRegion& remote) {
  const auto found = imports_.find(remote.id);
  if (found == imports_.end()) return unknown_remote_error(remote);
  return static_cast<const std::byte*>(found->second->data());
}

}  // namespace gossamer::transport::ucx
