#include "transport/libfabric/regions.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gossamer::transport::libfabric {

Regions::~Regions() {
  for (Local& each : local_) unmap(each);
}

void Regions::unmap(Local& local) {
  local.memory.reset();
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
  GOSSAMER_ASSIGN(local.memory, domain_.register_memory(local.base, local.bytes, local.kind, endpoint_));
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
  const auto unused = std::find_if(local_.begin(), local_.end(), [](const Local& each) { return !each.used; });
  Local& entry = unused == local_.end() ? local_.emplace_back() : *unused;
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
  endpoint_ = nullptr;
  if (!domain_.needs(FI_MR_ENDPOINT)) return;
  for (Local& each : local_) {
    each.memory.reset();
    each.descriptor = nullptr;
  }
}

}  // namespace gossamer::transport::libfabric
