#include "topology/simulate/packed_programs.h"

#include <optional>

namespace gossamer::topology {

Status PackedPrograms::add(const Program& program) {
  const auto rank = static_cast<std::uint32_t>(first_round_.size() - 1);
  for (const Round& round : program.rounds) {
    std::optional<Rank> last_to;
    std::optional<Rank> last_from;
    for (const Step& step : round.steps) {
      const bool sends = step.kind == StepKind::send;
      if (step.peer.value >= rank_count_ || step.peer.value == rank ||
          std::uint64_t{step.slices.first} + step.slices.count > slice_count_) {
        return Error{Code::invalid_argument, text("rank ", rank, " has a step that no rank can do: check the schedule"),
                     Rank{rank}};
      }
      const std::uint64_t bytes = slice_begin(payload_bytes_, step.slices.first + step.slices.count, slice_count_) -
                                  slice_begin(payload_bytes_, step.slices.first, slice_count_);
      std::optional<Rank>& last = sends ? last_to : last_from;
      PackedStep packed{};
      packed.bytes = bytes & ((std::uint64_t{1} << 40) - 1);
      packed.peer = step.peer.value & ((1u << 17) - 1);
      packed.kind = static_cast<std::uint64_t>(step.kind) & 3;
      packed.follows = last == step.peer;
      steps_.push_back(packed);
      last = step.peer;
      sends_ += sends ? 1 : 0;
    }
    first_step_.push_back(static_cast<std::uint32_t>(steps_.size()));
    // Twice as many steps as messages in a schedule that is right, and the bound of a wrong one.
    if (sends_ > simulated_messages_max || steps_.size() > 2 * simulated_messages_max ||
        first_step_.size() > simulated_messages_max) {
      return Error{Code::out_of_resources,
                   text("this schedule has more than ", simulated_messages_max, " messages or rounds over all ranks (",
                        rank, " of ", rank_count_,
                        " ranks have been looked at): simulate fewer ranks, or a schedule of fewer rounds")};
    }
  }
  first_round_.push_back(static_cast<std::uint32_t>(first_step_.size() - 1));
  return {};
}

}  // namespace gossamer::topology
