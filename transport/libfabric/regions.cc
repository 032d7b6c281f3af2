#include "transport/libfabric/regions.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "transport/start_checks.h"

namespace gossamer::transport::libfabric {
namespace {

// The first unused entry, or a new one.
template <typename Entry>
Entry& free_entry(std::vector<Entry>& entries) {
  const auto found = std::find_if(entries.begin(), entries.end(), [](const Entry& each) { return !each.used; });
  return found == entries.end() ? entries.emplace_back() : *found;
}

}  // namespace

Regions::~Regions() {
  for (Local& each : local_) unmap(each);
}

void Regions::unmap(Local& local) {
  local.memory.reset();
  local.exported.reset();
  if (local.own) ::munmap(local.base, local.bytes);
  local = {};
}

bool Regions::is_known(const Region& region) const {
  return region.id - 1 < local_.size() && local_[region.id - 1].used && local_[region.id - 1].base == region.base;
}

Status Regions::register_local(Local& local) {
  const bool needed = domain_.needs(FI_MR_LOCAL) || local.kind != MemoryKind::host;
  if (!needed || local.bytes == 0) return {};
  if (endpoint_ == nullptr && domain_.needs(FI_MR_ENDPOINT)) return {};  // when the view opens
  GOSSAMER_ASSIGN(local.memory, domain_.register_memory(local.base, local.bytes, local.kind,
                                                        FI_SEND | FI_RECV | FI_WRITE, endpoint_));
  local.descriptor = fi_mr_desc(local.memory.get());
  return {};
}

Result<Region> Regions::add(void* base, std::size_t bytes, MemoryKind kind) {
  Local local;
  local.base = static_cast<std::byte*>(base);
  local.bytes = bytes;
  local.kind = kind;
  local.used = true;
  GOSSAMER_TRY(register_local(local));
  Local& entry = free_entry(local_);
  entry = std::move(local);
  const auto id = static_cast<std::uint64_t>(&entry - local_.data()) + 1;
  return Region{id, entry.base, bytes, kind};
}

Result<Region> Regions::allocate(std::size_t bytes) {
  const std::size_t mapped = std::max<std::size_t>(bytes, 1);
  void* const memory = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return Error{Code::out_of_resources, text("no memory for ", format_bytes(bytes), ": ", std::strerror(errno))};
  }
  auto region = add(memory, bytes, MemoryKind::host);
  if (!region.ok()) {
    ::munmap(memory, mapped);
    return region;
  }
  Local& local = local_[region->id - 1];
  local.own = true;
  local.bytes = mapped;
  return region;
}

void Regions::remove(const Region& region) {
  if (is_known(region)) unmap(local_[region.id - 1]);
}

Status Regions::open(fid_ep* endpoint) {
  endpoint_ = endpoint;
  if (!domain_.needs(FI_MR_ENDPOINT)) return {};
  for (Local& each : local_) {
    if (each.used) GOSSAMER_TRY(register_local(each));
  }
  return {};
}

void Regions::close() {
  for (Local& each : local_) {
    each.exported.reset();
    if (!domain_.needs(FI_MR_ENDPOINT)) continue;
    each.memory.reset();
    each.descriptor = nullptr;
  }
  endpoint_ = nullptr;
  remote_.clear();
}

Result<Regions::Exported> Regions::export_region(const Region& region) {
  if (!is_known(region)) return unregistered_error(region);
  Local& local = local_[region.id - 1];
  if (local.exported == nullptr) {
    GOSSAMER_ASSIGN(local.exported,
                    domain_.register_memory(local.base, local.bytes, local.kind, FI_REMOTE_WRITE, endpoint_));
  }
  return Exported{fi_mr_key(local.exported.get()),
                  domain_.needs(FI_MR_VIRT_ADDR) ? reinterpret_cast<std::uintptr_t>(local.base) : 0};
}

RemoteRegion Regions::import_region(Rank peer, const Exported& exported, std::size_t bytes) {
  Remote& entry = free_entry(remote_);
  entry = {peer, exported.address, exported.key, bytes, ++generation_, true};
  const auto index = static_cast<std::uint64_t>(&entry - remote_.data());
  return {std::uint64_t{entry.generation} << 32 | index, peer, bytes};
}

const Remote* Regions::find(const RemoteRegion& remote) const {
  const std::size_t index = remote.id & 0xffffffffu;
  if (index >= remote_.size()) return nullptr;
  const Remote& found = remote_[index];
  return found.used && found.generation == remote.id >> 32 ? &found : nullptr;
}

void Regions::release(const RemoteRegion& remote) {
  if (find(remote) != nullptr) remote_[remote.id & 0xffffffffu] = {};
}

}  // namespace gossamer::transport::libfabric
