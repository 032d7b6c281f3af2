#include "transport/fault/fault_transport.h"

#include <algorithm>
#include <utility>

#include "transport/start_checks.h"

namespace gossamer::transport {
namespace fault {

namespace {

constexpr std::uint64_t destructor_deadline_ns = 1'000'000'000;
// In the hash, so that the n-th receive is not the n-th message.
constexpr std::uint64_t receive_mark = std::uint64_t{1} << 63;

}  // namespace

FaultDecorator::FaultDecorator(std::unique_ptr<Transport> inner, const FaultOptions& options, const Clock& clock)
    : options_(options),
      clock_(clock),
      made_ns_(clock.now_ns()),
      has_chances_(options.delay > 0 || options.drop > 0 || options.duplicate > 0 || options.corrupt > 0 ||
                   options.stall > 0),
      inner_(std::move(inner)),
      copies_(*inner_),
      capabilities_(inner_->capabilities()),
      fired_(options.events.size(), false) {
  capabilities_.name = text("fault(", capabilities_.name, ")");
  settle();
}

FaultDecorator::~FaultDecorator() {
  // Copies that are under way must be at rest before their memory goes.
  if (rank_count_ > 0) static_cast<void>(close_view(destructor_deadline_ns));
  if (!abandoned_) copies_.release_memory();
  inner_.reset();
}

Status FaultDecorator::open_view(const View& view) {
  GOSSAMER_TRY(inner_->open_view(view));
  rank_ = view.rank;
  rank_count_ = view.addresses.size();
  if (links_.size() < rank_count_) links_.resize(rank_count_);
  events_left_ = 0;
  for (std::size_t i = 0; i < options_.events.size(); ++i) {
    const FaultEvent& event = options_.events[i];
    const bool mine = event.rank == rank_ || (event.kind == FaultKind::cut && !event.message && event.peer == rank_);
    if (mine && !fired_[i]) ++events_left_;
  }
  plan_time();
  settle();
  return {};
}

Status FaultDecorator::close_view(std::uint64_t deadline_ns) {
  const Status closed = inner_->close_view(deadline_ns);
  if (!closed.ok()) {
    abandoned_ = true;
    copies_.abandon();
  }
  for (std::uint32_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].state != Slot::State::free) release(i);
  held_.clear();
  finished_.clear();
  finished_head_ = 0;
  for (Link& link : links_) {
    link.lost = false;
    link.cut = false;
  }
  cuts_ = 0;
  rank_count_ = 0;
  plan_time();
  settle();
  return closed;
}

Result<Region> FaultDecorator::register_memory(void* base, std::size_t bytes, MemoryKind kind) {
  auto region = inner_->register_memory(base, bytes, kind);
  if (region.ok()) regions_.emplace(region->id, region->kind);
  return region;
}

void FaultDecorator::release_memory(const Region& region) {
  regions_.erase(region.id);
  inner_->release_memory(region);
}

Result<Region> FaultDecorator::allocate_memory(std::size_t bytes) {
  auto region = inner_->allocate_memory(bytes);
  if (region.ok()) regions_.emplace(region->id, region->kind);
  return region;
}

std::uint32_t FaultDecorator::acquire(StartKind kind, Rank peer, std::uint64_t context) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[index];
  slot.kind = kind;
  slot.peer = peer;
  slot.context = context;
  return index;
}

void FaultDecorator::release(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.copy != nullptr && !abandoned_) copies_.release(slot.copy);
  slot.copy = nullptr;
  slot.silent = false;
  slot.state = Slot::State::free;
  ++slot.generation;
  free_slots_.push_back(index);
}

Result<Token> FaultDecorator::start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) {
  const std::uint32_t index = acquire(StartKind::send, peer, context);
  slots_[index].tag = tag;
  slots_[index].slice = slice;
  return start(index);
}

Result<Token> FaultDecorator::start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) {
  const std::uint32_t index = acquire(StartKind::receive, peer, context);
  slots_[index].tag = tag;
  slots_[index].slice = slice;
  return start(index);
}

Result<Token> FaultDecorator::start_inner(const Slot& slot, std::uint64_t context) {
  const Slice slice = slot.copy == nullptr ? slot.slice : Slice{slot.copy->region, 0, slot.slice.bytes};
  return is_message(slot) ? inner_->start_send(slot.peer, slot.tag, slice, context)
                          : inner_->start_receive(slot.peer, slot.tag, slice, context);
}

