// Puts with notices, and direct access to a peer's memory.
//
// A put takes one of two ways, chosen when the region is imported:
//
//   memory of allocate_memory, one host       bytes by store, then a count on the peer's notice board (notices.h):
//                                             no message, and the peer need not poll for the bytes to land
//   all else                                  an active message: header, bytes; its handler in the target writes
//                                             the bytes and counts. Long ones are fetched by rendezvous, which is
//                                             a remote read or write by the adapter where there is one
//
// Not ucp_put_nbx, a fence and a second put of a counter: UCX emulates a put wherever the transport has none for
// that memory (shared memory for memory of the user, tcp), and its target then writes to whatever address the
// message names, with no look at keys, so a peer that was excluded could write after its key was destroyed; and
// ucp_worker_fence orders neither emulated and real puts nor two transports. A put with a notice is one message
// here instead of two, and the target checks view, key and bounds of each. The price is that the target must
// poll, which whoever waits for a notice does.
#include <cstring>

#include "transport/start_checks.h"
#include "transport/ucx/library.h"
#include "transport/ucx/ucx_transport.h"

namespace gossamer::transport::ucx {
Result<Region> UcxTransport::allocate_memory(std::size_t bytes) {
  const SharedFolder* const folder = worker_->shared_folder();
  GOSSAMER_ASSIGN(auto block, SharedBlock::make(folder == nullptr ? "" : folder->path(), bytes));
  std::byte* const base = block->data();
  GOSSAMER_ASSIGN(auto memory, map_for_devices(base, bytes, MemoryKind::host));
  return keep({base, bytes, MemoryKind::host, memory, std::move(block), true});
}

Result<RegionKey> UcxTransport::export_region(const Region& region) {
  if (endpoints_.size() == 0 || closing_) return no_view_error();
  if (region.id == 0 || !is_registered({region, 0, region.bytes}) || region.id > registrations_.size() ||
      region.bytes > registrations_[region.id - 1].bytes) {
    return unregistered_error(region);
  }
  if (region.kind != MemoryKind::host) {
    return Error{Code::unavailable, text("peers cannot put into ", memory_kind_name(region.kind),
                                         " memory; give them host memory and copy from there")};
  }
  RegionKeyFields fields{epoch_, self_, hash_bytes(address()), exports_.add(region), region.bytes, {}, 0, 0};
  const SharedBlock* const block = registrations_[region.id - 1].block.get();
  if (block != nullptr && block->name() != 0) {
    const auto board = notices_.board(worker_->shared_folder()->path());
    if (board.ok()) {
      fields.folder = worker_->shared_folder()->name();
      fields.block = block->name();
      fields.board = *board;
    } else {
      log(LogLevel::warning, text("peers reach this memory by messages only: ", board.error().message));
    }
  }
  return encode_region_key(fields);
}

Result<RemoteRegion> UcxTransport::import_region(Rank peer, const RegionKey& key) {
  if (endpoints_.size() == 0 || closing_) return no_view_error();
  if (peer.value >= endpoints_.size()) return peer_range_error(peer, endpoints_.size());
  GOSSAMER_ASSIGN(const auto fields, check_region_key(key, epoch_, peer, endpoints_.at(peer.value).address));
  if (peer != self_) return imports_.add(peer, fields, endpoints_.size());
  const Region* const own = exports_.find(fields.serial);
  if (own == nullptr || own->bytes != fields.bytes) {
    return Error{Code::malformed, "the key is of memory that this rank has released", peer};
  }
  return imports_.add_own(peer, fields, own->base);
}

Result<const std::byte*> UcxTransport::map_remote(const RemoteRegion& remote) {
  const Remote* const found = imports_.find(remote);
  if (found == nullptr) return unknown_remote_error(remote);
  if (found->memory != nullptr) return static_cast<const std::byte*>(found->memory);
  return Error{
      Code::unavailable,
      text("the memory of rank ", remote.peer.value, " cannot be read in place: it is on another host, not of ",
           "allocate_memory, or shared memory is off (UCX_TLS)"),
      remote.peer};
}

Error UcxTransport::put_error(const RemoteRegion& to, std::size_t offset, const Slice& from, Notice notice) {
  if (endpoints_.size() == 0) return no_view_error();
  const Remote* const remote = imports_.find(to);
  if (remote == nullptr) return unknown_remote_error(to);
  if (notice.value >= notice_count) return notice_error(notice);
  if (!put_fits(offset, from.bytes, remote->bytes)) return put_range_error(offset, from.bytes, remote->bytes);
  if (remote->memory != nullptr && from.region.kind != MemoryKind::host) {
    return {Code::unavailable,
            text("cannot store ", memory_kind_name(from.region.kind), " memory; copy it to the host")};
  }
  return start_error(remote->peer, from);
}

Result<Token> UcxTransport::start_put(const RemoteRegion& to, std::size_t offset, const Slice& from, Notice notice,
                                      std::uint64_t context) {
  const Remote* const remote = imports_.find(to);
  if (remote == nullptr || notice.value >= notice_count || !put_fits(offset, from.bytes, remote->bytes) ||
      (remote->memory != nullptr && from.region.kind != MemoryKind::host)) {
    return put_error(to, offset, from, notice);
  }
  PeerState* const peer = ready(remote->peer, from, StartKind::put);
  if (peer == nullptr) return start_error(remote->peer, from);
  if (remote->peer == self_ && exports_.find(remote->serial) == nullptr) return unknown_remote_error(to);
  Record& record = requests_.acquire(StartKind::put, remote->peer, context, peer->pending);
  record.owner = this;
  record.bytes = from.bytes;
  if (remote->memory != nullptr) {
    store(*peer, *remote, offset, from, notice);
    requests_.finish(record, peer->pending, Code::done, from.bytes);
    return Requests::token(record);
  }
  const PutHeader& header = header_of(record, {remote->serial, offset, epoch_.value, self_.value, notice.value});
  ucp_request_param_t put = parameters(record, from);
  put.cb.send = &UcxTransport::on_sent;
  return started(
      record, *peer,
      ucp_am_send_nbx(peer->endpoint, Worker::put_id, &header, sizeof header, from.data(), from.bytes, &put));
}

void UcxTransport::store(PeerState& peer, const Remote& remote, std::size_t offset, const Slice& from, Notice notice) {
  // The own region may hold the source as well.
  if (from.bytes > 0) std::memmove(remote.memory + offset, from.data(), from.bytes);
  if (peer.rank == self_) return notices_.tell(self_, notice);
  PeerBoard& at_peer = imports_.board(peer.rank);
  at_peer.board.counter(self_.value, notice.value).store(++at_peer.counted[notice.value], std::memory_order_seq_cst);
  if (at_peer.board.asleep().load(std::memory_order_seq_cst) != 0) [[unlikely]]
    endpoints_.wake(peer);
}

const PutHeader& UcxTransport::header_of(const Record& record, const PutHeader& header) {
  const std::size_t block = record.index / header_block;
  while (headers_.size() <= block) headers_.push_back(std::make_unique<std::array<PutHeader, header_block>>());
  return (*headers_[block])[record.index % header_block] = header;
}

Result<Token> UcxTransport::start_await_notice(Rank peer, Notice notice, std::uint64_t context) {
  if (notice.value >= notice_count) return notice_error(notice);
  // Connected now: a long put can be ended only through an endpoint.
  if (ready(peer, {}, StartKind::receive) == nullptr) return start_error(peer, {});
  return notices_.start_wait(peer, notice, context);
}

// Where a put may be written; null for one that nobody waits for any more, or that is not believed.
const Region* UcxTransport::target_of(const PutHeader& put, std::size_t bytes) {
  if (closing_) return nullptr;
  const Region* const region = put_target(put, bytes, exports_, epoch_, endpoints_.size());
  return region != nullptr && !endpoints_.at(put.source).lost ? region : nullptr;
}

ucs_status_t UcxTransport::on_put(void* transport, const void* header, std::size_t header_bytes, void* data,
                                  std::size_t bytes, const ucp_am_recv_param_t* parameters) {
  auto& self = *static_cast<UcxTransport*>(transport);
  const auto put = read_put_header({static_cast<const std::byte*>(header), header_bytes});
  const Region* const region = put ? self.target_of(*put, bytes) : nullptr;
  if (region == nullptr) return UCS_OK;  // UCX drops it, and tells the sender of a long one that it is done
  if ((parameters->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0) {
    self.arrivals_.push_back({*put, data, bytes});
    return UCS_INPROGRESS;
  }
  if (bytes > 0) std::memcpy(region->base + put->offset, data, bytes);
  self.notices_.tell(Rank{put->source}, Notice{put->notice});
  return UCS_OK;
}

void UcxTransport::land_arrivals() {
  for (const Arrival& arrival : arrivals_) land(arrival);
  arrivals_.clear();
}

void UcxTransport::land(const Arrival& arrival) {
  const Region* const region = target_of(arrival.put, arrival.bytes);
  const Rank source{arrival.put.source};
  PeerState* const peer = region == nullptr ? nullptr : ready(source, {}, StartKind::receive);
  if (peer == nullptr || peer->endpoint == nullptr) return ucp_am_data_release(worker_->ucp(), arrival.data);
  Record& record = requests_.acquire(StartKind::landing, source, arrival.put.notice, peer->pending);
  record.owner = this;
  const Slice slice{*region, arrival.put.offset, arrival.bytes};
  ucp_request_param_t receive = parameters(record, slice);
  receive.cb.recv_am = &UcxTransport::on_landed;
  void* const request = ucp_am_recv_data_nbx(worker_->ucp(), arrival.data, slice.data(), slice.bytes, &receive);
  record.request = request;
  if (!UCS_PTR_IS_PTR(request)) finish_landing(record, UCS_PTR_STATUS(request));
}

void UcxTransport::finish_landing(Record& record, ucs_status_t status) {
  if (record.state == Record::State::orphaned) return requests_.end_orphan(record);
  const Rank source{record.peer};
  const Notice notice{static_cast<std::uint32_t>(record.context)};
  if (status == UCS_OK && !record.peer_failed && !closing_) notices_.tell(source, notice);
  requests_.abandon(record, endpoints_.at(record.peer).pending);
}

void UcxTransport::on_landed(void* request, ucs_status_t status, std::size_t /*bytes*/, void* user_data) {
  Record& record = *static_cast<Record*>(user_data);
  static_cast<UcxTransport*>(record.owner)->finish_landing(record, status);
  ucp_request_free(request);
}

Status UcxTransport::revoke_exports() {
  for (Registration& registration : registrations_) {
    const auto id = static_cast<std::uint64_t>(&registration - registrations_.data()) + 1;
    if (registration.block == nullptr || !exports_.has({id})) continue;
    // The pages change under the device's registration.
    if (registration.memory != nullptr) ucp_mem_unmap(worker_->context(), registration.memory);
    registration.memory = nullptr;
    Status revoked = registration.block->revoke();
    if (revoked.ok()) {
      auto memory = map_for_devices(registration.base, registration.bytes, MemoryKind::host);
      if (memory.ok()) {
        registration.memory = *memory;
        continue;
      }
      revoked = std::move(memory).error();
    }
    abandoned_ = true;
    worker_->abandon();
    return revoked;
  }
  exports_.clear();
  return {};
}

}  // namespace gossamer::transport::ucx
