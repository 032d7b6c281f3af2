// The work of one-off calls on vectors of any size: one chunk an operation, through a buffer of its own, so that the
// caller's memory is free at once even where a peer is lost in the middle, and a call takes the memory of one chunk.
#pragma once

#include <algorithm>
#include <compare>
#include <span>
#include <string>

#include "runtime/engine/buffer.h"
#include "runtime/engine/schedule_stage.h"
#include "runtime/engine/work.h"

namespace gossamer::runtime {

// What calls must have in common to share a plan.
struct CallKind {
  topology::Collective collective = topology::Collective::broadcast;  // or all_reduce
  Rank root;                                                          // of a broadcast
  sketch::ElementType type = sketch::ElementType::u8;
  sketch::ReduceOp op = sketch::ReduceOp::sum;  // of an all-reduce
  auto operator<=>(const CallKind&) const = default;
};

class ChunkWork final : public Work {
 public:
  static constexpr std::size_t chunk_bytes = std::size_t{512} << 10;

  Status set_up(const CallKind& kind, Rank rank, std::uint32_t rank_count, const SchedulePolicy& policy) {
    GOSSAMER_ASSIGN(buffer_, Buffer::make(chunk_bytes));
    vector_ = {kind.type, kind.op, 0};
    stage_.label = "chunk";
    stage_.bytes_max = chunk_bytes;
    stage_.buffer = buffer_.data();
    return schedule_stage(
        {.collective = kind.collective, .rank = rank, .rank_count = rank_count, .root = kind.root, .policy = &policy},
        chunk_bytes, topology::collective_name(kind.collective), stage_);
  }

  // What the next operation moves: whole elements.
  void set_bytes(std::size_t bytes) { vector_.count = bytes / sketch::element_bytes(vector_.type); }
  void put(std::span<const std::byte> chunk) { std::copy(chunk.begin(), chunk.end(), buffer_.data()); }
  void take(std::span<std::byte> chunk) const { std::copy_n(buffer_.data(), chunk.size(), chunk.begin()); }

  std::span<const Stage> stages() const override { return {&stage_, 1}; }
  Result<StageSize> prepare(std::size_t, std::span<const std::uint64_t>) override { return StageSize{vector_, 0}; }
  void drop() override {}

 private:
  ElementVector vector_;
  Buffer buffer_;
  Stage stage_;
};

}  // namespace gossamer::runtime
