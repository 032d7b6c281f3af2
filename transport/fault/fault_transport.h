// The fault decorator: transport/simulation.h says what each fault does.
//
// Every start has a slot, whose number is the context that the inner transport knows it by:
//
//   acquire ──► held (delay, stall, dead) ──► passed (the inner transport has it) ──► released by poll
//       └───────────────────────────────────────▲        └─ finished at once (drop, cut) ──► released
//
// While nothing is configured, planned, cut or held, the decorator is `quiet_`: a start goes straight to the
// inner transport, and no clock is read.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/base.h"
#include "transport/fault/bounce_pool.h"
#include "transport/fault/fate.h"
#include "transport/requests.h"
#include "transport/simulation.h"

namespace gossamer::transport::fault {

inline constexpr std::uint64_t never_ns = std::numeric_limits<std::uint64_t>::max();

class FaultDecorator final : public FaultTransport {
 public:
  FaultDecorator(std::unique_ptr<Transport> inner, const FaultOptions& options, const Clock& clock);
  ~FaultDecorator() override;
  FaultDecorator(const FaultDecorator&) = delete;
  FaultDecorator& operator=(const FaultDecorator&) = delete;

  const Capabilities& capabilities() const override { return capabilities_; }
  const Address& address() const override { return inner_->address(); }
  Status open_view(const View& view) override;
  Status close_view(std::uint64_t deadline_ns) override;
  Result<Region> register_memory(void* base, std::size_t bytes, MemoryKind kind) override;
  void release_memory(const Region& region) override;
  Result<Region> allocate_memory(std::size_t bytes) override;
  Result<Token> start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) override;
  Result<Token> start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) override;
  Result<RegionKey> export_region(const Region& region) override { return inner_->export_region(region); }
  Result<RemoteRegion> import_region(Rank peer, const RegionKey& key) override {
    return inner_->import_region(peer, key);
  }
  void release_remote(const RemoteRegion& remote) override { inner_->release_remote(remote); }
  Result<const std::byte*> map_remote(const RemoteRegion& remote) override { return inner_->map_remote(remote); }
  void cancel(Token token) override;
  std::size_t poll(std::span<Completion> completions) override;
  void fail_peer(Rank peer) override;
  int event_descriptor() const override { return inner_->event_descriptor(); }
  bool arm() override;

  const FaultCounts& counts() const override { return counts_; }
  bool is_dead() const override { return dead_; }
  std::optional<std::uint64_t> next_event_ns() const override;
  void stall(std::uint64_t duration_ns) override;
  void cut(Rank peer) override { cut_link(peer, never_ns); }
  void restore(Rank peer) override;
  void kill() override;

 private:
  struct Slot {
    enum class State : std::uint8_t { free, held, passed };
    State state = State::free;
    StartKind kind = StartKind::send;
    bool silent = false;           // a second copy: nobody waits for its completion
    std::uint32_t generation = 1;  // so that a token of an earlier start finds nothing
    Rank peer;
    std::uint64_t context = 0;  // the caller's
    Token inner;
    Tag tag;
    Slice slice;  // the caller's; a copy's is its block
    BouncePool::Block* copy = nullptr;
  };
  struct Held {
    std::uint64_t due_ns = 0;
    std::uint64_t sequence = 0;  // breaks ties in the order of starts
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;  // not the slot's any more: the start has ended
    // A heap gives out the greatest: the earliest one.
    friend bool operator<(const Held& a, const Held& b) {
      return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.sequence > b.sequence;
    }
  };
  struct Link {
    std::uint64_t messages = 0;  // started to this peer
    std::uint64_t receives = 0;  // and from it
    bool lost = false;
    bool cut = false;
    std::uint64_t cut_until_ns = never_ns;
  };

  [[nodiscard]] static bool is_message(const Slot& slot) { return slot.kind == StartKind::send; }
  [[nodiscard]] std::uint32_t acquire(StartKind kind, Rank peer, std::uint64_t context);
  void release(std::uint32_t index);
  [[nodiscard]] Token token(std::uint32_t index) const {
    return {std::uint64_t{slots_[index].generation} << 32 | index};
  }

  Result<Token> start(std::uint32_t index) { return quiet_ ? pass(index) : start_with_faults(index); }
  Result<Token> pass(std::uint32_t index);
  Result<Token> start_with_faults(std::uint32_t index);
  Result<Token> start_message(std::uint32_t index, std::uint64_t now_ns);
  [[nodiscard]] Status check_start(const Slot& slot) const;
  [[nodiscard]] Result<Token> start_inner(const Slot& slot, std::uint64_t context);
  void hold(std::uint32_t index, std::uint64_t due_ns);
  void hand_over(std::uint32_t index);
  void release_due(std::uint64_t now_ns);
  void finish(std::uint32_t index, Code code, std::size_t bytes);
  [[nodiscard]] bool deliver(Completion& completion);

  [[nodiscard]] bool can_copy(const Slot& slot) const;
  [[nodiscard]] bool corrupt(Slot& slot, std::uint64_t bit_draw);
  [[nodiscard]] bool duplicate(std::uint32_t index, std::uint64_t due_ns);

  void meet_events(Fate& fate, Rank peer, std::uint64_t number, std::uint64_t total, std::uint64_t now_ns);
  void keep_time(std::uint64_t now_ns);
  void plan_time();
  void cut_link(Rank peer, std::uint64_t until_ns);
  void settle();
  void note(FaultKind kind, Rank peer, std::uint64_t number);

  const FaultOptions options_;
  const Clock& clock_;
  const std::uint64_t made_ns_;
  const bool has_chances_;
  std::unique_ptr<Transport> inner_;
  BouncePool copies_;
  Capabilities capabilities_;
  FaultCounts counts_;
  std::unordered_map<std::uint64_t, MemoryKind> regions_;  // by id

  Rank rank_;
  std::vector<Link> links_;     // by rank; those of the view are reachable
  std::size_t rank_count_ = 0;  // 0: no view
  std::uint64_t messages_ = 0;

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<Held> held_;  // a heap
  std::uint64_t sequence_ = 0;
  std::vector<Completion> finished_;  // a queue: given out from finished_head_, cleared when empty
  std::size_t finished_head_ = 0;

  std::vector<bool> fired_;            // by event
  std::size_t events_left_ = 0;        // of this rank
  std::uint64_t timed_ns_ = never_ns;  // the next planned moment
  std::uint64_t stalled_until_ns_ = 0;
  std::uint32_t cuts_ = 0;  // links that are cut
  bool dead_ = false;
  bool quiet_ = false;
  bool abandoned_ = false;
};

}  // namespace gossamer::transport::fault
