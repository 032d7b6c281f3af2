#include "runtime/engine/driver.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "runtime/engine/relax.h"

namespace gossamer::runtime {

namespace {

// And that often for all else, where it sleeps for a peer in shared memory.
constexpr std::uint64_t shared_sleep_max_ns = 1'000'000;
// Looks at shared memory between two passes that look at everything.
constexpr std::uint32_t shared_looks_max = 64;
constexpr std::uint32_t looks_in_a_pass = 8;
// A shorter merge is not told apart from what the transport moves: looking at the clock would take as long.
constexpr std::uint64_t told_apart_bytes = 4'096;
// A waiter that always finds something to move looks at its deadline after so many passes.
constexpr std::uint32_t passes_without_clock = 64;
// Between two calls that come as fast as they can there is less.
constexpr std::uint64_t callers_own_ns = 20'000;

}  // namespace

Result<std::unique_ptr<Driver>> Driver::make(Engine& engine, transport::Transport& transport, Control& control,
                                             const Clock& clock, Patience patience,
                                             std::optional<ComputeCost> simulated) {
  UniqueDescriptor wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.is_open()) {
    return Error{Code::out_of_resources, text("cannot open an event descriptor (", std::strerror(errno),
                                              "); raise the limit of open files (ulimit -n)")};
  }
  return std::unique_ptr<Driver>(new Driver(engine, transport, control, clock, patience, simulated, std::move(wake)));
}

Driver::Driver(Engine& engine, transport::Transport& transport, Control& control, const Clock& clock, Patience patience,
               std::optional<ComputeCost> simulated, UniqueDescriptor wake)
    : engine_(engine),
      transport_(transport),
      control_(control),
      clock_(clock),
      patience_(patience),
      simulated_(simulated),
      wake_(std::move(wake)) {
  engine_.name_way(transport::describe_way(transport_.capabilities()));
}

Driver::~Driver() {
  stop_thread();
  for (const auto& bound : bound_)
    if (bound) release(*bound);
}

Status Driver::add(std::uint32_t number, const Ledger& ledger, std::string name, Work& work) {
  return exclusively([&]() -> Status {
    auto owned = std::make_unique<Bound>();
    Bound& bound = *owned;
    if (StagedWork::is_needed(work)) {
      auto staged =
          StagedWork::make(work, engine_, simulated_ ? std::optional<CopyCost>(simulated_->copy) : std::nullopt);
      GOSSAMER_TRY(staged);
      bound.staged = std::move(*staged);
    }
    if (!simulated_ && !bound.staged && transport_.capabilities().can_map) {
      auto shared = HostMemory::make(work.stages(), transport_);
      if (shared.ok())
        bound.shared = *std::move(shared);
      else
        log(LogLevel::warning, text(name, " goes by messages on this host: ", shared.error().message));
    }
    std::string track = trace_ != nullptr ? name : std::string();
    GOSSAMER_TRY(engine_.add(number, ledger, std::move(name), bound.staged ? *bound.staged : work));
    // Whatever ends this early, an exception too, takes back what there is.
    struct Undo {
      Driver& driver;
      Bound& bound;
      std::uint32_t number;
      bool is_armed = true;
      ~Undo() {
        if (!is_armed) return;
        driver.engine_.remove(number);
        driver.release(bound);
      }
    } undo{*this, bound, number};
    std::size_t transfers = 0;
    const auto stages = engine_.memory(number);
    bound.regions.reserve(2 * stages.size());
    bound.staging.reserve(stages.size());
    for (std::size_t i = 0; i < stages.size(); ++i) {
      GOSSAMER_ASSIGN(auto staging, Buffer::make(stages[i].staging_bytes));
      GOSSAMER_ASSIGN(auto buffer_region,
                      transport_.register_memory(stages[i].buffer, stages[i].buffer_bytes, MemoryKind::host));
      bound.regions.push_back(buffer_region);
      GOSSAMER_ASSIGN(auto staging_region,
                      transport_.register_memory(staging.data(), staging.bytes(), MemoryKind::host));
      bound.regions.push_back(staging_region);
      bound.staging.push_back(std::move(staging));
      engine_.bind(number, i, buffer_region, staging_region);
      transfers += engine_.transfers_max(number, i);
      bound.receives.emplace_back(engine_.transfer_count(number, i));
    }
    if (bound.staged) bound.staged->reserve(transfers);
    staged_plans_.reserve(staged_plans_.size() + 1);
    sharing_.reserve(bound_.size() + 1);
    if (bound_.size() <= number) bound_.resize(number + 1);
    if (trace_ != nullptr) {
      std::vector<std::string> labels;
      for (const Stage& stage : work.stages()) labels.push_back(stage.label);
      bound.track = trace_->add_track(std::move(track), std::move(labels));
    }
    undo.is_armed = false;
    if (bound.staged) staged_plans_.push_back(number);
    bound_[number] = std::move(owned);
    return {};
  });
}

