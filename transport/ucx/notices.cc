#include "transport/ucx/notices.h"

#include <algorithm>

namespace gossamer::transport::ucx {

Result<std::uint64_t> Notices::board(const std::string& folder) {
  if (block_ == nullptr) {
    GOSSAMER_ASSIGN(block_, SharedBlock::make(folder, Board::bytes(peers_.size())));
    board_.words = reinterpret_cast<std::uint32_t*>(block_->data());
  }
  return block_->name();
}

void Notices::close() {
  for (Slot* const each : waiting_) end_all(*each, Code::cancelled);
  waiting_.clear();
  peers_.clear();
  board_ = {};
  block_.reset();
  asleep_ = false;
}

Notices::Slot& Notices::slot(Rank peer, Notice notice) {
  auto& slots = peers_[peer.value];
  if (slots == nullptr) {
    slots = std::make_unique<Slots>();
    for (std::uint32_t i = 0; i < notice_count; ++i) {
      (*slots)[i].rank = peer.value;
      (*slots)[i].notice = i;
    }
  }
  return (*slots)[notice.value];
}

Result<Token> Notices::start_wait(Rank peer, Notice notice, std::uint64_t context) {
  Slot& waited = slot(peer, notice);
  if (waited.waits.empty()) waiting_.push_back(&waited);
  Record& record = requests_.acquire(StartKind::wait, peer, context, waited.waits);
  record.request = &waited;
  return Requests::token(record);
}

void Notices::cancel(Record& wait) {
  Slot& waited = *static_cast<Slot*>(wait.request);
  requests_.finish(wait, waited.waits, Code::cancelled, 0);
  if (waited.waits.empty()) std::erase(waiting_, &waited);
}

void Notices::end_all(Slot& slot, Code code) {
  while (!slot.waits.empty()) requests_.finish(*slot.waits.first(), slot.waits, code, 0);
}

void Notices::fail(Rank peer) {
  if (peers_[peer.value] == nullptr) return;
  deliver();
  for (Slot& each : *peers_[peer.value]) end_all(each, Code::peer_lost);
  std::erase_if(waiting_, [](const Slot* each) { return each->waits.empty(); });
}

void Notices::tell(Rank peer, Notice notice) { ++slot(peer, notice).told; }

std::uint32_t Notices::due(const Slot& slot) const {
  const std::uint32_t counted =
      board_.words == nullptr ? 0 : board_.counter(slot.rank, slot.notice).load(std::memory_order_seq_cst);
  return counted + slot.told - slot.ended;
}

void Notices::deliver(Slot& slot) {
  for (std::uint32_t left = due(slot); left > 0 && !slot.waits.empty(); --left) {
    requests_.finish(*slot.waits.first(), slot.waits, Code::done, 0);
    ++slot.ended;
  }
}

void Notices::deliver_waiting() {
  bool some_empty = false;
  for (Slot* const each : waiting_) {
    deliver(*each);
    some_empty = some_empty || each->waits.empty();
  }
  if (some_empty) std::erase_if(waiting_, [](const Slot* each) { return each->waits.empty(); });
}

void Notices::set_asleep(bool asleep) {
  asleep_ = asleep;
  if (board_.words != nullptr) board_.asleep().store(asleep ? 1 : 0, std::memory_order_seq_cst);
}

bool Notices::fall_asleep() {
  if (waiting_.empty()) return true;
  set_asleep(true);
  if (std::none_of(waiting_.begin(), waiting_.end(), [&](const Slot* each) { return due(*each) > 0; })) return true;
  wake();
  return false;
}

}  // namespace gossamer::transport::ucx
