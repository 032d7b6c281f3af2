#include "runtime/engine/mirror.h"

#include <algorithm>

#include "runtime/engine/collective.h"

namespace gossamer::runtime {

using topology::StepKind;

namespace {
// Copies under way in one direction: one that runs and one behind it keep the bus busy, and a failed operation waits
// for no more than these.
constexpr std::size_t lane_depth = 2;
constexpr std::uint64_t drain_limit_ns = 1'000'000'000;
}  // namespace

Result<std::unique_ptr<Mirror>> Mirror::make(DeviceMemory& memory, const Stage& stage, const CopyCost* simulated) {
  GOSSAMER_CHECK(!stage.concatenating, "parts of varying length are made by the host, in its own memory");
  const std::uint32_t slices = stage.schedule.slice_count;
  std::unique_ptr<Mirror> self(new Mirror);
  self->device_ = stage.buffer;
  self->slice_count_ = slices;
  self->simulated_ = simulated;
  self->slices_.resize(slices);
  std::vector<bool> seen(slices, false);
  const auto use = [&](const topology::SliceRange& range, bool needs, bool writes) {
    for (std::uint32_t slice = range.first; slice < range.first + range.count; ++slice) {
      if (needs && !seen[slice]) self->down_order_.push_back(slice);
      seen[slice] = true;
      self->slices_[slice].writes += writes ? 1u : 0u;
    }
  };
  for (const topology::Round& round : stage.schedule.program.rounds) {
    for (const topology::Step& step : round.steps)
      if (step.kind == StepKind::send) use(step.slices, true, false);
    for (const topology::Step& step : round.steps)
      if (step.kind != StepKind::send) use(step.slices, step.kind == StepKind::receive_merge, true);
  }

  GOSSAMER_ASSIGN(self->host_, DeviceBlock::make_pinned(memory, std::max<std::uint64_t>(stage.bytes_max, 1)));
  const std::size_t units_max = slices + stage.bytes_max / unit_bytes_max + 1;
  self->units_.reserve(units_max);
  self->first_unit_.resize(slices + 1);
  for (Lane* lane : {&self->down_, &self->up_}) {
    GOSSAMER_ASSIGN(lane->queue, memory.make_queue());
    lane->waiting.reserve(units_max);
    lane->copies.reserve(lane_depth);
    lane->ends_ns.resize(lane_depth);
  }
  return self;
}

void Mirror::begin(std::uint64_t payload_bytes) {
  GOSSAMER_CHECK(payload_bytes <= host_.bytes() && under_way() == 0, "a run begins over copies of the one before");
  units_.clear();
  down_.waiting.clear();
  up_.waiting.clear();
  dirty_ = 0;
  for (std::uint32_t slice = 0; slice < slice_count_; ++slice) {
    slices_[slice].writes_left = slices_[slice].writes;
    first_unit_[slice] = static_cast<std::uint32_t>(units_.size());
    const std::uint64_t end = topology::slice_begin(payload_bytes, slice + 1, slice_count_);
    for (std::uint64_t at = topology::slice_begin(payload_bytes, slice, slice_count_); at < end; at += unit_bytes_max)
      units_.push_back({at, std::min(unit_bytes_max, end - at), slice, State::device});
  }
  first_unit_[slice_count_] = static_cast<std::uint32_t>(units_.size());
  for (const std::uint32_t slice : down_order_) {
    for (std::uint32_t unit = first_unit_[slice]; unit < first_unit_[slice + 1]; ++unit) {
      units_[unit].state = State::coming;
      down_.waiting.push(unit);
    }
  }
}

std::span<const Mirror::Unit> Mirror::units_of(std::uint64_t offset, std::uint64_t bytes) const {
  const auto before = [](const Unit& unit, std::uint64_t at) { return unit.offset < at; };
  const auto first = std::lower_bound(units_.begin(), units_.end(), offset, before);
  const auto last = std::lower_bound(first, units_.end(), offset + bytes, before);
  return {first, last};
}

bool Mirror::is_down(std::uint64_t offset, std::uint64_t bytes) const {
  const auto units = units_of(offset, bytes);
  return std::none_of(units.begin(), units.end(), [](const Unit& unit) { return unit.state <= State::coming; });
}

bool Mirror::may_receive(std::uint64_t offset, std::uint64_t bytes) const {
  const auto units = units_of(offset, bytes);
  return std::none_of(units.begin(), units.end(), [](const Unit& unit) { return unit.state == State::coming; });
}

void Mirror::written(std::uint64_t offset, std::uint64_t bytes) {
  const auto found = units_of(offset, bytes);
  const auto first = static_cast<std::uint32_t>(found.data() - units_.data());
  for (std::uint32_t i = first; i < first + found.size(); ++i) {
    Unit& unit = units_[i];
    SliceUse& slice = slices_[unit.slice];
    if (i == first_unit_[unit.slice]) {
      GOSSAMER_CHECK(slice.writes_left > 0, "a write that the schedule does not have");
      --slice.writes_left;
    }
    if (unit.state != State::host) ++dirty_;
    unit.state = slice.writes_left > 0 ? State::host : State::going;
    if (unit.state == State::going) up_.waiting.push(i);
  }
}

void Mirror::end_copy(Lane& lane) {
  Unit& unit = units_[lane.copies.pop()];
  if (unit.state == State::going) --dirty_;
  unit.state = State::both;
  ++lane.ended;
}

Result<bool> Mirror::progress_lane(Lane& lane, bool is_down, std::uint64_t now_ns) {
  bool moved = false;
  if (lane.copies.size() > 0) {
    const auto is_due = [&] { return simulated_ == nullptr || lane.ends_ns[lane.ended % lane_depth] <= now_ns; };
    // A device has no virtual time: a copy that is due is waited for, or a run would depend on the device's.
    for (std::uint64_t count = lane.ended + 1; simulated_ != nullptr && count <= lane.queue->started(); ++count)
      if (lane.ends_ns[(count - 1) % lane_depth] <= now_ns) GOSSAMER_TRY(wait_for_copies(*lane.queue, count));
    GOSSAMER_ASSIGN(const auto ended, lane.queue->ended());
    while (lane.copies.size() > 0 && lane.ended < ended && is_due()) {
      end_copy(lane);
      lane.started_at_ns = clock_.now_ns();
      moved = true;
    }
    if (simulated_ == nullptr && lane.copies.size() > 0 && clock_.now_ns() - lane.started_at_ns > copy_limit_ns)
      return Error{Code::unavailable,
                   text("a copy of ", format_bytes(units_[lane.copies.front()].bytes), is_down ? " from" : " to",
                        " device memory has not ended after ", format_duration(copy_limit_ns), ": the device hangs")};
  }
  while (lane.waiting.size() > 0 && lane.copies.size() < lane_depth) {
    const std::uint32_t number = lane.waiting.pop();
    const Unit& unit = units_[number];
    std::byte* const host = host_.data() + unit.offset;
    std::byte* const device = device_ + unit.offset;
    GOSSAMER_TRY(is_down ? lane.queue->start(host, device, unit.bytes) : lane.queue->start(device, host, unit.bytes));
    if (lane.copies.size() == 0) lane.started_at_ns = clock_.now_ns();
    lane.copies.push(number);
    if (simulated_ != nullptr) {
      lane.free_at_ns = std::max(now_ns, lane.free_at_ns) + simulated_->start_ns +
                        static_cast<std::uint64_t>(simulated_->ns_per_byte * static_cast<double>(unit.bytes));
      lane.ends_ns[(lane.queue->started() - 1) % lane_depth] = lane.free_at_ns;
    }
    moved = true;
  }
  return moved;
}

Result<bool> Mirror::progress(std::uint64_t now_ns) {
  GOSSAMER_ASSIGN(const auto down, progress_lane(down_, true, now_ns));
  GOSSAMER_ASSIGN(const auto up, progress_lane(up_, false, now_ns));
  return down || up;
}

Status Mirror::drain() {
  Status status;
  for (Lane* lane : {&down_, &up_}) {
    lane->waiting.clear();
    if (lane->copies.size() == 0) continue;
    const Status ended = wait_for_copies(*lane->queue, lane->queue->started(), drain_limit_ns);
    while (ended.ok() && lane->copies.size() > 0) end_copy(*lane);
    if (!ended.ok()) status = ended.error();
  }
  return status;
}

std::uint64_t Mirror::next_end_ns() const {
  std::uint64_t next = 0;
  for (const Lane* lane : {&down_, &up_})
    if (simulated_ != nullptr && lane->copies.size() > 0) {
      const std::uint64_t end_ns = lane->ends_ns[lane->ended % lane_depth];
      next = next == 0 ? end_ns : std::min(next, end_ns);
    }
  return next;
}

}  // namespace gossamer::runtime