Result<Token> FaultDecorator::pass(std::uint32_t index) {
  Slot& slot = slots_[index];
  auto inner = start_inner(slot, index);
  if (!inner.ok()) {
    release(index);
    return inner;
  }
  slot.inner = *inner;
  slot.state = Slot::State::passed;
  return token(index);
}

// What a start that may be held must satisfy: the inner transport sees it too late to say so at once.
Status FaultDecorator::check_start(const Slot& slot) const {
  if (rank_count_ == 0) return no_view_error();
  if (slot.peer.value >= rank_count_) return peer_range_error(slot.peer, rank_count_);
  if (!slice_fits(slot.slice)) return slice_error(slot.slice);
  const auto region = regions_.find(slot.slice.region.id);
  if (slot.slice.bytes > 0 && (region == regions_.end() || region->second != slot.slice.region.kind)) {
    return unregistered_error(slot.slice.region);
  }
  if (links_[slot.peer.value].lost) return peer_lost_error(slot.peer);
  return {};
}

Result<Token> FaultDecorator::start_with_faults(std::uint32_t index) {
  if (const Status status = check_start(slots_[index]); !status.ok()) {
    release(index);
    return status.error();
  }
  const std::uint64_t now_ns = clock_.now_ns();
  keep_time(now_ns);
  slots_[index].state = Slot::State::held;
  if (dead_) return token(index);
  if (is_message(slots_[index])) {
    auto started = start_message(index, now_ns);
    settle();
    return started;
  }
  const Rank peer = slots_[index].peer;
  const std::uint64_t number = links_[peer.value].receives++;
  const std::uint64_t delay_ns = delay_of_receive(options_, rank_, peer, number);
  if (delay_ns == 0) return pass(index);
  note(FaultKind::delay, peer, number | receive_mark);
  hold(index, now_ns + delay_ns);
  return token(index);
}

Result<Token> FaultDecorator::start_message(std::uint32_t index, std::uint64_t now_ns) {
  const Token started = token(index);
  const Rank peer = slots_[index].peer;
  const std::uint64_t number = links_[peer.value].messages++;
  const std::uint64_t total = messages_++;
  Fate fate = fate_of_message(options_, rank_, peer, number);
  if (events_left_ > 0) meet_events(fate, peer, number, total, now_ns);
  if (dead_) return started;
  if (fate.stall_ns > 0) {
    stalled_until_ns_ = std::max(stalled_until_ns_, now_ns + fate.stall_ns);
    note(FaultKind::stall, peer, number);
  }
  const bool cut = links_[peer.value].cut;
  if (cut || fate.drop) {
    if (cut) {
      ++counts_.lost_in_cuts;
    } else {
      note(FaultKind::drop, peer, number);
    }
    finish(index, Code::done, slots_[index].slice.bytes);
    return started;
  }
  if (fate.corrupt && corrupt(slots_[index], fate.bit_draw)) note(FaultKind::corrupt, peer, number);
  if (fate.delay_ns > 0) note(FaultKind::delay, peer, number);
  const std::uint64_t due_ns = std::max(now_ns + fate.delay_ns, stalled_until_ns_);
  if (due_ns > now_ns) {
    hold(index, due_ns);
  } else if (auto passed = pass(index); !passed.ok()) {
    return passed;
  }
  if (fate.duplicate && duplicate(index, due_ns + fate.duplicate_delay_ns)) note(FaultKind::duplicate, peer, number);
  return started;
}

bool FaultDecorator::can_copy(const Slot& slot) const {
  return slot.slice.bytes == 0 || slot.slice.region.kind == MemoryKind::host;
}

bool FaultDecorator::corrupt(Slot& slot, std::uint64_t bit_draw) {
  if (slot.slice.bytes == 0 || !can_copy(slot)) return false;
  slot.copy = copies_.copy(slot.slice);
  if (slot.copy == nullptr) return false;
  const std::uint64_t bit = Random(bit_draw).below(std::uint64_t{slot.slice.bytes} * 8);
  slot.copy->memory[bit / 8] ^= std::byte{1} << (bit % 8);
  return true;
}

bool FaultDecorator::duplicate(std::uint32_t index, std::uint64_t due_ns) {
  if (!can_copy(slots_[index])) return false;
  BouncePool::Block* const copy = copies_.copy(slots_[index].slice);
  if (copy == nullptr) return false;
  const std::uint32_t second = acquire(slots_[index].kind, slots_[index].peer, 0);
  const Slot& first = slots_[index];
  Slot& slot = slots_[second];
  slot.tag = first.tag;
  slot.slice = first.slice;
  slot.copy = copy;
  slot.silent = true;
  hold(second, due_ns);
  return true;
}

