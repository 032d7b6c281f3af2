// The driver's part that goes through memory that ranks share.
#include "runtime/engine/driver.h"
#include "runtime/engine/relax.h"

namespace gossamer::runtime {

void Driver::start_shared(const Action& action) {
  HostRun& run = *engine_.shared_run(action.plan);
  run.begin(engine_.shared_operation(action.plan));
  sharing_.push_back({action.plan, &run});
}

bool Driver::move_shared() {
  bool moved = false;
  for (std::size_t i = 0; i < sharing_.size();) {
    const Sharing entry = sharing_[i];
    HostRun& run = *entry.run;
    const std::uint64_t steps = run.steps_taken();
    const bool is_finished = !run.is_torn() && run.progress();
    moved |= is_finished || run.steps_taken() != steps;
    if (!is_finished && !run.is_torn() && !run.strayed()) {
      ++i;
      continue;
    }
    sharing_.erase(sharing_.begin() + static_cast<std::ptrdiff_t>(i));
    if (is_finished) engine_.shared(entry.plan);
    if (!run.is_torn() && run.strayed()) engine_.strayed(entry.plan);
    moved = true;
  }
  if (moved) {
    silent_ns_ = 0;
    turn_to_moving();
  }
  return moved;
}

// A peer that computes as long is a moment away: losses and messages can wait for it.
bool Driver::spin_on_shared(std::uint32_t looks) {
  for (std::uint32_t i = 0; i < looks; ++i) {
    if (move_shared()) {
      run_actions();
      return true;
    }
    relax();
  }
  return false;
}

}  // namespace gossamer::runtime
