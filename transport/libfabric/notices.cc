#include "transport/libfabric/notices.h"

namespace gossamer::transport::libfabric {

void Notices::open(Epoch view, std::size_t rank_count) {
  view_ = view;
  peers_.resize(rank_count);
}

void Notices::close() { peers_.clear(); }

Notices::Slot& Notices::slot(std::uint32_t peer, std::uint32_t notice) {
  auto& slots = peers_[peer];
  if (slots == nullptr) slots = std::make_unique<Slots>();
  return (*slots)[notice];
}

void Notices::arrive(std::uint64_t data) {
  const auto bits = static_cast<std::uint32_t>(data);
  const Rank source{(bits >> 8) & 0xfffu};
  const Notice notice{bits & 0xffu};
  if (source.value >= peers_.size() || bits != encode_notice(view_, source, notice)) return;
  Slot& told = slot(source.value, notice.value);
  if (told.waits.empty()) {
    ++told.arrived;
  } else {
    requests_.finish(*told.waits.first(), told.waits, Code::done, 0);
  }
}

Token Notices::start_wait(Rank peer, Notice notice, std::uint64_t context) {
  Slot& waited = slot(peer.value, notice.value);
  Record& record = requests_.acquire(StartKind::wait, peer, context, waited.waits);
  record.request = &waited;
  const Token token = Requests::token(record);
  if (waited.arrived > 0) {
    --waited.arrived;
    requests_.finish(record, waited.waits, Code::done, 0);
  }
  return token;
}

void Notices::cancel(Record& wait) {
  requests_.finish(wait, static_cast<Slot*>(wait.request)->waits, Code::cancelled, 0);
}

void Notices::fail(Rank peer) {
  if (peers_[peer.value] == nullptr) return;
  for (Slot& each : *peers_[peer.value]) {
    while (!each.waits.empty()) requests_.finish(*each.waits.first(), each.waits, Code::peer_lost, 0);
  }
}

}  // namespace gossamer::transport::libfabric