void Driver::release(Bound& bound) {
  for (const transport::Region& region : bound.regions) transport_.release_memory(region);
  bound.regions.clear();
  bound.shared.reset();
}

Result<transport::Region> Driver::allocate_memory(std::size_t bytes) {
  return exclusively([&] { return transport_.allocate_memory(bytes); });
}

void Driver::release_memory(const transport::Region& region) {
  exclusively([&] {
    transport_.release_memory(region);
    return true;
  });
}

std::optional<Ledger> Driver::remove(std::uint32_t plan, std::uint64_t limit_ns) {
  return exclusively([&]() -> std::optional<Ledger> {
    while (take_starts()) {
    }
    engine_.fail(plan, Error{Code::cancelled, "the plan was removed"});
    Bound& bound = *bound_.at(plan);
    for (const auto& of_stage : bound.receives)
      for (const auto& receive : of_stage)
        if (receive) transport_.cancel(*receive);
    const std::uint64_t end_ns = clock_.now_ns() + limit_ns;
    while (engine_.outstanding(plan) > 0 && !simulated_ && clock_.now_ns() < end_ns)
      if (!progress()) sched_yield();
    const bool is_copied = !bound.staged || bound.staged->drain().ok();
    if (engine_.outstanding(plan) > 0 || !is_copied) return std::nullopt;
    std::erase(staged_plans_, plan);
    std::erase_if(sharing_, [plan](const Sharing& entry) { return entry.plan == plan; });
    release(bound);
    const Ledger ledger = engine_.ledger(plan);
    bound_[plan].reset();
    engine_.remove(plan);
    return ledger;
  });
}

Status Driver::submit(std::uint32_t plan) {
  GOSSAMER_TRY(engine_.claim(plan));
  was_used_.store(true, std::memory_order_relaxed);
  PlanState& state = engine_.state(plan);
  state.started_ns = clock_.now_ns();
  state.compute_ns = 0;
  state.wire_ns = wire_ns_.load(std::memory_order_relaxed);  // until it ends; then the difference
  if (!has_thread()) {
    look_again(state.started_ns);
    begin(plan);
    if (!bound_[plan]->shared || !finish_at_once(state)) pass(false);
    return {};
  }
  const std::uint32_t tail = starts_tail_.load(std::memory_order_relaxed);
  while (tail - starts_head_.load(std::memory_order_acquire) == starts_.size()) sched_yield();
  starts_[tail % starts_.size()] = plan;
  starts_tail_.store(tail + 1, std::memory_order_seq_cst);
  wake_thread();
  return {};
}

void Driver::wake_thread() {
  if (!asleep_.load(std::memory_order_seq_cst)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.value(), &one, sizeof one);
}

Status Driver::observe(std::uint32_t plan, const Observer& observer) {
  if (!engine_.watches_ends()) {
    exclusively([&] {
      engine_.watch_ends();
      return true;
    });
  }
  return engine_.observe(plan, observer);
}

