// Keys, puts and notices of LibfabricTransport.
#include "transport/libfabric/libfabric_transport.h"
#include "transport/region_key.h"
#include "transport/start_checks.h"

namespace gossamer::transport::libfabric {

Result<RegionKey> LibfabricTransport::export_region(const Region& region) {
  if (!capabilities_.can_put) return Transport::export_region(region);
  if (endpoints_.size() == 0) return no_view_error();
  GOSSAMER_ASSIGN(auto exported, regions_.export_region(region));
  RegionKeyFields fields;
  fields.epoch = epoch_;
  fields.owner = rank_;
  fields.owner_address = hash_bytes(address_);
  fields.serial = exported.key;  // libfabric's key of the memory
  fields.block = exported.address;
  fields.bytes = region.bytes;
  return encode_region_key(fields);
}

Result<RemoteRegion> LibfabricTransport::import_region(Rank peer, const RegionKey& key) {
  if (!capabilities_.can_put) return Transport::import_region(peer, key);
  if (endpoints_.size() == 0) return no_view_error();
  if (peer.value >= endpoints_.size()) return peer_range_error(peer, endpoints_.size());
  GOSSAMER_ASSIGN(const auto fields, check_region_key(key, epoch_, peer, endpoints_.at(peer.value).address_bytes));
  return regions_.import_region(peer, {fields.serial, fields.block}, fields.bytes);
}

Result<Token> LibfabricTransport::start_put(const RemoteRegion& to, std::size_t offset, const Slice& from,
                                            Notice notice, std::uint64_t context) {
  if (!capabilities_.can_put) return Transport::start_put(to, offset, from, notice, context);
  if (endpoints_.size() == 0) return no_view_error();
  const Remote* const remote = regions_.find(to);
  if (remote == nullptr) return unknown_remote_error(to);
  if (!put_fits(offset, from.bytes, remote->bytes)) return put_range_error(offset, from.bytes, remote->bytes);
  if (notice.value >= notice_count) return notice_error(notice);
  PeerState* const peer = ready(remote->peer, from);
  if (peer == nullptr) return start_error(remote->peer, from);
  Operation& operation = begin(StartKind::put, *peer, from, context);
  operation.tag = encode_notice(epoch_, rank_, notice);
  operation.remote_address = remote->address + offset;
  operation.remote_key = remote->key;
  return launch(operation, *peer);
}

Result<const std::byte*> LibfabricTransport::map_remote(const RemoteRegion& remote) {
  if (endpoints_.size() != 0 && regions_.find(remote) == nullptr) return unknown_remote_error(remote);
  return Transport::map_remote(remote);
}

Result<Token> LibfabricTransport::start_await_notice(Rank peer, Notice notice, std::uint64_t context) {
  if (!capabilities_.can_put) return Transport::start_await_notice(peer, notice, context);
  const Slice nothing;
  if (ready(peer, nothing) == nullptr) return start_error(peer, nothing);
  if (notice.value >= notice_count) return notice_error(notice);
  return notices_.start_wait(peer, notice, context);
}

}  // namespace gossamer::transport::libfabric
