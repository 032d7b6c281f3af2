// The work of one broadcast: a copy of the caller's bytes, so that the caller's memory is free at once
// even where a peer is lost in the middle.
#pragma once

#include <algorithm>
#include <span>

#include "runtime/algorithm.h"
#include "runtime/buffer.h"

namespace gossamer::runtime {

class BroadcastWork final : public Work {
 public:
  Status set_up(std::span<const std::byte> data, Rank root, Rank rank, std::uint32_t rank_count,
                const topology::CostModel& cost) {
    // A payload is whole cells: at most three bytes more travel.
    shape_ = {(data.size() + 3) / 4, 0};
    auto buffer = Buffer::make(shape_.bytes());
    GOSSAMER_TRY(buffer);
    buffer_ = std::move(*buffer);
    if (rank == root) std::copy(data.begin(), data.end(), buffer_.data());
    const auto choice = topology::choose_schedule(topology::Collective::broadcast, rank_count, shape_.bytes(), cost);
    GOSSAMER_TRY(choice);
    stage_.label = "bytes";
    stage_.schedule = {choice->kind, topology::Collective::broadcast, rank_count, root};
    stage_.bytes_max = shape_.bytes();
    stage_.buffer = buffer_.data();
    return {};
  }

  std::span<const Stage> stages() const override { return {&stage_, 1}; }
  Result<StageSize> prepare(std::size_t, std::span<const std::uint64_t>) override { return StageSize{shape_, 0}; }
  void drop() override {}

  void take(std::span<std::byte> data) const { std::copy_n(buffer_.data(), data.size(), data.begin()); }

 private:
  sketch::PayloadShape shape_;
  Buffer buffer_;
  Stage stage_;
};

}  // namespace gossamer::runtime