bool Driver::take_starts() {
  const std::uint32_t head = starts_head_.load(std::memory_order_relaxed);
  if (head == starts_tail_.load(std::memory_order_acquire)) return false;
  const std::uint32_t plan = starts_[head % starts_.size()];
  starts_head_.store(head + 1, std::memory_order_release);
  begin(plan);
  return true;
}

void Driver::begin(std::uint32_t plan) {
  if (engine_.under_way() == 0) idle_from_ns_ = now_ns_;  // until now nobody was waited for
  engine_.start(plan);
  if (trace_ == nullptr) return;
  const PlanState& state = engine_.state(plan);
  trace_->started(bound_[plan]->track, state.operations, state.started_ns);
}

Code Driver::test(std::uint32_t plan) {
  const PlanState& state = engine_.state(plan);
  Code code = state.code.load(std::memory_order_acquire);
  if (code == Code::pending && !has_thread()) {
    progress();
    code = state.code.load(std::memory_order_acquire);
  }
  return code;
}

Code Driver::wait(std::uint32_t plan, std::uint64_t limit_ns) {
  const PlanState& state = engine_.state(plan);
  if (const Code code = state.code.load(std::memory_order_acquire); code != Code::pending) return code;
  if (has_thread()) return wait_for_thread(state, clock_.now_ns() + limit_ns);
  look_again(clock_.now_ns());
  const std::uint64_t end_ns = now_ns_ + limit_ns;
  std::uint32_t idle = 0;
  const auto is_pending = [&] { return state.code.load(std::memory_order_acquire) == Code::pending; };
  for (std::uint32_t passes = 1;; ++passes) {
    // With more ranks than cores a peer may need this one; else a look costs some of what a pass does.
    const std::uint32_t looks =
        sharing_.empty() ? 0 : std::min(shared_looks_max, std::max(patience_.spins, idle + 1) - idle);
    bool moved = looks != 0 && spin_on_shared(looks);
    if (!is_pending()) break;
    moved |= pass(passes % passes_without_clock != 0);
    if (!is_pending()) break;
    idle = moved ? 0 : idle + 1 + (patience_.spins > shared_looks_max ? looks / looks_in_a_pass : looks);
    if (idle >= patience_.spins + patience_.yields)
      sleep(end_ns);
    else if (idle >= patience_.spins)
      sched_yield();
    if (now_ns_ >= end_ns) break;
  }
  charge();
  return state.code.load(std::memory_order_acquire);
}

Code Driver::wait_for_thread(const PlanState& state, std::uint64_t end_ns) {
  const auto code = [&] { return state.code.load(std::memory_order_acquire); };
  for (std::uint32_t idle = 0; code() == Code::pending; ++idle) {
    if (idle < patience_.spins) {
      relax();
      if (idle % 64 != 0) continue;
    }
    const std::uint64_t now_ns = clock_.now_ns();
    if (now_ns >= end_ns) break;
    if (idle < patience_.spins) continue;
    if (idle < patience_.spins + patience_.yields) {
      sched_yield();
      continue;
    }
    waiters_.fetch_add(1);
    {
      std::unique_lock lock(waiter_mutex_);
      waiter_.wait_for(lock, std::chrono::nanoseconds(std::min(sleep_max_ns, end_ns - now_ns)),
                       [&] { return code() != Code::pending; });
    }
    waiters_.fetch_sub(1);
  }
  return code();
}

std::string Driver::describe_wait(std::uint32_t plan, std::uint64_t waited_ns) {
  return exclusively([&] { return engine_.describe_wait(plan, waited_ns); });
}

bool Driver::is_idle() {
  return exclusively([&] { return engine_.in_flight() == 0 && !engine_.broken(); });
}

bool Driver::progress() {
  look_again(clock_.now_ns());
  return pass(false);
}

void Driver::look_again(std::uint64_t now_ns) {
  const std::uint64_t before_ns = std::exchange(now_ns_, now_ns);
  is_now_ = true;
  if (now_ns > before_ns + callers_own_ns && !simulated_) idle_from_ns_ += now_ns - before_ns;
}

