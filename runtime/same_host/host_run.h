// One rank's run of a schedule within a host: copies and merges through areas that the ranks of a host read in place.
//
//   begin(operation) ─► progress() ─► progress() ─► ... true: the result is there
//
// Nothing here blocks but `sleep`, takes a lock or allocates, and while a peer that is waited for is awake there is no
// system call. A peer that dies or goes mad can keep a run from ending, or make its numbers wrong, and nothing else:
// of a peer's memory only its counters and stamps are looked at to decide anything, and only by comparing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/base.h"
#include "runtime/same_host/host_layout.h"
#include "runtime/same_host/store_choice.h"
#include "topology/host_schedule.h"

namespace gossamer::runtime {

// into = a op b, for bytes [offset, offset + bytes) of the payload, where `offset` is a multiple of 64. `into` may be
// one of the two, or lies apart.
struct HostMerge {
  void (*merge)(const void* context, std::byte* into, const std::byte* a, const std::byte* b, std::uint64_t offset,
                std::uint64_t bytes) = nullptr;
  const void* context = nullptr;
};

class HostRun {
 public:
  struct Setup {
    Rank rank;
    HostLayout layout;
    std::byte* own = nullptr;             // this rank's area: layout.area_bytes(), zeroed, on a cache line
    std::vector<const std::byte*> areas;  // of all ranks, this one's too, as this process sees them
  };
  // An area is of one run, and never of another after it.
  [[nodiscard]] static Result<HostRun> make(Setup setup);

  // What one operation is about; it must stay until progress has said true, or the run is given up. `input` and
  // `output` are whole payloads, of which only the slices are touched that the collective needs; they may be the same.
  // What a rank has that no other sends it (its slice of an all-gather, the root's payload of a broadcast) is in
  // `output`.
  struct Operation {
    const std::byte* input = nullptr;
    std::byte* output = nullptr;
    std::uint64_t bytes = 0;   // equal on all ranks, at most what the layout was made for
    std::uint64_t number = 0;  // the same on all ranks, another one for each operation
    HostMerge merge = {};
  };
  void begin(const Operation& operation);

  // Moves on as far as the others let it. True once the operation is finished, and then until the next.
  bool progress();

  // Where progress has said false for good: the rank that is in another operation than this one. One of the two has
  // left one out, by an error of its own.
  [[nodiscard]] std::optional<Rank> strayed() const { return strayed_; }

  [[nodiscard]] bool is_running() const { return is_running_; }
  // Copies and merges so far: tells whether progress has moved.
  [[nodiscard]] std::uint64_t steps_taken() const { return steps_taken_; }
  // The operation will not be finished, and there will be no other: the ranks have lost count of each other.
  void give_up() { is_torn_ = true, is_running_ = false; }
  [[nodiscard]] bool is_torn() const { return is_torn_; }

  // That the latest operation wrote for the others.
  [[nodiscard]] std::uint64_t bytes_shared() const { return bytes_shared_; }

  // Whom the latest progress that was false has waited for.
  [[nodiscard]] Rank awaited() const { return awaited_; }
  // Who has not come to where this rank waits for it.
  [[nodiscard]] std::optional<Rank> waits_for() const;
  // Sleeps until that rank has moved on, at most `limit_ns`; may come back early.
  void sleep(std::uint64_t limit_ns);

 private:
  explicit HostRun(Setup setup) : setup_(std::move(setup)) {}

  // A number of one area that must be reached.
  struct Goal {
    const HostCounter* counter = nullptr;
    std::uint64_t value = 0;
    [[nodiscard]] bool is_reached() const { return counter->load(std::memory_order_acquire) >= value; }
  };
  [[nodiscard]] Goal goal_of(const topology::HostStep& step) const;
  void publish();
  void wake_sleepers(std::byte* counter);
  [[nodiscard]] bool take(const topology::HostStep& step, std::uint32_t pass);
  [[nodiscard]] bool check_stamp(std::uint32_t rank, const HostLayout::Piece& piece);
  void stamp(const HostLayout::Piece& piece);
  void expose(const topology::HostStep& step, std::uint32_t pass, std::uint32_t part);
  void fold(const HostLayout::Piece& piece, bool is_exposed);
  void write(const HostLayout::Piece& piece, std::uint64_t at, const std::byte* from, std::uint64_t bytes);
  void fold_block(std::byte* into, const HostLayout::Piece& piece, std::uint64_t at, std::uint64_t bytes);

  Setup setup_;
  std::vector<std::vector<topology::HostStep>> phases_;
  std::vector<std::byte> scratch_;

  StoreChoice stores_;

  Operation operation_;
  HostLayout::Cut cut_;
  Rank awaited_;
  bool is_running_ = false;
  bool is_torn_ = false;
  std::optional<Rank> strayed_;
  std::uint64_t first_tick_ = 0;  // of the operation, counted from the run's beginning
  std::uint64_t first_pass_ = 0;
  std::uint64_t bytes_shared_ = 0;
  std::uint64_t steps_taken_ = 0;
  std::uint32_t tick_ = 0;   // within the operation
  std::uint32_t phase_ = 0;  // where it goes on in this tick
  std::uint32_t step_ = 0;
};

}  // namespace gossamer::runtime
