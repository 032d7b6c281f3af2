// Puts and notices of the simulated network: messages whose bytes land where their key says.
#include <cstring>

#include "transport/region_key.h"
#include "transport/sim/sim_transport.h"
#include "transport/start_checks.h"

namespace gossamer::transport::sim {

Result<Region> SimTransport::allocate_memory(std::size_t bytes) {
  regions_.emplace(++last_region_, true);
  return Region{last_region_, core_->allocate_memory(bytes), bytes, MemoryKind::host};
}

Result<RegionKey> SimTransport::export_region(const Region& region) {
  if (peers_.empty()) return no_view_error();
  const auto known = regions_.find(region.id);
  if (known == regions_.end()) return unregistered_error(region);
  exports_.emplace(++last_serial_, Export{region, known->second});
  return encode_region_key({epoch_, rank_, hash_bytes(address_), last_serial_, region.bytes, {}, 0, 0});
}

Result<RemoteRegion> SimTransport::import_region(Rank peer, const RegionKey& key) {
  GOSSAMER_TRY(check_start(peer, {}));
  const std::uint32_t number = peers_[peer.value].transport;
  GOSSAMER_ASSIGN(const auto fields, check_region_key(key, epoch_, peer, SimCore::make_address(number)));
  Remote remote{peer, fields.serial, fields.bytes, nullptr};
  if (const SimTransport* const owner = core_->transport(number)) {
    const auto exported = owner->exports_.find(fields.serial);
    const bool here = exported != owner->exports_.end();
    // As with real shared memory: only what its owner allocated, and the own memory.
    if (here && (exported->second.can_map || owner == this)) remote.memory = exported->second.region.base;
  }
  remotes_.emplace(++last_remote_, remote);
  return RemoteRegion{last_remote_, peer, fields.bytes};
}

Result<const std::byte*> SimTransport::map_remote(const RemoteRegion& remote) {
  const auto found = remotes_.find(remote.id);
  if (found == remotes_.end()) return unknown_remote_error(remote);
  if (found->second.memory != nullptr) return found->second.memory;
  return Error{
      Code::unavailable,
      text("the memory of rank ", remote.peer.value, " cannot be read in place: it is not of allocate_memory, or gone"),
      remote.peer};
}

Result<Token> SimTransport::start_put(const RemoteRegion& to, std::size_t offset, const Slice& from, Notice notice,
                                      std::uint64_t context) {
  if (peers_.empty()) return no_view_error();
  const auto found = remotes_.find(to.id);
  if (found == remotes_.end()) return unknown_remote_error(to);
  const Remote& remote = found->second;
  if (notice.value >= notice_count) return notice_error(notice);
  if (!put_fits(offset, from.bytes, remote.bytes)) return put_range_error(offset, from.bytes, remote.bytes);
  GOSSAMER_TRY(check_start(remote.peer, from));
  // The tag of a put matches nothing; it is in the event hash.
  const Tag tag{mix64(mix64(remote.serial, offset), notice.value)};
  const std::uint64_t start = add_start({remote.peer, tag, from, context, StartKind::put});
  Message message;
  message.source = number_;
  message.destination = peers_[remote.peer.value].transport;
  message.epoch = epoch_;
  message.source_rank = rank_;
  message.tag = tag;
  message.put = PutTarget{remote.serial, offset, notice};
  message.start = start;
  core_->send(std::move(message), from.bytes);
  return Token{start};
}

Result<Token> SimTransport::start_await_notice(Rank peer, Notice notice, std::uint64_t context) {
  if (notice.value >= notice_count) return notice_error(notice);
  GOSSAMER_TRY(check_start(peer, {}));
  core_->advance();
  const std::uint64_t start = add_start({peer, {}, {}, context, StartKind::wait, notice});
  NoticeSlot& slot = notices_[{peer.value, notice.value}];
  if (slot.came > 0) {
    --slot.came;
    complete(start, Code::done, 0);
  } else {
    slot.waiting.push_back(start);
  }
  return Token{start};
}

void SimTransport::unwait(std::uint64_t start, const Start& waiting) {
  std::erase(notices_[{waiting.peer.value, waiting.notice.value}].waiting, start);
}

void SimTransport::land_put(const Message& message) {
  const PutTarget& put = *message.put;
  const auto exported = exports_.find(put.serial);
  if (exported == exports_.end()) return;  // its region was released
  const Region& region = exported->second.region;
  if (!put_fits(put.offset, message.bytes.size(), region.bytes)) return;
  if (!message.bytes.empty()) std::memcpy(region.base + put.offset, message.bytes.data(), message.bytes.size());
  NoticeSlot& slot = notices_[{message.source_rank.value, put.notice.value}];
  if (slot.waiting.empty()) {
    ++slot.came;
    return;
  }
  const std::uint64_t start = slot.waiting.front();
  slot.waiting.pop_front();
  complete(start, Code::done, 0);
}

}  // namespace gossamer::transport::sim
