// The engine: one rank's logic as a state machine over any number of plans.
//
//        start(plan)   completed(context)   prepared(plan)   merged(plan)   break_with(error)
//             │               │                   │               │              │
//             ▼               ▼                   ▼               ▼              ▼
//        ┌──────────────────────────────  Engine  ───────────────────────────────────┐
//        └──────────────────────────────────┬─────────────────────────────────────────┘
//                                           ▼ next()
//                         send, receive, merge, prepare: done by the driver
//
// It holds no thread, no socket and no clock, and does not touch payload memory, so a whole cluster
// of engines runs in one process from one seed. After `add` it does not allocate until an error.
// One thread at a time, except that `claim`, `observe` and `state().code` are the caller's too.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/engine/collective.h"
#include "runtime/engine/ledger.h"
#include "runtime/engine/work.h"
#include "runtime/same_host/host_run.h"

namespace gossamer::runtime {

// Called once, by whoever ends an operation, when its state can be read. It must not call back or block.
struct Observer {
  void (*call)(void* context, std::int32_t code) = nullptr;
  void* context = nullptr;
};
// A thread asks for its own mark only while some thread has one: reading it is a call, since a library that is opened
// while the program runs may find no room for the kind that is not (static TLS).
inline constinit std::atomic<std::uint32_t> threads_in_observers{0};
inline constinit thread_local bool has_observer_mark = false;
// This thread is inside of an observer.
[[nodiscard]] inline bool is_in_observer() {
  return threads_in_observers.load(std::memory_order_relaxed) != 0 && has_observer_mark;
}

// How a plan's latest operation stands. Written by the engine, read by anyone.
struct PlanState {
  std::atomic<Code> code{Code::done};
  Error error;                   // valid once `code` is a failure
  std::uint32_t operations = 0;  // started so far
  std::uint64_t bytes_sent = 0;  // by the latest operation
  // Of the latest operation, on the driver's clock; written by the driver, valid once it is done.
  std::uint64_t started_ns = 0;
  std::uint64_t finished_ns = 0;
  std::uint64_t compute_ns = 0;  // in prepare, and in merges that are long enough to be told apart
  std::uint64_t wire_ns = 0;     // in the rest of the driver's passes that moved something, for all plans together
};

class Engine {
 public:
  Engine(Rank rank, Epoch epoch) : rank_(rank), epoch_(epoch) {}

  // What moves the bytes, for sentences: "ucx (posix, tcp)".
  void name_way(std::string way) { way_ = std::move(way); }

  [[nodiscard]] Rank rank() const { return rank_; }

  // Memory of a stage that the driver registers before the first start.
  struct StageMemory {
    std::byte* buffer = nullptr;
    std::uint64_t buffer_bytes = 0;
    std::uint64_t staging_bytes = 0;
  };

  // Adds a plan under a number that all ranks have agreed on and that no plan here has; `ledger` is what earlier plans
  // of that number did. `name` is for messages. `work` outlives the plan. What fails leaves nothing.
  Status add(std::uint32_t number, const Ledger& ledger, std::string name, Work& work);
  [[nodiscard]] std::vector<StageMemory> memory(std::uint32_t plan) const;
  void bind(std::uint32_t plan, std::size_t stage, const transport::Region& buffer, const transport::Region& staging);
  // From now on the stage goes through memory that its ranks share: `run` is its run there, which outlives the plan and
  // which the driver moves on.
  void share(std::uint32_t plan, std::size_t stage, HostRun& run) { at(plan).shared.at(stage) = &run; }
  // Forgets a plan with no transfer outstanding.
  void remove(std::uint32_t plan);
  [[nodiscard]] const Ledger& ledger(std::uint32_t plan) const { return at(plan).ledger; }

  // ---- inputs
  // Marks the next operation as pending, or says `busy`. The caller's thread; `start` follows.
  Status claim(std::uint32_t plan);
  // The plan's latest operation has an observer: called where it ends, or here where it has. `invalid_argument` where
  // it has one already. The caller's thread, and once before that `watch_ends`, while no other thread is in the engine:
  // an engine that was never told to does not look for observers.
  void watch_ends() { watches_ends_ = true; }
  [[nodiscard]] bool watches_ends() const { return watches_ends_; }
  Status observe(std::uint32_t plan, const Observer& observer);
  void start(std::uint32_t plan);
  void completed(std::uint64_t context, Code code, std::uint64_t bytes);
  void prepared(std::uint32_t plan, const Result<StageSize>& size);
  void merged(std::uint32_t plan);
  // The run in shared memory has finished its operation, or cannot: a rank has left one out.
  void shared(std::uint32_t plan);
  void strayed(std::uint32_t plan);
  // A transfer could not be started.
  void refused(std::uint64_t context, const Error& error);
  // A transfer of an operation that fails was not started, and will not be.
  void withdrawn(std::uint64_t context) { --at(TransferId::unpack(context).plan).outstanding; }
  // `peer` is lost: every operation in flight, and each one that is started later, ends with this error, but for those
  // of plans that may miss parts; they go on without it.
  void lose(Rank peer, Error error);
  // The same without exception: this rank itself is out.
  void break_with(Error error);
  [[nodiscard]] bool broken() const { return broken_.has_value(); }
  void fail(std::uint32_t plan, const Error& error);

