#include "runtime/engine/engine.h"

#include <algorithm>
#include <utility>

#include "runtime/engine/relax.h"
#include "runtime/engine/tag.h"

namespace gossamer::runtime {

namespace {

// The rank of the session that has this place among a stage's.
Rank member(const Stage& stage, Rank place) {
  return stage.near->members.empty() ? place : stage.near->members[place.value];
}

void call(const Observer& observer, Code code) {
  threads_in_observers.fetch_add(1, std::memory_order_relaxed);
  const bool outer = std::exchange(has_observer_mark, true);
  observer.call(observer.context, static_cast<std::int32_t>(code));
  has_observer_mark = outer;
  threads_in_observers.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace

Status Engine::add(std::uint32_t number, const Ledger& ledger, std::string name, Work& work) {
  GOSSAMER_CHECK(number < tag_field_max && (number >= plans_.size() || !plans_[number]),
                 "a plan number is given twice");
  auto plan = std::make_unique<Plan>();
  plan->name = std::move(name);
  plan->work = &work;
  plan->ledger = ledger;
  CollectiveRun::MessageCounts counts;
  plan->actions_max = 1;
  for (const Stage& stage : work.stages()) {
    GOSSAMER_ASSIGN(
        auto run,
        CollectiveRun::make(
            {.epoch = epoch_, .rank = rank_, .plan = number, .stage = static_cast<std::uint32_t>(plan->runs.size())},
            stage, counts));
    plan->actions_max += run.actions_max();
    plan->runs.push_back(std::move(run));
    plan->shared.push_back(nullptr);
  }
  const auto stages = work.stages();
  plan->may_miss =
      !stages.empty() && std::all_of(stages.begin(), stages.end(), [](const Stage& stage) { return stage.may_miss; });
  actions_.reserve(2 * (actions_max_ + plan->actions_max));
  if (number >= plans_.size()) plans_.resize(number + 1);
  actions_max_ += plan->actions_max;
  plans_[number] = std::move(plan);
  for (const Rank peer : lost_)
    if (plans_[number]->may_miss) go_on_without(number, peer);
  return {};
}

std::vector<Engine::StageMemory> Engine::memory(std::uint32_t plan) const {
  std::vector<StageMemory> memory;
  const Plan& p = at(plan);
  for (std::size_t i = 0; i < p.runs.size(); ++i) {
    const Stage& stage = p.work->stages()[i];
    memory.push_back({stage.buffer, stage.buffer_bytes(), p.runs[i].staging_bytes()});
  }
  return memory;
}

void Engine::bind(std::uint32_t plan, std::size_t stage, const transport::Region& buffer,
                  const transport::Region& staging) {
  at(plan).runs.at(stage).bind(buffer, staging);
}

void Engine::remove(std::uint32_t plan) {
  GOSSAMER_CHECK(at(plan).outstanding == 0, "a plan is removed while its memory is in use");
  actions_max_ -= at(plan).actions_max;
  // Nothing that was queued for it is done for a later plan of its number.
  actions_.erase(actions_.begin(), actions_.begin() + static_cast<std::ptrdiff_t>(head_));
  head_ = 0;
  std::erase_if(actions_, [plan](const Action& action) { return action.plan == plan; });
  plans_[plan].reset();
}

Status Engine::claim(std::uint32_t plan) {
  Plan& p = at(plan);
  if (p.state.code.load(std::memory_order_acquire) == Code::pending)
    return Error{Code::busy, text(p.name, " has an operation in flight: wait for it before the next start")};
  in_flight_->fetch_add(1, std::memory_order_relaxed);
  if (watches_ends_) p.watch.store(Watch::unset, std::memory_order_relaxed);
  p.state.code.store(Code::pending, std::memory_order_release);
  return {};
}

Status Engine::observe(std::uint32_t plan, const Observer& observer) {
  Plan& p = at(plan);
  if (p.state.code.load(std::memory_order_acquire) == Code::pending) {
    Watch watch = p.watch.load(std::memory_order_acquire);
    if (watch == Watch::set)
      return Error{Code::invalid_argument, text("this operation of ", p.name, " has told somebody of its end already")};
    if (watch == Watch::unset) {
      p.observer = observer;
      if (p.watch.compare_exchange_strong(watch, Watch::set, std::memory_order_release, std::memory_order_acquire))
        return {};
    }
    // Who ends it has passed the point where it looks for an observer, and says in a moment how.
    while (p.state.code.load(std::memory_order_acquire) == Code::pending) relax();
  }
  call(observer, p.state.code.load(std::memory_order_acquire));
  return {};
}

void Engine::start(std::uint32_t plan) {
  Plan& p = at(plan);
  ++p.state.operations;
  // It may have failed between claim and here.
  if (!p.is_under_way && p.state.code.load(std::memory_order_relaxed) == Code::pending) {
    p.is_under_way = true;
    ++under_way_;
  }
  p.state.bytes_sent = 0;
  p.stage = 0;
  p.is_in_stage = false;
  if (broken_ && (is_out_ || !p.may_miss)) return fail(plan, *broken_);
  if (p.outstanding != 0)
    return fail(plan, Error{Code::busy, text(p.name, " still has transfers of a failed operation: end the session")});
  push(ActionKind::prepare, plan, 0);
}

void Engine::push(ActionKind kind, std::uint32_t plan, std::size_t stage) {
  Action action;
  action.kind = kind;
  action.plan = plan;
  action.stage = static_cast<std::uint32_t>(stage);
  actions_.push_back(action);
}

const Action* Engine::next() {
  if (head_ == actions_.size()) {
    actions_.clear();
    head_ = 0;
    return nullptr;
  }
  if (head_ > actions_max_) {  // seldom: as much has been taken as can wait
    actions_.erase(actions_.begin(), actions_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  while (head_ < actions_.size()) {
    const Action& action = actions_[head_++];
    Plan* plan = plans_[action.plan].get();
    // What was queued before its plan failed or went is not done any more.
    if (plan == nullptr || plan->state.code.load(std::memory_order_relaxed) != Code::pending) continue;
    if (action.is_transfer()) ++plan->outstanding;
    return &action;
  }
  return nullptr;
}

void Engine::advance(std::uint32_t plan) {
  Plan& p = at(plan);
  CollectiveRun& run = p.runs[p.stage];
  if (!run.advance(actions_)) return;
  p.is_in_stage = false;
  p.state.bytes_sent += run.bytes_sent();
  ++p.stage;
  push(ActionKind::prepare, plan, p.stage);
}

void Engine::prepared(std::uint32_t plan, const Result<StageSize>& size) {
  Plan& p = at(plan);
  if (p.state.code.load(std::memory_order_relaxed) != Code::pending) return;
  if (!size.ok()) {
    p.ledger.note(static_cast<std::uint32_t>(p.stage));  // all of a stage or nothing of it
    return end(plan, size.error());
  }
  if (p.stage == p.runs.size()) return finish(p);
  p.runs[p.stage].begin(p.ledger.operations + 1, *size);
  p.is_in_stage = true;
  const HostRun* const shared = p.shared[p.stage];
  if (shared == nullptr) return advance(plan);
  if (shared->is_torn())
    return fail(plan, Error{Code::busy, text(p.name, " was given up in the middle of an operation: make it anew")});
  push(ActionKind::share, plan, p.stage);
}

HostRun::Operation Engine::shared_operation(std::uint32_t plan) const {
  const Plan& p = at(plan);
  const Payload& payload = p.runs[p.stage].payload();
  std::byte* const buffer = p.work->stages()[p.stage].buffer;
  return {.input = buffer,
          .output = buffer,
          .bytes = payload.bytes(),
          .number = std::uint64_t{p.ledger.operations} + 1,
          .merge = {[](const void* of, std::byte* into, const std::byte* a, const std::byte* b, std::uint64_t offset,
                       std::uint64_t bytes) { static_cast<const Payload*>(of)->merge(offset, into, a, b, bytes); },
                    &payload}};
}

void Engine::shared(std::uint32_t plan) {
  Plan& p = at(plan);
  if (p.state.code.load(std::memory_order_relaxed) != Code::pending) return;
  p.state.bytes_sent += p.shared[p.stage]->bytes_shared();
  ++p.stage;
  push(ActionKind::prepare, plan, p.stage);
}

void Engine::strayed(std::uint32_t plan) {
  const Plan& p = at(plan);
  const Rank peer = member(plan, *p.shared[p.stage]->strayed());
  fail(plan, Error{Code::mismatch,
                   text("rank ", peer.value, " is in another operation of ", p.name, " than rank ", rank_.value,
                        " (step ", p.state.operations, "): one of them ended one by an error of its own; make it anew"),
                   peer});
}

Rank Engine::member(std::uint32_t plan, Rank place) const {
  const Plan& p = at(plan);
  return gossamer::runtime::member(p.work->stages()[p.stage], place);
}

std::optional<Rank> Engine::awaited(const Plan& plan) const {
  if (plan.state.code.load(std::memory_order_relaxed) != Code::pending || plan.stage >= plan.runs.size()) return {};
  if (plan.shared[plan.stage] == nullptr) return {};
  const auto place = plan.shared[plan.stage]->waits_for();
  if (!place) return {};
  return gossamer::runtime::member(plan.work->stages()[plan.stage], *place);
}

void Engine::merged(std::uint32_t plan) {
  Plan& p = at(plan);
  if (p.state.code.load(std::memory_order_relaxed) != Code::pending) return;
  CollectiveRun& run = p.runs[p.stage];
  run.merged();
  if (!run.is_busy()) advance(plan);
}

void Engine::completed(std::uint64_t context, Code code, std::uint64_t bytes) {
  const TransferId id = TransferId::unpack(context);
  Plan& p = at(id.plan);
  GOSSAMER_CHECK(p.outstanding > 0, "a completion without a start");
  --p.outstanding;
  if (p.state.code.load(std::memory_order_relaxed) != Code::pending) return;  // the failed operation's leftovers
  CollectiveRun& run = p.runs[id.stage];
  if (code != Code::done) {
    if (miss(id, code)) return advance(id.plan);
    return fail(id.plan, transfer_error(id, code, text("a message ended as ", code_name(code))));
  }
  if (const Status status = run.transferred(id.index, bytes); !status.ok()) return fail(id.plan, status.error());
  if (!run.is_busy()) advance(id.plan);
}

void Engine::refused(std::uint64_t context, const Error& error) {
  const TransferId id = TransferId::unpack(context);
  Plan& p = at(id.plan);
  --p.outstanding;
  if (p.state.code.load(std::memory_order_relaxed) == Code::pending && miss(id, error.code)) return advance(id.plan);
  fail(id.plan, transfer_error(id, error.code, error.message));
}

bool Engine::miss(const TransferId& id, Code code) {
  // UCX ends what a connection that is closed by force carried as cancelled; nobody else cancels for a plan that goes
  // on.
  const bool is_broken = code == Code::peer_lost || code == Code::cancelled;
  return is_broken && at(id.plan).runs[id.stage].missed(id.index);
}

// Names the other rank, what moves the bytes and the place, and for a loss where to look.
Error Engine::transfer_error(const TransferId& id, Code code, const std::string& what) const {
  const Plan& p = at(id.plan);
  const CollectiveRun& run = p.runs[id.stage];
  const Rank peer = run.peer_of(id.index);
  constexpr const char* where_to_look =
      "; see whether that rank's process still runs, and whether the network between the two hosts is up";
  return Error{code,
               text("between rank ", rank_.value, " and rank ", peer.value, " over ", way_, ": ", what, ", in ", p.name,
                    " step ", p.state.operations, " (", run.label(), ")", code == Code::peer_lost ? where_to_look : ""),
               peer};
}

void Engine::finish(Plan& plan) {
  plan.ledger.note(static_cast<std::uint32_t>(plan.stage));
  publish(plan, Code::done);
}

void Engine::publish(Plan& plan, Code code) {
  under_way_ -= std::exchange(plan.is_under_way, false) ? 1u : 0u;
  Observer observer;
  if (watches_ends_ && plan.watch.exchange(Watch::closed, std::memory_order_acq_rel) == Watch::set)
    observer = plan.observer;
  plan.state.code.store(code, std::memory_order_release);
  in_flight_->fetch_sub(1, std::memory_order_release);
  if (observer.call != nullptr) call(observer, code);
}

void Engine::fail(std::uint32_t plan, const Error& error) {
  Plan& p = at(plan);
  if (p.state.code.load(std::memory_order_relaxed) != Code::pending) return;
  ++p.ledger.operations;
  p.ledger.torn = true;
  end(plan, error);
}

void Engine::end(std::uint32_t plan, const Error& error) {
  Plan& p = at(plan);
  HostRun* const shared = p.stage < p.shared.size() ? p.shared[p.stage] : nullptr;
  if (shared != nullptr && shared->is_running()) shared->give_up();
  p.work->drop();
  p.state.error = error;
  publish(p, error.code);
}

void Engine::lose(Rank peer, Error error) {
  if (std::find(lost_.begin(), lost_.end(), peer) != lost_.end()) return;
  lost_.push_back(peer);
  if (!broken_) broken_ = std::move(error);
  for (std::uint32_t plan = 0; plan < plans_.size(); ++plan) {
    if (!plans_[plan]) continue;
    if (plans_[plan]->may_miss)
      go_on_without(plan, peer);
    else
      fail(plan, *broken_);
  }
}

void Engine::go_on_without(std::uint32_t plan, Rank peer) {
  Plan& p = at(plan);
  p.work->lost(peer);
  for (CollectiveRun& run : p.runs) run.lose(peer);
  if (p.state.code.load(std::memory_order_relaxed) == Code::pending && p.is_in_stage) advance(plan);
}

void Engine::break_with(Error error) {
  is_out_ = true;
  broken_ = std::move(error);
  for (std::uint32_t plan = 0; plan < plans_.size(); ++plan)
    if (plans_[plan]) fail(plan, *broken_);
}

std::span<const std::uint64_t> Engine::part_bytes(std::uint32_t plan) const {
  const Plan& p = at(plan);
  if (p.stage == 0) return {};
  return p.runs[p.stage - 1].part_bytes();
}

const Payload& Engine::payload(std::uint32_t plan, std::size_t stage) const { return at(plan).runs[stage].payload(); }

bool Engine::waits_for(std::uint32_t plan, Rank peer) const {
  const Plan& p = at(plan);
  if (const auto rank = awaited(p)) return *rank == peer;
  return p.state.code.load(std::memory_order_relaxed) == Code::pending && p.stage < p.runs.size() &&
         p.runs[p.stage].waits_for(peer);
}

bool Engine::any_waits_for(Rank peer) const {
  for (std::uint32_t plan = 0; plan < plans_.size(); ++plan)
    if (plans_[plan] && waits_for(plan, peer)) return true;
  return false;
}

std::string Engine::describe_wait(std::uint32_t plan, std::uint64_t waited_ns) const {
  const Plan& p = at(plan);
  const std::string place = text(p.name, " step ", p.state.operations);
  if (const auto rank = awaited(p))
    return text("rank ", rank_.value, " waits for rank ", rank->value, ", ", place, ", ", p.runs[p.stage].label(),
                " in shared memory, ", format_duration(waited_ns));
  if (p.stage < p.runs.size())
    if (const auto wait = p.runs[p.stage].wait())
      return text("rank ", rank_.value, " waits for rank ", wait->peer.value, ", ", place, ", ", wait->what, ", ",
                  format_duration(waited_ns));
  return text("rank ", rank_.value, " waits for nobody but its own progress, ", place, ", ",
              format_duration(waited_ns));
}

}  // namespace gossamer::runtime
