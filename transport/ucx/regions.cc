#include "transport/ucx/regions.h"

#include <algorithm>

#include "transport/shared_memory.h"

namespace gossamer::transport::ucx {

std::uint64_t Exports::add(const Region& region) {
  const auto same = [&](const Region& each) { return each.id == region.id; };
  auto entry = std::find_if(regions_.begin(), regions_.end(), same);
  if (entry == regions_.end()) entry = regions_.insert(entry, region);
  return first_serial_ + static_cast<std::uint64_t>(entry - regions_.begin());
}

const Region* Exports::find(std::uint64_t serial) const {
  const std::uint64_t index = serial - first_serial_;
  return index < regions_.size() && regions_[index].id != 0 ? &regions_[index] : nullptr;
}

bool Exports::has(const Region& region) const {
  return std::any_of(regions_.begin(), regions_.end(), [&](const Region& each) { return each.id == region.id; });
}

void Exports::forget(const Region& region) {
  for (Region& each : regions_) {
    if (each.id == region.id) each = {};
  }
}

void Exports::clear() {
  first_serial_ += regions_.size();
  regions_.clear();
}

void Imports::close() {
  remotes_.clear();
  boards_.clear();
}

Status Imports::map(Remote& remote, const RegionKeyFields& fields, std::size_t rank_count) {
  GOSSAMER_ASSIGN(const auto folder, shared_folder_path(fields.folder));
  auto& board = boards_[remote.peer.value];
  if (board == nullptr) {
    GOSSAMER_ASSIGN(auto opened, SharedBlock::open(folder, fields.board, Board::bytes(rank_count)));
    auto made = std::make_unique<PeerBoard>();
    made->block = std::move(opened);
    made->board.words = reinterpret_cast<std::uint32_t*>(made->block->data());
    board = std::move(made);
  } else if (board->block->name() != fields.board) {
    return Error{Code::malformed,
                 text("a key of rank ", remote.peer.value,
                      " names another notice board than its "
                      "former keys of this view"),
                 remote.peer};
  }
  GOSSAMER_ASSIGN(remote.block, SharedBlock::open(folder, fields.block, remote.bytes));
  remote.memory = remote.block->data();
  return {};
}

Result<RemoteRegion> Imports::add(Rank peer, const RegionKeyFields& fields, std::size_t rank_count) {
  Remote remote;
  remote.peer = peer;
  remote.serial = fields.serial;
  remote.bytes = fields.bytes;
  if (!fields.folder.empty()) {
    const Status mapped = map(remote, fields, rank_count);
    if (!mapped.ok() && mapped.error().code == Code::malformed) return mapped.error();
    // On another host, or behind another /dev/shm: by messages.
    if (!mapped.ok() && is_log_enabled(LogLevel::debug)) log(LogLevel::debug, mapped.error().message);
  }
  return keep(std::move(remote));
}

RemoteRegion Imports::add_own(Rank self, const RegionKeyFields& fields, std::byte* memory) {
  Remote remote;
  remote.peer = self;
  remote.serial = fields.serial;
  remote.bytes = fields.bytes;
  remote.memory = memory;
  return keep(std::move(remote));
}

RemoteRegion Imports::keep(Remote remote) {
  remote.used = true;
  remote.generation = ++generation_;
  auto entry = std::find_if(remotes_.begin(), remotes_.end(), [](const Remote& each) { return !each.used; });
  if (entry == remotes_.end()) entry = remotes_.insert(entry, Remote{});
  const auto index = static_cast<std::uint64_t>(entry - remotes_.begin());
  const RemoteRegion named{(std::uint64_t{remote.generation} << 32) | index, remote.peer, remote.bytes};
  *entry = std::move(remote);
  return named;
}

Remote* Imports::find(const RemoteRegion& remote) {
  const std::size_t index = remote.id & 0xffffffffu;
  if (index >= remotes_.size()) return nullptr;
  Remote& found = remotes_[index];
  return found.used && found.generation == remote.id >> 32 ? &found : nullptr;
}

void Imports::release(const RemoteRegion& remote) {
  if (Remote* const found = find(remote)) *found = {};
}

}  // namespace gossamer::transport::ucx