// Not from before the operation: then nobody waited.
void Driver::end_idleness(std::uint32_t plan, Rank ended_by) {
  const std::uint64_t from_ns = std::max(idle_from_ns_, engine_.state(plan).started_ns);
  idle_from_ns_ = now_ns_;
  if (now_ns_ <= from_ns || ended_by.value >= waited_for_ns_.size()) return;
  std::atomic<std::uint64_t>& waited = waited_for_ns_[ended_by.value];  // nobody else writes it
  waited.store(waited.load(std::memory_order_relaxed) + now_ns_ - from_ns, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Driver::waited_for_ns() const {
  std::vector<std::uint64_t> waited;
  for (const auto& each : waited_for_ns_) waited.push_back(each.load(std::memory_order_relaxed));
  return waited;
}

bool Driver::pass(bool goes_on) {
  if (is_computing()) return false;
  if (!is_now_) now_ns_ = clock_.now_ns();
  is_now_ = false;
  bool moved = false;
  while (take_starts()) moved = true;
  moved |= look_for_losses();
  moved |= run_actions();
  while (!sharing_.empty() && move_shared()) {
    moved = true;
    run_actions();
  }
  moved |= poll_transport();
  moved |= run_actions();
  is_now_ = moved && goes_on;
  if (!is_now_ || computing_ != nullptr) charge();
  return moved;
}

void Driver::charge() {
  if (!is_moving_ && computing_ == nullptr) return;
  const std::uint64_t before_ns = std::exchange(now_ns_, clock_.now_ns());
  idle_from_ns_ += now_ns_ - before_ns;
  if (computing_ != nullptr)
    computing_->compute_ns += now_ns_ - before_ns;
  else  // nobody else writes it
    wire_ns_.store(wire_ns_.load(std::memory_order_relaxed) + now_ns_ - before_ns, std::memory_order_relaxed);
  computing_ = nullptr;
  is_moving_ = false;
  is_now_ = true;
}

void Driver::turn_to_moving() {
  if (computing_ != nullptr) charge();
  is_moving_ = true;
}

void Driver::turn_to_computing(PlanState& state) {
  if (computing_ != &state) charge();
  computing_ = &state;
}

bool Driver::poll_transport() {
  // Later, what was sent may still have to be moved on for a peer, though its plan is gone.
  if (!was_used() && bound_.empty() && engine_.in_flight() == 0) return false;
  if (computing_ != nullptr) charge();
  const std::size_t count = transport_.poll(completions_);
  if (count == 0) return false;
  silent_ns_ = 0;
  if (was_idle()) {
    const TransferId first = TransferId::unpack(completions_[0].context);
    end_idleness(first.plan, engine_.peer_of(first));
  }
  turn_to_moving();
  if (trace_ != nullptr) charge();
  for (std::size_t i = 0; i < count; ++i) {
    const transport::Completion& completion = completions_[i];
    const TransferId id = TransferId::unpack(completion.context);
    if (trace_ != nullptr) trace_->completed(bound_[id.plan]->track, engine_.peer_of(id), now_ns_);
    bound_[id.plan]->receives[id.stage][id.index].reset();
    if (StagedWork* const staged = staged_of(id.plan)) staged->receive_ended(completion.context, completion.code);
    engine_.completed(completion.context, completion.code, completion.bytes);
  }
  return true;
}

bool Driver::run_actions() {
  bool moved = !staged_plans_.empty() && run_staged();
  while (const Action* const action = is_computing() ? nullptr : engine_.next()) {
    StagedWork* const staged = staged_of(action->plan);
    if (staged == nullptr || !staged->hold(*action)) run(*action);
    moved = true;
  }
  if (moved && has_thread()) wake_waiters();
  return moved;
}

void Driver::wake_waiters() {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // a waiter counts itself, then looks at the state
  if (waiters_.load(std::memory_order_relaxed) == 0) return;
  { const std::lock_guard lock(waiter_mutex_); }
  waiter_.notify_all();
}

StagedWork* Driver::staged_of(std::uint32_t plan) {
  if (staged_plans_.empty()) return nullptr;
  return plan < bound_.size() && bound_[plan] ? bound_[plan]->staged.get() : nullptr;
}

bool Driver::run_staged() {
  bool moved = false;
  for (const std::uint32_t plan : staged_plans_) {
    if (engine_.state(plan).code.load(std::memory_order_relaxed) != Code::pending) continue;
    StagedWork& staged = *bound_[plan]->staged;
    const auto copied = staged.progress(clock_.now_ns());
    if (!copied.ok()) {
      engine_.fail(plan, copied.error());
      moved = true;
      continue;
    }
    moved |= *copied;
    if (*copied) idle_from_ns_ = std::max(idle_from_ns_, now_ns_);  // nobody was waited for but the device
    Action action;
    while (!is_computing() && staged.next(action)) {
      run(action);
      moved = true;
    }
  }
  return moved;
}

bool Driver::is_copying() const {
  return std::any_of(staged_plans_.begin(), staged_plans_.end(),
                     [&](std::uint32_t plan) { return bound_[plan]->staged->is_copying(); });
}

std::uint64_t Driver::next_copy_ns() const {
  std::uint64_t next = 0;
  for (const std::uint32_t plan : staged_plans_) {
    const std::uint64_t end_ns = bound_[plan]->staged->next_end_ns();
    if (end_ns != 0) next = next == 0 ? end_ns : std::min(next, end_ns);
  }
  return next;
}

void Driver::run(const Action& action) {
  switch (action.kind) {
    case ActionKind::send:
    case ActionKind::receive:
      return start_transfer(action);
    case ActionKind::merge:
      return merge(action);
    case ActionKind::prepare:
      return prepare(action);
    case ActionKind::share:
      return start_shared(action);
  }
}

void Driver::merge(const Action& action) {
  PlanState& state = engine_.state(action.plan);
  if (action.slice.bytes >= told_apart_bytes || trace_ != nullptr)
    turn_to_computing(state);
  else
    turn_to_moving();
  const std::uint64_t before_ns = now_ns_;
  engine_.payload(action.plan, action.stage)
      .merge(action.slice.offset, action.slice.data(), action.staged, action.slice.bytes);
  if (simulated_) pretend(state, simulated_->merge_ns_per_byte * static_cast<double>(action.slice.bytes));
  if (trace_ != nullptr) {
    charge();
    trace_->merged(place_of(action), {before_ns, now_ns_});
  }
  if (StagedWork* const staged = staged_of(action.plan)) staged->merged(action);
  engine_.merged(action.plan);
}

void Driver::prepare(const Action& action) {
  PlanState& state = engine_.state(action.plan);
  Work& work = engine_.work(action.plan);
  if (work.computes() || trace_ != nullptr)
    turn_to_computing(state);
  else
    turn_to_moving();
  const std::uint64_t before_ns = now_ns_;
  const auto size = work.prepare(action.stage, engine_.part_bytes(action.plan));
  if (simulated_) pretend(state, static_cast<double>(simulated_->prepare_ns));
  const bool is_last = action.stage == work.stages().size();
  if (is_last || !size.ok() || trace_ != nullptr) charge();
  if (trace_ != nullptr) {
    trace_->prepared(place_of(action), {before_ns, now_ns_});
    if (is_last && size.ok()) trace_->ended(bound_[action.plan]->track, now_ns_);
  }
  if (is_last) {
    state.finished_ns = simulated_ ? busy_until_ns_ : now_ns_;
    state.wire_ns = wire_ns_.load(std::memory_order_relaxed) - state.wire_ns;
  }
  engine_.prepared(action.plan, size);  // may publish the end of the operation: the state is complete before it
}

void Driver::pretend(PlanState& state, double cost_ns) {
  const std::uint64_t now_ns = clock_.now_ns();
  busy_until_ns_ = now_ns + static_cast<std::uint64_t>(cost_ns);
  state.compute_ns += busy_until_ns_ - now_ns;
  idle_from_ns_ += busy_until_ns_ - now_ns;
}

Trace::Place Driver::place_of(const Action& action) const {
  return {bound_[action.plan]->track, action.stage, action.round, action.peer, action.slice.bytes};
}

void Driver::write_trace() {
  if (trace_ == nullptr) return;
  if (const Status written = trace_->write(clock_.now_ns()); !written.ok())
    log(LogLevel::warning, written.error().message);
}

void Driver::start_transfer(const Action& action) {
  if (trace_ == nullptr) return start_message(action);
  charge();
  const std::uint64_t before_ns = now_ns_;
  start_message(action);
  charge();
  trace_->moved(place_of(action), {before_ns, now_ns_}, action.kind == ActionKind::send);
}

void Driver::start_message(const Action& action) {
  turn_to_moving();
  if (action.kind == ActionKind::send) {
    const auto token = transport_.start_send(action.peer, action.tag, action.slice, action.context);
    if (!token.ok()) engine_.refused(action.context, token.error());
    return;
  }
  const auto token = transport_.start_receive(action.peer, action.tag, action.slice, action.context);
  if (!token.ok()) return engine_.refused(action.context, token.error());
  bound_[action.plan]->receives[action.stage][TransferId::unpack(action.context).index] = *token;
  if (StagedWork* const staged = staged_of(action.plan)) staged->receive_started(action);
}

void Driver::sleep(std::uint64_t until_ns) {
  if (!sharing_.empty()) {
    const std::uint64_t now_ns = clock_.now_ns();
    if (now_ns < until_ns) sharing_.front().run->sleep(std::min(shared_sleep_max_ns, until_ns - now_ns));
    return;
  }
  if (transport_.event_descriptor() < 0 || is_copying()) {  // the end of a copy wakes nobody
    sched_yield();
    return;
  }
  asleep_.store(true, std::memory_order_seq_cst);
  const bool may_sleep =
      starts_head_.load() == starts_tail_.load(std::memory_order_seq_cst) && wanted_.load() == 0 && transport_.arm();
  const std::uint64_t now_ns = clock_.now_ns();
  if (may_sleep && now_ns < until_ns) {
    // A loss that is known already keeps its descriptor readable: do not poll it, or this would spin.
    const int control_descriptor = losses_seen_ > 0 || engine_.broken() ? -1 : control_.event_descriptor();
    std::array<pollfd, 3> descriptors = {pollfd{transport_.event_descriptor(), POLLIN, 0},
                                         pollfd{control_descriptor, POLLIN, 0}, pollfd{wake_.value(), POLLIN, 0}};
    const std::uint64_t sleep_ns = std::min(sleep_max_ns, until_ns - now_ns);
    const timespec timeout = {static_cast<time_t>(sleep_ns / 1'000'000'000),
                              static_cast<long>(sleep_ns % 1'000'000'000)};
    ppoll(descriptors.data(), descriptors.size(), &timeout, nullptr);
    if (descriptors[2].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = read(wake_.value(), &count, sizeof count);
    }
  }
  asleep_.store(false, std::memory_order_seq_cst);
}

Status Driver::start_thread() {
  GOSSAMER_CHECK(!simulated_, "a simulation has no threads");
  if (thread_.joinable()) return {};
  stopping_.store(false);
  GOSSAMER_ASSIGN(thread_, make_thread("progress", [this] { thread_main(); }));
  return {};
}

void Driver::stop_thread() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.value(), &one, sizeof one);
  thread_.join();
}

void Driver::thread_main() {
  std::uint32_t idle = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    while (wanted_.load() > 0) sched_yield();
    const std::lock_guard lock(mutex_);
    is_now_ = false;
    do {
      idle = pass(true) ? 0 : idle + 1;
      if (idle >= patience_.spins + patience_.yields)
        sleep(clock_.now_ns() + sleep_max_ns);
      else if (idle >= patience_.spins)
        sched_yield();
    } while (wanted_.load(std::memory_order_relaxed) == 0 && !stopping_.load(std::memory_order_relaxed));
  }
}

}  // namespace gossamer::runtime