void FaultDecorator::hold(std::uint32_t index, std::uint64_t due_ns) {
  slots_[index].state = Slot::State::held;
  held_.push_back({due_ns, sequence_++, index, slots_[index].generation});
  std::push_heap(held_.begin(), held_.end());
}

void FaultDecorator::hand_over(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (is_message(slot) && links_[slot.peer.value].cut) {
    if (!slot.silent) ++counts_.lost_in_cuts;
    return finish(index, Code::done, slot.slice.bytes);
  }
  const auto inner = start_inner(slot, index);
  if (!inner.ok()) return finish(index, inner.error().code, 0);
  slot.inner = *inner;
  slot.state = Slot::State::passed;
}

void FaultDecorator::release_due(std::uint64_t now_ns) {
  while (!held_.empty() && held_.front().due_ns <= now_ns) {
    const Held due = held_.front();
    std::pop_heap(held_.begin(), held_.end());
    held_.pop_back();
    const Slot& slot = slots_[due.slot];
    if (slot.state == Slot::State::held && slot.generation == due.generation) hand_over(due.slot);
  }
}

void FaultDecorator::finish(std::uint32_t index, Code code, std::size_t bytes) {
  if (!slots_[index].silent) finished_.push_back({slots_[index].context, code, bytes});
  release(index);
}

bool FaultDecorator::deliver(Completion& completion) {
  const auto index = static_cast<std::uint32_t>(completion.context);
  Slot& slot = slots_[index];
  GOSSAMER_CHECK(slot.state == Slot::State::passed, "a completion of the inner transport without a start");
  const bool arrived = completion.code == Code::done || completion.code == Code::malformed;
  if (cuts_ > 0 && arrived && !is_message(slot) && links_[slot.peer.value].cut) {
    ++counts_.lost_in_cuts;  // its receive goes on, as if nothing had come
    hand_over(index);
    return false;
  }
  completion.context = slot.context;
  const bool wanted = !slot.silent;
  release(index);
  return wanted;
}

std::size_t FaultDecorator::poll(std::span<Completion> completions) {
  if (!quiet_) {
    const std::uint64_t now_ns = clock_.now_ns();
    keep_time(now_ns);
    if (dead_ || now_ns < stalled_until_ns_) return 0;
    release_due(now_ns);
    settle();
  }
  std::size_t count = 0;
  while (true) {
    while (count < completions.size() && finished_head_ < finished_.size())
      completions[count++] = finished_[finished_head_++];
    if (finished_head_ == finished_.size()) {
      finished_.clear();
      finished_head_ = 0;
    }
    const std::size_t first = count;
    const std::size_t got = inner_->poll(completions.subspan(first));
    for (std::size_t i = first; i < first + got; ++i)
      if (deliver(completions[i])) completions[count++] = completions[i];
    // Where all that came was for nobody, there may be more behind it.
    if (got == 0 || count > 0) return count;
  }
}

void FaultDecorator::cancel(Token token) {
  const auto index = static_cast<std::uint32_t>(token.value);
  if (dead_ || index >= slots_.size() || slots_[index].generation != token.value >> 32) return;
  if (slots_[index].state == Slot::State::passed) inner_->cancel(slots_[index].inner);
  if (slots_[index].state == Slot::State::held) finish(index, Code::cancelled, 0);
}

void FaultDecorator::fail_peer(Rank peer) {
  if (dead_) return;
  if (peer.value < rank_count_) {
    links_[peer.value].lost = true;
    for (std::uint32_t i = 0; !held_.empty() && i < slots_.size(); ++i)
      if (slots_[i].state == Slot::State::held && slots_[i].peer == peer) finish(i, Code::peer_lost, 0);
  }
  inner_->fail_peer(peer);
}

bool FaultDecorator::arm() {
  const bool has_more = !finished_.empty() || !held_.empty() || clock_.now_ns() < stalled_until_ns_;
  return !dead_ && !has_more && inner_->arm();
}

}  // namespace fault

std::unique_ptr<FaultTransport> make_fault_transport(std::unique_ptr<Transport> inner, const FaultOptions& options,
                                                     const Clock& clock) {
  fault::check_options(options);
  return std::make_unique<fault::FaultDecorator>(std::move(inner), options, clock);
}

}  // namespace gossamer::transport
