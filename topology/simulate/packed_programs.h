// Private to `topology/simulate`: the programs of all ranks, 8 bytes a step.
#pragma once

#include <vector>

#include "topology/simulate/simulate.h"

namespace gossamer::topology {

struct PackedStep {
  std::uint64_t bytes : 40;
  std::uint64_t peer : 17;
  std::uint64_t kind : 2;     // StepKind
  std::uint64_t follows : 1;  // one message with the step of this direction before it
  [[nodiscard]] bool sends() const { return static_cast<StepKind>(kind) == StepKind::send; }
  [[nodiscard]] bool merges() const { return static_cast<StepKind>(kind) == StepKind::receive_merge; }
};
static_assert(sizeof(PackedStep) == 8);

class PackedPrograms {
 public:
  // Adds the programs of ranks 0, 1, ... one at a time, so that no more than one is held as topology.h has it. Errors:
  // out_of_resources once there are more than simulated_messages_max messages, or rounds; invalid_argument for a step
  // that no rank can do.
  PackedPrograms(std::uint32_t rank_count, std::uint64_t payload_bytes, std::uint32_t slice_count)
      : rank_count_(rank_count), payload_bytes_(payload_bytes), slice_count_(slice_count) {}
  [[nodiscard]] Status add(const Program& program);

  [[nodiscard]] std::uint32_t rank_count() const { return rank_count_; }
  // Rounds are numbered through all ranks.
  [[nodiscard]] std::uint32_t first_round(std::uint32_t rank) const { return first_round_[rank]; }
  [[nodiscard]] std::uint32_t round_count(std::uint32_t rank) const {
    return first_round_[rank + 1] - first_round_[rank];
  }
  [[nodiscard]] std::uint32_t rounds() const { return static_cast<std::uint32_t>(first_step_.size() - 1); }
  [[nodiscard]] std::span<const PackedStep> steps_of(std::uint32_t round) const {
    return std::span(steps_).subspan(first_step_[round], first_step_[round + 1] - first_step_[round]);
  }
  [[nodiscard]] std::vector<std::uint32_t> take_first_rounds() && { return std::move(first_round_); }

 private:
  std::uint32_t rank_count_;
  std::uint64_t payload_bytes_;
  std::uint32_t slice_count_;
  std::uint64_t sends_ = 0;
  std::vector<PackedStep> steps_;
  std::vector<std::uint32_t> first_step_ = {0};   // by round, and one past the last
  std::vector<std::uint32_t> first_round_ = {0};  // by rank, likewise
};

}  // namespace gossamer::topology
