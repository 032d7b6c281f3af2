// What becomes of a start of LibfabricTransport: taken at last, completed, cancelled, or ended with its peer.
#include <rdma/fi_errno.h>

#include <algorithm>
#include <array>

#include "transport/libfabric/libfabric_transport.h"

namespace gossamer::transport::libfabric {
namespace {

// When fail_peer ends the receives that a cancel has not: those that a message had matched.
constexpr std::uint64_t orphan_after_ns = 50'000'000;
// Reads of full batches in one poll; bounds its time.
constexpr int queue_reads_max = 8;
constexpr std::size_t queue_batch = 16;

}  // namespace

void LibfabricTransport::delay(Operation& operation, PeerState& peer) {
  Delayed& queue = queue_of(operation, peer);
  if (queue.records.empty()) {
    queue.since_ns = clock_.now_ns();
    queue.moved = false;
    const bool known = std::find(delayed_.begin(), delayed_.end(), &peer) != delayed_.end();  // emptied by a cancel
    if (&queue == &peer.delayed && !known) delayed_.push_back(&peer);
  }
  peer.pending.remove(*operation.record);
  queue.records.append(*operation.record);
  operation.delayed = true;
}

bool LibfabricTransport::repost(Delayed& delayed) {
  while (Record* const record = delayed.records.first()) {
    Operation& operation = operations_.of(*record);
    PeerState& peer = endpoints_.at(record->peer);
    const Posted posted = post_to(operation, peer);
    if (posted.result == -FI_EAGAIN) break;
    delayed.records.remove(*record);
    peer.pending.append(*record);
    operation.delayed = false;
    delayed.moved = true;
    if (posted.result != 0) {
      finish(*record, completion_code(posted.result), 0);
    } else if (posted.ended) {
      finish(*record, Code::done, operation.bytes);
    }
  }
  if (delayed.records.empty()) return true;
  const std::uint64_t now_ns = clock_.now_ns();
  if (delayed.moved) {
    delayed.since_ns = now_ns;
    delayed.moved = false;
  } else if (now_ns - delayed.since_ns > options_.stall_limit_ns) {
    log(LogLevel::warning, text("libfabric took no start to rank ", delayed.records.first()->peer, " for ",
                                format_duration(now_ns - delayed.since_ns), ": giving up those that wait"));
    end_delayed(delayed, Code::unavailable);
    return true;
  }
  return false;
}

void LibfabricTransport::end_delayed(Delayed& delayed, Code code) {
  while (!delayed.records.empty()) requests_.finish(*delayed.records.first(), delayed.records, code, 0);
}

void LibfabricTransport::complete(Operation& operation, Code code, std::size_t bytes) {
  Record& record = *operation.record;
  if (record.state == Record::State::orphaned) return requests_.end_orphan(record);
  endpoints_.at(record.peer).delayed.moved = true;
  receives_.moved = true;
  finish(record, code, bytes);
}

void LibfabricTransport::finish(Record& record, Code code, std::size_t bytes) {
  requests_.finish(record, endpoints_.at(record.peer).pending, record.peer_failed ? Code::peer_lost : code, bytes);
}

std::size_t LibfabricTransport::read_queue() {
  std::array<fi_cq_tagged_entry, queue_batch> entries;
  const ssize_t count = fi_cq_read(endpoint_->completions(), entries.data(), entries.size());
  if (count == -FI_EAVAIL) {
    read_error();
    return 1;
  }
  for (ssize_t i = 0; i < count; ++i) {
    const fi_cq_tagged_entry& entry = entries[static_cast<std::size_t>(i)];
    if (entry.op_context == nullptr) continue;
    Operation& operation = *static_cast<Operation*>(entry.op_context);
    complete(operation, Code::done, operation.record->kind == StartKind::receive ? entry.len : operation.bytes);
  }
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

void LibfabricTransport::read_error() {
  fi_cq_err_entry entry{};
  if (fi_cq_readerr(endpoint_->completions(), &entry, 0) != 1) return;
  if (entry.err != FI_ECANCELED && is_log_enabled(LogLevel::info)) {
    log(LogLevel::info, text("libfabric: a transfer failed: ", fi_strerror(entry.err)));
  }
  if (entry.op_context == nullptr) return;
  Operation& operation = *static_cast<Operation*>(entry.op_context);
  // What nobody gave up was ended with its connection.
  const bool flushed = entry.err == FI_ECANCELED && !operation.given_up;
  complete(operation, flushed ? Code::peer_lost : completion_code(entry.err), entry.len);
}

std::size_t LibfabricTransport::poll(std::span<Completion> completions) {
  if (endpoints_.size() == 0) return 0;
  std::size_t count = 0;
  for (int read = 0; read < queue_reads_max; ++read) {
    const std::size_t taken = read_queue();
    while (count < completions.size() && requests_.pop_finished(completions[count])) ++count;
    // Reading an empty queue again costs a system call or two over TCP.
    if (taken < queue_batch || count == completions.size()) break;
  }
  if (!delayed_.empty() || !receives_.records.empty() || !failed_.empty()) care();
  return count;
}

void LibfabricTransport::care() {
  static_cast<void>(repost(receives_));
  std::erase_if(delayed_, [&](PeerState* peer) { return repost(peer->delayed); });
  std::erase_if(failed_, [&](const FailedPeer& failed) {
    PeerState& peer = endpoints_.at(failed.rank.value);
    if (peer.pending.empty()) return true;
    if (clock_.now_ns() < failed.orphan_ns) return false;
    while (!peer.pending.empty()) requests_.orphan(*peer.pending.first(), peer.pending, Code::peer_lost);
    return true;
  });
}

void LibfabricTransport::cancel(Token token) {
  Record* const record = requests_.find(token);
  if (record == nullptr) return;
  Operation& operation = operations_.of(*record);
  if (operation.delayed) {
    Delayed& queue = queue_of(operation, endpoints_.at(record->peer));
    requests_.finish(*record, queue.records, Code::cancelled, 0);
  } else if (record->kind == StartKind::receive) {
    give_up(operation);
  }
}

// Ends a receive that nothing has matched, at the next poll.
void LibfabricTransport::give_up(Operation& receive) {
  receive.given_up = true;
  static_cast<void>(fi_cancel(&endpoint_->ep()->fid, &receive));
}

void LibfabricTransport::fail_peer(Rank rank) {
  if (rank.value >= endpoints_.size()) return;
  PeerState& peer = endpoints_.at(rank.value);
  if (peer.lost) return;
  peer.lost = true;
  end_delayed(peer.delayed, Code::peer_lost);
  std::erase(delayed_, &peer);
  Record* next = nullptr;
  for (Record* record = receives_.records.first(); record != nullptr; record = next) {
    next = record->next;
    if (record->peer == rank.value) requests_.finish(*record, receives_.records, Code::peer_lost, 0);
  }
  for (Record* record = peer.pending.first(); record != nullptr; record = next) {
    next = record->next;
    record->peer_failed = true;
    if (record->kind == StartKind::receive) {
      give_up(operations_.of(*record));
    } else {
      requests_.orphan(*record, peer.pending, Code::peer_lost);
    }
  }
  if (!peer.pending.empty()) failed_.push_back({rank, clock_.now_ns() + orphan_after_ns});
}

bool LibfabricTransport::arm() {
  if (endpoints_.size() == 0 || event_descriptor_ < 0 || requests_.has_finished()) return false;
  if (!delayed_.empty() || !receives_.records.empty() || !failed_.empty()) return false;
  fid* queue = &endpoint_->completions()->fid;
  return fi_trywait(domain_->fabric(), &queue, 1) == FI_SUCCESS;
}

}  // namespace gossamer::transport::libfabric
