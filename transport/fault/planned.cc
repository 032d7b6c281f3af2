// The decorator's events and time: what was planned, when it is due, and what follows from it.
#include <algorithm>
#include <utility>

#include "transport/fault/fault_transport.h"

namespace gossamer::transport::fault {

namespace {

bool is_of_messages(FaultKind kind) { return kind <= FaultKind::corrupt; }

}  // namespace

void FaultDecorator::note(FaultKind kind, Rank peer, std::uint64_t number) {
  ++counts_.fired[static_cast<std::size_t>(kind)];
  counts_.hash += mix64(std::uint64_t{static_cast<std::uint8_t>(kind)} << 32 | peer.value, number);
}

void FaultDecorator::settle() {
  quiet_ = !has_chances_ && events_left_ == 0 && cuts_ == 0 && held_.empty() && !dead_ && stalled_until_ns_ == 0;
}

void FaultDecorator::meet_events(Fate& fate, Rank peer, std::uint64_t number, std::uint64_t total,
                                 std::uint64_t now_ns) {
  for (std::size_t i = 0; i < options_.events.size(); ++i) {
    const FaultEvent& event = options_.events[i];
    if (fired_[i] || event.rank != rank_) continue;
    if (event.peer && *event.peer != peer) continue;
    if (event.message) {
      if (*event.message != (event.peer ? number : total)) continue;
    } else if (!is_of_messages(event.kind) || now_ns < made_ns_ + event.at_ns) {
      continue;
    }
    fired_[i] = true;
    --events_left_;
    switch (event.kind) {
      case FaultKind::delay:
        fate.delay_ns = event.duration_ns > 0 ? event.duration_ns : delay_draw(options_, rank_, peer, number);
        break;
      case FaultKind::drop:
        fate.drop = true;
        break;
      case FaultKind::duplicate:
        fate.duplicate = true;
        break;
      case FaultKind::corrupt:
        fate.corrupt = true;
        break;
      case FaultKind::stall:
        fate.stall_ns = event.duration_ns > 0 ? event.duration_ns : stall_draw(options_, rank_, peer, number);
        break;
      case FaultKind::cut:
        cut_link(peer, event.duration_ns > 0 ? now_ns + event.duration_ns : never_ns);
        break;
      case FaultKind::kill:
        kill();
        break;
    }
  }
}

// What is planned by time and due, and cuts that are over.
void FaultDecorator::keep_time(std::uint64_t now_ns) {
  if (stalled_until_ns_ > 0 && now_ns >= stalled_until_ns_) stalled_until_ns_ = 0;
  if (now_ns < timed_ns_) return;
  for (std::uint32_t peer = 0; cuts_ > 0 && peer < rank_count_; ++peer)
    if (links_[peer].cut && links_[peer].cut_until_ns <= now_ns) restore(Rank{peer});
  for (std::size_t i = 0; i < options_.events.size(); ++i) {
    const FaultEvent& event = options_.events[i];
    if (fired_[i] || event.message || is_of_messages(event.kind) || made_ns_ + event.at_ns > now_ns) continue;
    const bool other_end = event.kind == FaultKind::cut && event.peer == rank_;
    if (event.rank != rank_ && !other_end) continue;
    fired_[i] = true;
    --events_left_;
    if (event.kind == FaultKind::kill) kill();
    if (event.kind == FaultKind::stall) {
      const std::uint64_t length_ns =
          event.duration_ns > 0 ? event.duration_ns : stall_draw(options_, rank_, rank_, messages_);
      stalled_until_ns_ = std::max(stalled_until_ns_, now_ns + length_ns);
      note(FaultKind::stall, rank_, messages_);
    }
    if (event.kind == FaultKind::cut)
      cut_link(other_end ? event.rank : *event.peer, event.duration_ns > 0 ? now_ns + event.duration_ns : never_ns);
  }
  plan_time();
}

void FaultDecorator::plan_time() {
  timed_ns_ = never_ns;
  if (rank_count_ == 0 || dead_) return;
  for (std::uint32_t peer = 0; cuts_ > 0 && peer < rank_count_; ++peer)
    if (links_[peer].cut) timed_ns_ = std::min(timed_ns_, links_[peer].cut_until_ns);
  for (std::size_t i = 0; events_left_ > 0 && i < options_.events.size(); ++i) {
    const FaultEvent& event = options_.events[i];
    if (fired_[i] || event.message || is_of_messages(event.kind)) continue;
    if (event.rank == rank_ || (event.kind == FaultKind::cut && event.peer == rank_))
      timed_ns_ = std::min(timed_ns_, made_ns_ + event.at_ns);
  }
}

std::optional<std::uint64_t> FaultDecorator::next_event_ns() const {
  if (dead_) return std::nullopt;
  std::uint64_t next_ns = timed_ns_;
  if (stalled_until_ns_ > 0) {
    next_ns = std::min(next_ns, stalled_until_ns_);
  } else if (!held_.empty()) {
    next_ns = std::min(next_ns, held_.front().due_ns);
  }
  return next_ns == never_ns ? std::nullopt : std::optional(next_ns);
}

void FaultDecorator::stall(std::uint64_t duration_ns) {
  if (dead_ || duration_ns == 0) return;
  stalled_until_ns_ = std::max(stalled_until_ns_, clock_.now_ns() + duration_ns);
  note(FaultKind::stall, rank_, messages_);
  settle();
}

void FaultDecorator::cut_link(Rank peer, std::uint64_t until_ns) {
  if (dead_ || peer == rank_ || peer.value >= rank_count_) return;
  Link& link = links_[peer.value];
  link.cut_until_ns = until_ns;
  if (std::exchange(link.cut, true)) return plan_time();
  ++cuts_;
  note(FaultKind::cut, peer, link.messages);
  plan_time();
  settle();
}

void FaultDecorator::restore(Rank peer) {
  if (peer.value >= rank_count_ || !std::exchange(links_[peer.value].cut, false)) return;
  --cuts_;
  plan_time();
  settle();
}

void FaultDecorator::kill() {
  if (std::exchange(dead_, true)) return;
  note(FaultKind::kill, rank_, messages_);
  plan_time();
  settle();
}

}  // namespace gossamer::transport::fault
