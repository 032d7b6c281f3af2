// The work of broadcasts from one root: one chunk an operation, through a buffer of its own, so that the caller's
// memory is free at once even where a peer is lost in the middle, and a broadcast of any size takes the memory of one
// chunk.
#pragma once

#include <algorithm>
#include <span>

#include "runtime/engine/buffer.h"
#include "runtime/engine/schedule_stage.h"
#include "runtime/engine/work.h"

namespace gossamer::runtime {

class BroadcastWork final : public Work {
 public:
  static constexpr std::size_t chunk_bytes = std::size_t{512} << 10;

  Status set_up(Rank rank, Rank root, std::uint32_t rank_count, const SchedulePolicy& policy) {
    GOSSAMER_ASSIGN(buffer_, Buffer::make(chunk_bytes));
    stage_.label = "bytes";
    stage_.bytes_max = chunk_bytes;
    stage_.buffer = buffer_.data();
    return schedule_stage({.collective = topology::Collective::broadcast,
                           .rank = rank,
                           .rank_count = rank_count,
                           .root = root,
                           .policy = &policy},
                          chunk_bytes, "broadcast", stage_);
  }

  // What the next operation moves. A payload is whole cells: at most three bytes more travel.
  void set_bytes(std::size_t bytes) { shape_ = {(bytes + 3) / 4, 0}; }
  void put(std::span<const std::byte> chunk) { std::copy(chunk.begin(), chunk.end(), buffer_.data()); }
  void take(std::span<std::byte> chunk) const { std::copy_n(buffer_.data(), chunk.size(), chunk.begin()); }

  std::span<const Stage> stages() const override { return {&stage_, 1}; }
  Result<StageSize> prepare(std::size_t, std::span<const std::uint64_t>) override { return StageSize{shape_, 0}; }
  void drop() override {}

 private:
  sketch::PayloadShape shape_;
  Buffer buffer_;
  Stage stage_;
};

}  // namespace gossamer::runtime
