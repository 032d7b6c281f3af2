#include "transport/sim/sim_transport.h"

#include <algorithm>
#include <cstring>

#include "transport/region_key.h"
#include "transport/start_checks.h"

namespace gossamer::transport::sim {

SimTransport::SimTransport(std::shared_ptr<SimCore> core)
    : core_(std::move(core)), number_(core_->add_transport(*this)), address_(SimCore::make_address(number_)) {
  capabilities_.name = "sim";
  capabilities_.version = "1.0";
  capabilities_.ways = {"virtual"};
  capabilities_.memory_kinds = {MemoryKind::host};
  capabilities_.can_map = true;
}

SimTransport::~SimTransport() { core_->remove_transport(number_); }

Status SimTransport::open_view(const View& view) {
  if (!peers_.empty()) return Error{Code::busy, "a view is open; close it before the next one"};
  GOSSAMER_TRY(check_view(view));
  if (had_view_ && view.epoch <= epoch_) {
    return Error{Code::invalid_argument, text("epoch ", view.epoch.value, " is not newer than the former view's, ",
                                              epoch_.value, "; count epochs upwards")};
  }
  std::vector<PeerState> peers;
  for (std::size_t i = 0; i < view.addresses.size(); ++i) {
    const auto number = core_->find_transport(view.addresses[i]);
    if (!number) {
      const Rank rank{static_cast<std::uint32_t>(i)};
      return Error{Code::invalid_argument, text("the address of rank ", i, " is not of this simulated network"), rank};
    }
    peers.push_back({*number, false});
  }
  peers_ = std::move(peers);
  epoch_ = view.epoch;
  had_view_ = true;
  rank_ = view.rank;
  std::vector<Message> early = std::move(early_);
  early_.clear();
  for (Message& message : early) arrive(std::move(message));
  return {};
}

Status SimTransport::close_view(std::uint64_t /*deadline_ns*/) {
  core_->advance();
  peers_.clear();
  pending_.clear();
  posted_.clear();
  unexpected_.clear();
  early_.clear();
  remotes_.clear();
  finished_.clear();
  return {};
}

Result<Region> SimTransport::register_memory(void* base, std::size_t bytes, MemoryKind kind) {
  if (kind != MemoryKind::host) {
    return Error{Code::unavailable, text("the simulated network cannot move ", memory_kind_name(kind),
                                         " memory; copy it to host memory first")};
  }
  if (base == nullptr && bytes > 0) {
    return Error{Code::invalid_argument, text("cannot register ", bytes, " B at a null pointer")};
  }
  regions_.emplace(++last_region_, nullptr);
  return Region{last_region_, static_cast<std::byte*>(base), bytes, kind};
}

Result<Region> SimTransport::allocate_memory(std::size_t bytes) {
  std::byte* const memory = core_->allocate_memory(bytes);
  regions_.emplace(++last_region_, memory);
  return Region{last_region_, memory, bytes, MemoryKind::host};
}

void SimTransport::release_memory(const Region& region) {
  const auto known = regions_.find(region.id);
  if (known == regions_.end()) return;
  if (known->second != nullptr) core_->free_memory(known->second);
  regions_.erase(known);
}

Result<RegionKey> SimTransport::export_region(const Region& region) {
  if (peers_.empty()) return no_view_error();
  const auto known = regions_.find(region.id);
  if (known == regions_.end()) return unregistered_error(region);
  if (known->second == nullptr) {
    return Error{Code::unavailable,
                 text("peers cannot read region ", region.id, " in place: it is not of allocate_memory")};
  }
  return encode_region_key({epoch_, rank_, hash_bytes(address_), region.bytes, region.id, {}});
}

Result<RemoteRegion> SimTransport::import_region(Rank peer, const RegionKey& key) {
  GOSSAMER_TRY(check_start(peer, {}));
  const std::uint32_t number = peers_[peer.value].transport;
  GOSSAMER_ASSIGN(const auto fields, check_region_key(key, epoch_, peer, SimCore::make_address(number)));
  const SimTransport* const owner = core_->transport(number);
  const auto found = owner == nullptr ? regions_.end() : owner->regions_.find(fields.block);
  if (owner == nullptr || found == owner->regions_.end() || found->second == nullptr) {
    return Error{Code::unavailable, text("the memory of rank ", peer.value, " cannot be read in place: it is released"),
                 peer};
  }
  remotes_.emplace(++last_remote_, found->second);
  return RemoteRegion{last_remote_, peer, fields.bytes};
}

Result<const std::byte*> SimTransport::map_remote(const RemoteRegion& remote) {
  const auto found = remotes_.find(remote.id);
  if (found == remotes_.end()) return unknown_remote_error(remote);
  return found->second;
}

Status SimTransport::check_start(Rank peer, const Slice& slice) const {
  if (peers_.empty()) return no_view_error();
  if (peer.value >= peers_.size()) return peer_range_error(peer, peers_.size());
  if (!slice_fits(slice)) return slice_error(slice);
  if (slice.bytes > 0 && (slice.region.kind != MemoryKind::host || !regions_.contains(slice.region.id))) {
    return unregistered_error(slice.region);
  }
  if (peers_[peer.value].lost) return peer_lost_error(peer);
  return {};
}

std::uint64_t SimTransport::add_start(Start start) {
  pending_.emplace(++last_start_, std::move(start));
  return last_start_;
}

Result<Token> SimTransport::start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) {
  GOSSAMER_TRY(check_start(peer, slice));
  const std::uint64_t start = add_start({peer, tag, slice, context, StartKind::send});
  Message message;
  message.source = number_;
  message.destination = peers_[peer.value].transport;
  message.epoch = epoch_;
  message.source_rank = rank_;
  message.tag = tag;
  message.start = start;
  core_->send(std::move(message), slice.bytes);
  return Token{start};
}