  // ---- outputs
  // The next thing to do, in order; there until the next call of this or of `remove`. Null when there is none until the
  // next input.
  [[nodiscard]] const Action* next();
  [[nodiscard]] Work& work(std::uint32_t plan) { return *at(plan).work; }
  [[nodiscard]] std::span<const std::uint64_t> part_bytes(std::uint32_t plan) const;
  [[nodiscard]] const Payload& payload(std::uint32_t plan, std::size_t stage) const;
  // The present stage's run in shared memory; null where it has none.
  [[nodiscard]] HostRun* shared_run(std::uint32_t plan) {
    Plan& p = at(plan);
    return p.stage < p.shared.size() ? p.shared[p.stage] : nullptr;
  }
  // For that run.
  [[nodiscard]] HostRun::Operation shared_operation(std::uint32_t plan) const;
  [[nodiscard]] PlanState& state(std::uint32_t plan) { return at(plan).state; }
  // Transfers started and not completed; memory may be freed only at 0.
  [[nodiscard]] std::uint32_t outstanding(std::uint32_t plan) const { return at(plan).outstanding; }
  [[nodiscard]] std::uint32_t in_flight() const { return in_flight_->load(std::memory_order_acquire); }
  // Started and not ended.
  [[nodiscard]] std::uint32_t under_way() const { return under_way_; }
  // The same for others: operations claimed and not ended, and whatever else its holders count as such.
  [[nodiscard]] const std::shared_ptr<std::atomic<std::uint32_t>>& in_flight_count() const { return in_flight_; }
  [[nodiscard]] std::size_t transfers_max(std::uint32_t plan, std::size_t stage) const {
    return at(plan).runs[stage].actions_max();
  }
  [[nodiscard]] std::size_t transfer_count(std::uint32_t plan, std::size_t stage) const {
    return at(plan).runs[stage].transfer_count();
  }
  [[nodiscard]] Rank peer_of(const TransferId& id) const { return at(id.plan).runs[id.stage].peer_of(id.index); }
  // The rank of the session that has this place in the plan's present stage.
  [[nodiscard]] Rank member(std::uint32_t plan, Rank place) const;
  [[nodiscard]] bool waits_for(std::uint32_t plan, Rank peer) const;
  [[nodiscard]] bool any_waits_for(Rank peer) const;

  // "rank 3 waits for rank 1, gs-sgd step 412, sketch all-gather slice 2, 5.0 s"
  [[nodiscard]] std::string describe_wait(std::uint32_t plan, std::uint64_t waited_ns) const;

 private:
  enum class Watch : std::uint8_t { unset, set, closed };  // closed: the operation ends or has ended
  struct Plan {
    std::string name;
    Work* work = nullptr;
    std::vector<CollectiveRun> runs;
    std::vector<HostRun*> shared;  // by stage; null: by messages
    std::size_t stage = 0;
    std::uint32_t outstanding = 0;
    std::size_t actions_max = 0;
    bool may_miss = false;
    bool is_in_stage = false;  // prepared, and not through
    bool is_under_way = false;
    Ledger ledger;
    PlanState state;
    // The observer is written by the caller while it is unset, and read by who ends the operation, before that is
    // known.
    std::atomic<Watch> watch{Watch::unset};
    Observer observer;
  };

  [[nodiscard]] Plan& at(std::uint32_t plan) {
    GOSSAMER_CHECK(plan < plans_.size() && plans_[plan], "no such plan");
    return *plans_[plan];
  }
  [[nodiscard]] const Plan& at(std::uint32_t plan) const { return const_cast<Engine*>(this)->at(plan); }
  void push(ActionKind kind, std::uint32_t plan, std::size_t stage);
  void advance(std::uint32_t plan);
  void go_on_without(std::uint32_t plan, Rank peer);
  // Whether a transfer's end is settled so: its peer is lost, and the plan may miss that.
  bool miss(const TransferId& id, Code code);
  void finish(Plan& plan);
  void end(std::uint32_t plan, const Error& error);
  // The end of an operation becomes known. Its caller may start the next one at once.
  void publish(Plan& plan, Code code);
  // Whom the present stage waits for in shared memory.
  [[nodiscard]] std::optional<Rank> awaited(const Plan& plan) const;
  [[nodiscard]] Error transfer_error(const TransferId& id, Code code, const std::string& what) const;

  Rank rank_;
  Epoch epoch_;
  std::string way_ = "the transport";
  std::vector<std::unique_ptr<Plan>> plans_;  // by number; null once removed
  std::vector<Action> actions_;               // a queue: taken from head_; never grows after `add`
  std::size_t head_ = 0;
  std::size_t actions_max_ = 0;  // of all plans together
  std::shared_ptr<std::atomic<std::uint32_t>> in_flight_ = std::make_shared<std::atomic<std::uint32_t>>(0);
  std::uint32_t under_way_ = 0;
  std::optional<Error> broken_;
  bool is_out_ = false;  // and no plan goes on
  bool watches_ends_ = false;
  std::vector<Rank> lost_;
};

}  // namespace gossamer::runtime
