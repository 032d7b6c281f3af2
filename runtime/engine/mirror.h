// The host's twin of a stage's buffer in device memory, which transports and merges use in its place.
//
//   device buffer  [ unit 0 | unit 1 | unit 2 | ... ]         a unit: a piece of one slice, at most unit_bytes_max
//        |  down: in the order in which the schedule needs them      ^
//        v                                                           |  up: once the last message or merge for its
//   host twin      [ unit 0 | unit 1 | unit 2 | ... ]  <=> wire      |  slice has been, while others are on the wire
//        '-----------------------------------------------------------'
//
// So each byte crosses the bus at most once in each direction, whatever the schedule, and what travels is what travels
// between hosts: one message for each step. Memory: the buffer's size, pinned. Nothing allocates after `make`.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/base.h"
#include "runtime/engine/work.h"
#include "transport/transport.h"

namespace gossamer::runtime {

// What a copy costs on a virtual clock: each direction does one at a time.
struct CopyCost {
  std::uint64_t start_ns = 5'000;
  double ns_per_byte = 0.04;  // 25 GB/s, PCI Express 4.0 with 16 lanes
};

// A copy is cut so finely that the first message leaves early, and so coarsely that its fixed cost, some 5 us, is small
// beside it: 512 KiB are some 20 us on a bus of 25 GB/s.
inline constexpr std::uint64_t unit_bytes_max = 512 * 1024;

// One thread at a time.
class Mirror {
 public:
  // `stage` is a merging one, its buffer in `memory`; both outlive the mirror. `simulated`: on a virtual clock.
  [[nodiscard]] static Result<std::unique_ptr<Mirror>> make(DeviceMemory& memory, const Stage& stage,
                                                            const CopyCost* simulated);

  // The host's side: what stands in for the stage's buffer.
  [[nodiscard]] std::byte* data() const { return host_.data(); }

  // A run begins, with a payload of `payload_bytes` in device memory. Nothing is under way.
  void begin(std::uint64_t payload_bytes);

  // Whether bytes [offset, offset + bytes), whole slices, are on the host: for a send, and for a merge into them.
  [[nodiscard]] bool is_down(std::uint64_t offset, std::uint64_t bytes) const;
  // Whether a message may be received there: no copy of the old bytes will come.
  [[nodiscard]] bool may_receive(std::uint64_t offset, std::uint64_t bytes) const;
  // A message has landed there, or a merge is done.
  void written(std::uint64_t offset, std::uint64_t bytes);
  // Whether device memory has all that was written, and nothing is under way.
  [[nodiscard]] bool is_up() const { return under_way() == 0 && dirty_ == 0; }

  // Sees which copies have ended and starts others. True if something moved.
  Result<bool> progress(std::uint64_t now_ns);
  // Gives the run up: starts no more, and returns when nothing is under way; `unavailable` where the device hangs.
  Status drain();

  [[nodiscard]] std::uint64_t under_way() const { return down_.copies.size() + up_.copies.size(); }
  // On a virtual clock: when the next copy ends; 0 with none under way.
  [[nodiscard]] std::uint64_t next_end_ns() const;

 private:
  enum class State : std::uint8_t {
    device,  // the host has other bytes
    coming,  // on the way down, or waiting for it
    both,    // equal
    host,    // newer on the host, or will be; not the last word
    going,   // the last word: on the way up, or waiting for it
  };
  struct Unit {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint32_t slice = 0;
    State state = State::device;
  };
  // What of the schedule a slice sees.
  struct SliceUse {
    std::uint32_t writes = 0;       // messages and merges that end in it
    std::uint32_t writes_left = 0;  // of this run
    bool needed = false;            // sent or merged into before it is overwritten
  };
  // Numbers in the order of arrival; room for as many as were reserved.
  class Line {
   public:
    void reserve(std::size_t count) { entries_.resize(count + 1); }
    void clear() { first_ = end_ = 0; }
    void push(std::uint32_t entry) { entries_[end_++ % entries_.size()] = entry; }
    std::uint32_t pop() { return entries_[first_++ % entries_.size()]; }
    [[nodiscard]] std::uint32_t front() const { return entries_[first_ % entries_.size()]; }
    [[nodiscard]] std::size_t size() const { return end_ - first_; }

   private:
    std::vector<std::uint32_t> entries_;
    std::size_t first_ = 0;
    std::size_t end_ = 0;
  };
  // One direction.
  struct Lane {
    std::unique_ptr<CopyQueue> queue;
    Line waiting;                        // units
    Line copies;                         // units under way
    std::uint64_t ended = 0;             // of the queue's copies, seen here
    std::vector<std::uint64_t> ends_ns;  // virtual, beside `copies`; by the copy's number
    std::uint64_t free_at_ns = 0;        // virtual
    std::uint64_t started_at_ns = 0;     // real: since when the one at the front is at the front
  };

  Mirror() = default;
  [[nodiscard]] std::span<const Unit> units_of(std::uint64_t offset, std::uint64_t bytes) const;
  void end_copy(Lane& lane);
  Result<bool> progress_lane(Lane& lane, bool is_down, std::uint64_t now_ns);

  std::byte* device_ = nullptr;
  DeviceBlock host_;
  std::uint32_t slice_count_ = 1;
  std::vector<SliceUse> slices_;
  std::vector<std::uint32_t> down_order_;  // slices that are needed, in the order of their first use
  std::vector<Unit> units_;                // ascending
  std::vector<std::uint32_t> first_unit_;  // by slice, and one past the last
  std::uint64_t dirty_ = 0;                // units in `host` or `going`
  Lane down_;
  Lane up_;
  const CopyCost* simulated_ = nullptr;
  SteadyClock clock_;
};

}  // namespace gossamer::runtime