Result<Token> SimTransport::start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) {
  GOSSAMER_TRY(check_start(peer, slice));
  core_->advance();
  const std::uint64_t start = add_start({peer, tag, slice, context, StartKind::receive});
  const Key key{peer.value, tag.value};
  const auto waiting = unexpected_.find(key);
  if (waiting == unexpected_.end()) {
    posted_[key].push_back(start);
    return Token{start};
  }
  const Message message = std::move(waiting->second.front());
  waiting->second.pop_front();
  if (waiting->second.empty()) unexpected_.erase(waiting);
  land(start, message);
  return Token{start};
}

void SimTransport::complete(std::uint64_t start, Code code, std::size_t bytes) {
  const auto entry = pending_.find(start);
  finished_.push_back({entry->second.context, code, bytes});
  pending_.erase(entry);
}

void SimTransport::unpost(std::uint64_t start, const Start& posted) {
  const auto entry = posted_.find({posted.peer.value, posted.tag.value});
  std::erase(entry->second, start);
  if (entry->second.empty()) posted_.erase(entry);
}

void SimTransport::land(std::uint64_t start, const Message& message) {
  const Slice& slice = pending_.at(start).slice;
  const std::size_t bytes = message.bytes.size();
  if (bytes > slice.bytes) return complete(start, Code::malformed, bytes);
  if (bytes > 0) std::memcpy(slice.data(), message.bytes.data(), bytes);
  complete(start, Code::done, bytes);
}

bool SimTransport::depart(Message& message) {
  const auto entry = pending_.find(message.start);
  if (entry == pending_.end()) return false;  // its view was closed, or its peer failed
  const Slice& slice = entry->second.slice;
  if (slice.bytes > 0) message.bytes.assign(slice.data(), slice.data() + slice.bytes);
  complete(message.start, Code::done, slice.bytes);
  return true;
}

void SimTransport::arrive(Message message) {
  const bool is_next = !had_view_ || message.epoch > epoch_;
  if (is_next) return early_.push_back(std::move(message));
  if (peers_.empty() || message.epoch != epoch_) return;  // of a view that is over
  if (message.source_rank.value >= peers_.size() || peers_[message.source_rank.value].lost) return;
  const Key key{message.source_rank.value, message.tag.value};
  const auto waiting = posted_.find(key);
  if (waiting == posted_.end()) {
    unexpected_[key].push_back(std::move(message));
    return;
  }
  const std::uint64_t start = waiting->second.front();
  waiting->second.pop_front();
  if (waiting->second.empty()) posted_.erase(waiting);
  land(start, message);
}

void SimTransport::cancel(Token token) {
  const auto entry = pending_.find(token.value);
  if (entry == pending_.end()) return;
  if (entry->second.kind == StartKind::send) return;  // it ends as it would have
  unpost(token.value, entry->second);
  complete(token.value, Code::cancelled, 0);
}

void SimTransport::fail_peer(Rank peer) {
  if (peer.value >= peers_.size() || peers_[peer.value].lost) return;
  core_->advance();
  peers_[peer.value].lost = true;
  std::vector<std::uint64_t> starts;
  for (const auto& [start, state] : pending_) {
    if (state.peer == peer) starts.push_back(start);
  }
  for (const std::uint64_t start : starts) {
    const Start& state = pending_.at(start);
    if (state.kind == StartKind::receive) unpost(start, state);
    complete(start, Code::peer_lost, 0);
  }
  std::erase_if(unexpected_, [&](const auto& entry) { return entry.first.first == peer.value; });
}

std::size_t SimTransport::poll(std::span<Completion> completions) {
  if (core_->is_dead(number_)) return 0;
  core_->advance();
  std::size_t count = 0;
  while (count < completions.size() && !finished_.empty()) {
    completions[count++] = finished_.front();
    finished_.pop_front();
  }
  return count;
}

}  // namespace gossamer::transport::sim
