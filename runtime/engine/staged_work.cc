#include "runtime/engine/staged_work.h"

#include <algorithm>

namespace gossamer::runtime {

bool StagedWork::is_needed(const Work& work) {
  const auto stages = work.stages();
  return std::any_of(stages.begin(), stages.end(), [](const Stage& stage) { return stage.kind != MemoryKind::host; });
}

Result<std::unique_ptr<StagedWork>> StagedWork::make(Work& work, Engine& engine, std::optional<CopyCost> simulated) {
  std::unique_ptr<StagedWork> self(new StagedWork(work, engine, simulated));
  for (const Stage& stage : work.stages()) {
    self->stages_.push_back(stage);
    self->mirrors_.emplace_back();
    if (stage.kind == MemoryKind::host) continue;
    GOSSAMER_ASSIGN(const auto memory, find_device_memory(stage.kind));
    GOSSAMER_ASSIGN(auto mirror, Mirror::make(*memory, stage, self->simulated_ ? &*self->simulated_ : nullptr));
    self->stages_.back().kind = MemoryKind::host;
    self->stages_.back().buffer = mirror->data();
    self->mirrors_.back() = std::move(mirror);
  }
  return self;
}

void StagedWork::reserve(std::size_t actions_max) {
  held_.reserve(actions_max + 1);
  receives_.reserve(actions_max);
}

Result<StageSize> StagedWork::prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) {
  GOSSAMER_TRY(drain());  // something is under way only where the device hung in the operation before
  auto size = work_.prepare(stage, part_bytes);
  if (size.ok() && stage < mirrors_.size() && mirrors_[stage]) mirrors_[stage]->begin(size->payload.bytes());
  return size;
}

Status StagedWork::drain() {
  Status status;
  for (const auto& mirror : mirrors_)
    if (mirror)
      if (const Status drained = mirror->drain(); !drained.ok()) status = drained;
  return status;
}

void StagedWork::drop() {
  for (const Action& action : held_)
    if (action.kind == ActionKind::send || action.kind == ActionKind::receive) engine_.withdrawn(action.context);
  held_.clear();
  receives_.clear();
  if (const Status drained = drain(); !drained.ok())
    log(LogLevel::error, text("copies of a failed operation are left under way: ", drained.error().message));
  work_.drop();
}

bool StagedWork::is_ready(const Action& action) const {
  const transport::Slice& slice = action.slice;
  if (action.kind == ActionKind::prepare) {
    const std::size_t before = action.stage;
    return before == 0 || !mirrors_[before - 1] || mirrors_[before - 1]->is_up();
  }
  const auto& mirror = mirrors_[action.stage];
  if (!mirror) return true;
  if (action.kind != ActionKind::receive) return mirror->is_down(slice.offset, slice.bytes);
  return slice.region.base != mirror->data() || mirror->may_receive(slice.offset, slice.bytes);
}

bool StagedWork::hold(const Action& action) {
  const bool in_order = action.kind == ActionKind::merge || action.kind == ActionKind::prepare;
  if (is_ready(action) && !(in_order && !held_.empty())) return false;
  held_.push_back(action);
  return true;
}

bool StagedWork::next(Action& action) {
  for (auto entry = held_.begin(); entry != held_.end(); ++entry) {
    if (is_ready(*entry)) {
      action = *entry;
      held_.erase(entry);
      return true;
    }
    if (entry->kind == ActionKind::merge) return false;  // merges keep their order
  }
  return false;
}

void StagedWork::receive_started(const Action& action) {
  const auto& mirror = mirrors_[action.stage];
  if (mirror && action.slice.region.base == mirror->data())
    receives_.push_back({action.context, action.stage, action.slice.offset, action.slice.bytes});
}

void StagedWork::receive_ended(std::uint64_t context, Code code) {
  const auto found = std::find_if(receives_.begin(), receives_.end(),
                                  [&](const Receive& receive) { return receive.context == context; });
  if (found == receives_.end()) return;  // into the memory that merges read, or of an operation that failed
  if (code == Code::done) mirrors_[found->stage]->written(found->offset, found->bytes);
  receives_.erase(found);
}

void StagedWork::merged(const Action& action) {
  if (mirrors_[action.stage]) mirrors_[action.stage]->written(action.slice.offset, action.slice.bytes);
}

Result<bool> StagedWork::progress(std::uint64_t now_ns) {
  bool moved = false;
  for (const auto& mirror : mirrors_) {
    if (!mirror) continue;
    GOSSAMER_ASSIGN(const auto copied, mirror->progress(now_ns));
    moved |= copied;
  }
  return moved;
}

bool StagedWork::is_copying() const {
  return std::any_of(mirrors_.begin(), mirrors_.end(),
                     [](const auto& mirror) { return mirror && mirror->under_way() > 0; });
}

std::uint64_t StagedWork::next_end_ns() const {
  std::uint64_t next = 0;
  for (const auto& mirror : mirrors_) {
    const std::uint64_t end_ns = mirror ? mirror->next_end_ns() : 0;
    if (end_ns != 0) next = next == 0 ? end_ns : std::min(next, end_ns);
  }
  return next;
}

}  // namespace gossamer::runtime
