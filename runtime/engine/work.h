// What a plan runs: collectives in a fixed order, and what is computed before, between and after them.
//
//   prepare(0) ─► collective 0 ─► prepare(1) ─► collective 1 ─► ... ─► prepare(n)
//
// The engine orders these; the driver calls `prepare`; algorithms implement it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/engine/payload.h"
#include "topology/topology.h"

namespace gossamer::runtime {

// One collective of a plan. Its memory is the work's, alive as long as the plan.
struct Stage {
  std::string label;                   // "sketch", "values": for messages
  topology::RankSchedule schedule;     // this rank's
  bool concatenating = false;          // parts of varying length, one for each slice, instead of a merged payload
  bool phased = false;                 // an operation runs one round of the program, the one that `prepare` names
  bool may_miss = false;               // concatenating: parts of ranks that are lost stay away, with length 0
  std::uint64_t bytes_max = 0;         // of the payload; of one part if concatenating
  std::byte* buffer = nullptr;         // buffer_bytes()
  MemoryKind kind = MemoryKind::host;  // of the buffer; host if concatenating
  double predicted_ns = 0;             // what the cost model says of the schedule

  // Where the schedule was left to the runtime and all ranks are on one host: what the stage does, for a run through
  // memory that they share in place of messages.
  struct Near {
    topology::Collective collective = topology::Collective::all_reduce;
    std::uint32_t rank_count = 1;
    Rank place;                 // of this rank among them
    Rank root;                  // by place
    std::vector<Rank> members;  // ranks of the session by place; empty: all, in order
  };
  std::optional<Near> near;

  [[nodiscard]] std::uint64_t buffer_bytes() const;
};

// Where the parts of a concatenating payload lie: that of slice s at s * part_stride.
[[nodiscard]] constexpr std::uint64_t part_stride(std::uint64_t bytes_max) { return (bytes_max + 63) / 64 * 64; }

inline std::uint64_t Stage::buffer_bytes() const {
  return concatenating ? schedule.slice_count * part_stride(bytes_max) : bytes_max;
}

// How much a stage moves this time.
struct StageSize {
  Payload payload;              // merging: at most bytes_max, equal on all ranks
  std::uint64_t own_bytes = 0;  // concatenating: length of this rank's part
  std::uint32_t phase = 0;      // phased: which round of the program; equal on all ranks
};

class Work {
 public:
  virtual ~Work() = default;

  [[nodiscard]] virtual std::span<const Stage> stages() const = 0;

  // Fills the buffer of stage `stage`; with stage == stages().size() takes the last result and
  // commits. `part_bytes` are the lengths by slice of the stage before, if that was concatenating. An
  // error ends the operation on this rank; errors that all ranks find in merged data (a non-finite
  // input, a disagreement) end it everywhere without a message more.
  virtual Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) = 0;

  // Whether `prepare` may take long enough to be told apart from what is moved: that costs two looks at the clock.
  [[nodiscard]] virtual bool computes() const { return true; }

  // The operation has failed: what was not committed is taken back. Once for each that fails, however early.
  virtual void drop() = 0;

  // Of a plan whose stages all may miss parts: it goes on without `peer`, from which no part comes any more. At any
  // moment, for each peer once.
  virtual void lost(Rank) {}
};

}  // namespace gossamer::runtime
