#include "runtime/same_host/host_run.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <cstring>

namespace gossamer::runtime {

using topology::HostStep;
using topology::HostStepKind;

namespace {

// Contributions are merged block by block, so that a block of sums stays in the nearest cache until all are in it.
constexpr std::uint64_t block_bytes = std::uint64_t{8} << 10;
// A peer may be stopped between publishing and looking for sleepers, or gone: nobody sleeps on for long.
constexpr std::uint64_t sleep_max_ns = 20'000'000;

// The half of a counter that a futex is about.
constexpr std::size_t low_half = std::endian::native == std::endian::little ? 0 : sizeof(std::uint32_t);

void futex(const void* counter, int operation, std::uint32_t value, const timespec* limit) {
  // Areas are memory shared by processes, so not the private kind.
  ::syscall(SYS_futex, static_cast<const std::byte*>(counter) + low_half, operation, value, limit, nullptr, 0);
}

const HostCounter& counter_in(const std::byte* area, std::uint64_t at) {
  return *reinterpret_cast<const HostCounter*>(area + at);
}
const HostFlag& asleep_in(const std::byte* area) {
  return *reinterpret_cast<const HostFlag*>(area + HostLayout::asleep_at);
}

void copy_bytes(std::byte* into, const std::byte* from, std::uint64_t bytes) {
  if (bytes != 0 && into != from) std::memcpy(into, from, bytes);
}

}  // namespace

Result<HostRun> HostRun::make(Setup setup) {
  const topology::HostRequest& request = setup.layout.request();
  GOSSAMER_CHECK(setup.areas.size() == request.rank_count, "an area for each rank");
  GOSSAMER_ASSIGN(auto program, topology::make_host_program(request, setup.rank));
  HostRun run(std::move(setup));
  for (topology::HostPhase& phase : program.phases) run.phases_.push_back(std::move(phase.steps));
  // Only the end of a pass's first tick is published there, and a wait for a tick means the next such end.
  if (run.setup_.layout.is_inline()) {
    GOSSAMER_CHECK(run.phases_.size() == 2, "inline passes are begun and ended");
    for (const HostStep& step : run.phases_[0])
      GOSSAMER_CHECK(step.kind != HostStepKind::await || step.back > 1, "waits for a pass before this one");
  }
  run.scratch_.resize(block_bytes);
  return run;
}

void HostRun::begin(const Operation& operation) {
  GOSSAMER_CHECK(!is_running_ && !is_torn_, "one operation at a time, each to its end");
  operation_ = operation;
  cut_ = setup_.layout.cut(operation.bytes);
  tick_ = phase_ = step_ = 0;
  bytes_shared_ = 0;
  is_running_ = true;
}

bool HostRun::progress() {
  if (!is_running_) return true;
  const auto phases = static_cast<std::uint32_t>(phases_.size());
  const std::uint32_t ticks = cut_.passes + phases - 1;
  for (; tick_ < ticks; ++tick_, phase_ = 0) {
    for (; phase_ < phases; ++phase_, step_ = 0) {
      if (phase_ > tick_ || tick_ - phase_ >= cut_.passes) continue;
      const std::vector<HostStep>& steps = phases_[phase_];
      for (; step_ < steps.size(); ++step_) {
        const HostStep& step = steps[step_];
        if (step.kind == HostStepKind::await ? goal_of(step).is_reached() : take(step, tick_ - phase_)) continue;
        awaited_ = step.peer;
        return false;
      }
    }
    publish();
  }
  first_tick_ += ticks;
  first_pass_ += cut_.passes;
  is_running_ = false;
  return true;
}

HostRun::Goal HostRun::goal_of(const HostStep& step) const {
  const std::byte* const area = setup_.areas[step.peer.value];
  const std::uint64_t now = first_tick_ + tick_;
  if (now < step.back) return {&counter_in(area, setup_.layout.counter_at(0)), 0};
  const std::uint64_t finished = now - step.back + 1;  // so many ticks
  if (!setup_.layout.is_inline()) return {&counter_in(area, 0), finished};
  const std::uint64_t pass = finished / 2;
  return {&counter_in(area, setup_.layout.counter_at(static_cast<std::uint32_t>(pass % setup_.layout.depth()))),
          2 * pass + 1};
}

void HostRun::publish() {
  std::uint64_t at = 0;
  if (setup_.layout.is_inline()) {
    if (tick_ != 0) return;
    at = setup_.layout.counter_at(static_cast<std::uint32_t>(first_pass_ % setup_.layout.depth()));
  }
  auto& counter = *reinterpret_cast<HostCounter*>(setup_.own + at);
  // A waiter says that it sleeps and then looks at the counter; here it is the other way round. So one of the two sees
  // the other.
  counter.store(first_tick_ + tick_ + 1, std::memory_order_seq_cst);
  wake_sleepers(setup_.own + at);
}

void HostRun::wake_sleepers(std::byte* counter) {
  bool is_waited_for = false;
  for (const std::byte* area : setup_.areas)
    is_waited_for |= asleep_in(area).load(std::memory_order_seq_cst) == setup_.rank.value + 1;
  if (is_waited_for) futex(counter, FUTEX_WAKE, INT_MAX, nullptr);
}

bool HostRun::take(const HostStep& step, std::uint32_t pass) {
  const auto part = static_cast<std::uint32_t>((first_pass_ + pass) % setup_.layout.depth());
  ++steps_taken_;
  if (step.kind == HostStepKind::expose) {
    expose(step, pass, part);
    return true;
  }
  for (std::uint32_t slice = step.slices.first; slice < step.slices.first + step.slices.count; ++slice) {
    const HostLayout::Piece piece = setup_.layout.piece(operation_.bytes, cut_, pass, part, slice);
    if (step.kind == HostStepKind::read) {
      if (!check_stamp(step.peer.value, piece)) return false;
      copy_bytes(operation_.output + piece.offset, setup_.areas[step.peer.value] + piece.in_area, piece.bytes);
      continue;
    }
    for (std::uint32_t rank = 0; rank < setup_.areas.size(); ++rank)
      if (rank != setup_.rank.value && !check_stamp(rank, piece)) return false;
    fold(piece, step.kind == HostStepKind::fold_exposed);
  }
  return true;
}

void HostRun::expose(const HostStep& step, std::uint32_t pass, std::uint32_t part) {
  const auto write_all = [&] {
    for (std::uint32_t slice = step.slices.first; slice < step.slices.first + step.slices.count; ++slice) {
      const HostLayout::Piece piece = setup_.layout.piece(operation_.bytes, cut_, pass, part, slice);
      stamp(piece);
      write(piece, 0, operation_.input + piece.offset, piece.bytes);
    }
  };
  if (setup_.layout.is_inline()) return write_all();
  stores_.timed(step.slices.count * cut_.piece_bytes, write_all);
}

void HostRun::write(const HostLayout::Piece& piece, std::uint64_t at, const std::byte* from, std::uint64_t bytes) {
  std::byte* const into = setup_.own + piece.in_area + at;
  if (stores_.is_past_caches())
    copy_past_caches(into, from, bytes);
  else
    copy_bytes(into, from, bytes);
}

void HostRun::stamp(const HostLayout::Piece& piece) {
  std::memcpy(setup_.own + piece.stamp_at, &operation_.number, sizeof operation_.number);
  bytes_shared_ += piece.bytes;
}

bool HostRun::check_stamp(std::uint32_t rank, const HostLayout::Piece& piece) {
  std::uint64_t number = 0;
  std::memcpy(&number, setup_.areas[rank] + piece.stamp_at, sizeof number);
  if (number == operation_.number) return true;
  strayed_ = Rank{rank};
  return false;
}

// In the order of ranks. Where the own contribution lies where the sums go, and is not among the first two, sums wait
// elsewhere until it is in them.
void HostRun::fold(const HostLayout::Piece& piece, bool is_exposed) {
  std::byte* const into = operation_.output + piece.offset;
  const bool is_in_the_way = into == operation_.input + piece.offset && setup_.rank.value > 1;
  if (is_exposed) stamp(piece);
  for (std::uint64_t at = 0; at < piece.bytes; at += block_bytes) {
    const std::uint64_t bytes = std::min(block_bytes, piece.bytes - at);
    if (!is_in_the_way) {
      fold_block(into + at, piece, at, bytes);
    } else {
      fold_block(scratch_.data(), piece, at, bytes);
      copy_bytes(into + at, scratch_.data(), bytes);
    }
    if (is_exposed) write(piece, at, into + at, bytes);
  }
}

void HostRun::fold_block(std::byte* into, const HostLayout::Piece& piece, std::uint64_t at, std::uint64_t bytes) {
  const auto of = [&](std::uint32_t rank) -> const std::byte* {
    return rank == setup_.rank.value ? operation_.input + piece.offset + at : setup_.areas[rank] + piece.in_area + at;
  };
  const HostMerge& op = operation_.merge;
  const auto ranks = static_cast<std::uint32_t>(setup_.areas.size());
  if (ranks == 1) return copy_bytes(into, of(0), bytes);
  op.merge(op.context, into, of(0), of(1), piece.offset + at, bytes);
  for (std::uint32_t rank = 2; rank < ranks; ++rank)
    op.merge(op.context, into, into, of(rank), piece.offset + at, bytes);
}

std::optional<Rank> HostRun::waits_for() const {
  if (!is_running_ || phase_ >= phases_.size() || step_ >= phases_[phase_].size()) return std::nullopt;
  const HostStep& step = phases_[phase_][step_];
  if (step.kind != HostStepKind::await || goal_of(step).is_reached()) return std::nullopt;
  return step.peer;
}

void HostRun::sleep(std::uint64_t limit_ns) {
  const std::optional<Rank> waited_for = waits_for();
  if (!waited_for) return;
  const Goal goal = goal_of(phases_[phase_][step_]);
  auto& asleep = *reinterpret_cast<HostFlag*>(setup_.own + HostLayout::asleep_at);
  asleep.store(waited_for->value + 1, std::memory_order_seq_cst);
  const std::uint64_t seen = goal.counter->load(std::memory_order_seq_cst);
  if (seen < goal.value) {
    const std::uint64_t ns = std::min(limit_ns, sleep_max_ns);
    const timespec limit = {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    futex(goal.counter, FUTEX_WAIT, static_cast<std::uint32_t>(seen), &limit);
  }
  asleep.store(0, std::memory_order_seq_cst);
}

}  // namespace gossamer::runtime
