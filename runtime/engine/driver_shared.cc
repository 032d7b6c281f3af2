// The driver's part that goes through memory that ranks share.
#include "runtime/engine/driver.h"
#include "runtime/engine/relax.h"

namespace gossamer::runtime {

namespace {

// How often a start looks for its peers: about as long as the news of its own coming takes to them.
constexpr std::uint32_t looks_of_a_start = 12;
// What finishes at once looks neither at the transport nor for losses, but for each so many.
constexpr std::uint32_t starts_without_pass = 16;

}  // namespace

transport::RegionKey Driver::shared_key(std::uint32_t plan) {
  return exclusively([&] {
    const auto& shared = bound_.at(plan)->shared;
    return shared ? shared->key() : transport::RegionKey();
  });
}

Status Driver::map_shared(std::uint32_t plan, std::span<const Rank> ranks, std::span<const transport::RegionKey> keys) {
  return exclusively([&] { return bound_.at(plan)->shared->map(ranks, keys); });
}

void Driver::use_shared(std::uint32_t plan, bool is_mapped_by_all) {
  exclusively([&] {
    auto& shared = bound_.at(plan)->shared;
    if (!shared) return true;
    if (!is_mapped_by_all) shared.reset();
    for (std::size_t stage = 0; shared && stage < engine_.work(plan).stages().size(); ++stage)
      if (HostRun* const run = shared->run(stage)) engine_.share(plan, stage, *run);
    return true;
  });
}

void Driver::start_shared(const Action& action) {
  HostRun& run = *engine_.shared_run(action.plan);
  run.begin(engine_.shared_operation(action.plan));
  sharing_.push_back({action.plan, &run});
}

bool Driver::finish_at_once(const PlanState& state) {
  run_actions();
  if (sharing_.empty() || ++finished_at_once_ % starts_without_pass == 0) return false;
  spin_on_shared(patience_.spins > looks_of_a_start ? looks_of_a_start : 1);
  const bool is_finished = state.code.load(std::memory_order_acquire) != Code::pending;
  if (is_finished) charge();
  return is_finished;
}

bool Driver::move_shared() {
  bool moved = false;
  for (std::size_t i = 0; i < sharing_.size();) {
    const Sharing entry = sharing_[i];
    HostRun& run = *entry.run;
    const std::uint64_t steps = run.steps_taken();
    const Rank awaited = run.awaited();
    const bool is_finished = !run.is_torn() && run.progress();
    const bool has_moved = is_finished || run.steps_taken() != steps;
    if (has_moved && was_idle()) end_idleness(entry.plan, engine_.member(entry.plan, awaited));
    moved |= has_moved;
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
