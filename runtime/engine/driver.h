// The driver: does what the engine says, over a transport, a control plane and a clock.
//
// Whoever progresses is either the caller, in test and wait (inline), or one thread of the driver's
// own. The caller hands a start to that thread through a small lock-free queue, so between caller and
// engine there is no lock and no allocation. Waiting spins, then yields, then sleeps on the
// descriptors of transport and control plane.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"
#include "runtime/engine/buffer.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/host_memory.h"
#include "runtime/engine/staged_work.h"
#include "runtime/engine/trace.h"
#include "transport/transport.h"

namespace gossamer::runtime {

// What computing costs on a virtual clock; a simulated driver is busy that long.
struct ComputeCost {
  double merge_ns_per_byte = 0.05;
  std::uint64_t prepare_ns = 100'000;
  CopyCost copy;  // between host and device memory; the driver is not busy with it
};

// How long a waiter spins and yields before it sleeps, in passes without progress.
struct Patience {
  std::uint32_t spins = 2'000;
  std::uint32_t yields = 200;
};

class Driver {
 public:
  // All are the caller's and outlive the driver. `simulated` is for a virtual clock only. out_of_resources without a
  // descriptor to be woken by.
  [[nodiscard]] static Result<std::unique_ptr<Driver>> make(Engine& engine, transport::Transport& transport,
                                                            Control& control, const Clock& clock, Patience patience,
                                                            std::optional<ComputeCost> simulated = std::nullopt);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // From now on what is done is put down there, and written where a peer is lost. Before the first plan.
  void trace_to(Trace& trace) { trace_ = &trace; }
  // Without a thread. What fails is logged.
  void write_trace();

  // From now on it counts how long it waits for whom, of so many ranks. Before the first plan.
  void count_waits(std::uint32_t rank_count) { waited_for_ns_ = std::vector<std::atomic<std::uint64_t>>(rank_count); }
  // By rank: how long operations were under way and nothing moved, until a message of that rank came, or its part of
  // shared memory. What the caller does between its calls is not counted. That rank may have waited itself.
  [[nodiscard]] std::vector<std::uint64_t> waited_for_ns() const;

  // From now on a thread of the driver's own progresses, until stop_thread. out_of_resources where none can be made.
  Status start_thread();
  void stop_thread();
  [[nodiscard]] bool has_thread() const { return thread_.joinable(); }

  // Adds a plan to the engine (Engine::add) and registers its memory. Buffers in device memory are staged through the
  // host. What fails leaves nothing: no plan, and no memory registered.
  Status add(std::uint32_t number, const Ledger& ledger, std::string name, Work& work);
  // Memory that the plan's ranks share where they are all on one host (Stage::near). Its key goes to all of them: empty
  // where it has none. Once all keys are here, each maps the others' memory; where all could, the plan's stages go
  // through it from then on, else by messages.
  [[nodiscard]] transport::RegionKey shared_key(std::uint32_t plan);
  // `ranks` of the session in the order of `keys`; empty: all.
  [[nodiscard]] Status map_shared(std::uint32_t plan, std::span<const Rank> ranks,
                                  std::span<const transport::RegionKey> keys);
  void use_shared(std::uint32_t plan, bool is_mapped_by_all);
  // Gives up what is in flight on the plan, waits at most `limit_ns` for its transfers to end, and
  // forgets it. Nothing where transfers or copies are still under way: its memory must then outlive the transport.
  [[nodiscard]] std::optional<Ledger> remove(std::uint32_t plan, std::uint64_t limit_ns);
  // Memory of the transport's own, beside what the thread does.
  [[nodiscard]] Result<transport::Region> allocate_memory(std::size_t bytes);
  void release_memory(const transport::Region& region);
  // Nothing is in flight, and nothing has broken.
  [[nodiscard]] bool is_idle();
  // Whether an operation was ever submitted.
  [[nodiscard]] bool was_used() const { return was_used_.load(std::memory_order_relaxed); }

  // Starts the plan's next operation; how it ends is in the plan's state. One caller thread.
  Status submit(std::uint32_t plan);
  // Engine::observe. The caller thread. The first of a driver waits until the thread stands aside.
  Status observe(std::uint32_t plan, const Observer& observer);
  // Moves things on if that is the caller's part, and says how the latest operation stands.
  [[nodiscard]] Code test(std::uint32_t plan);
  // Until the operation is not pending, at most `limit_ns`; then Code::pending.
  [[nodiscard]] Code wait(std::uint32_t plan, std::uint64_t limit_ns);

  [[nodiscard]] std::string describe_wait(std::uint32_t plan, std::uint64_t waited_ns);
  [[nodiscard]] const PlanState& state(std::uint32_t plan) { return engine_.state(plan); }
  // With no operation in flight.
  [[nodiscard]] const Ledger& ledger(std::uint32_t plan) const { return engine_.ledger(plan); }

  // One pass, inline. True if something moved. The simulation calls it for each rank in turn.
  bool progress();

  // On a virtual clock: until when this driver computes; in the past if it does not.
  [[nodiscard]] std::uint64_t busy_until_ns() const { return busy_until_ns_; }
  // On a virtual clock: when the next copy to or from device memory ends; 0 with none under way.
  [[nodiscard]] std::uint64_t next_copy_ns() const;
  // Whether memory of a plan is still being copied.
  [[nodiscard]] bool is_copying() const;

 private:
  Driver(Engine& engine, transport::Transport& transport, Control& control, const Clock& clock, Patience patience,
         std::optional<ComputeCost> simulated, UniqueDescriptor wake);

  struct Bound {
    std::vector<transport::Region> regions;
    std::vector<Buffer> staging;
    std::unique_ptr<HostMemory> shared;                                  // null: by messages
    std::unique_ptr<StagedWork> staged;                                  // null: all buffers are on the host
    std::vector<std::vector<std::optional<transport::Token>>> receives;  // under way, by stage and index
    std::uint32_t track = 0;                                             // of the trace
  };

  // True if something moved. `goes_on`: the next pass follows at once, so what moves now may be charged by that one.
  bool pass(bool goes_on);
  void begin(std::uint32_t plan);
  Code wait_for_thread(const PlanState& state, std::uint64_t end_ns);
  bool take_starts();
  // A sleeper looks around at least so often, for events that no descriptor shows.
  static constexpr std::uint64_t sleep_max_ns = 50'000'000;

  bool look_for_losses();
  void lose(const Loss& loss);
  bool poll_transport();
  bool run_actions();
  // What goes through shared memory, as far as peers let it.
  bool move_shared();
  void start_shared(const Action& action);
  // What has just been started, where it goes through shared memory and all peers are there already.
  bool finish_at_once(const PlanState& state);
  bool spin_on_shared(std::uint32_t looks);
  bool run_staged();
  [[nodiscard]] bool is_computing() const { return simulated_ && clock_.now_ns() < busy_until_ns_; }
  void release(Bound& bound);
  [[nodiscard]] StagedWork* staged_of(std::uint32_t plan);
  void run(const Action& action);
  void start_transfer(const Action& action);
  void start_message(const Action& action);
  void merge(const Action& action);
  void prepare(const Action& action);
  // On a virtual clock: computing takes so long.
  void pretend(PlanState& state, double cost_ns);
  // Where what is done changes, the clock is read, and the time since the last reading charged to what was done.
  void turn_to_moving();
  void turn_to_computing(PlanState& state);
  void charge();
  // The caller is back.
  void look_again(std::uint64_t now_ns);
  // Something has moved, and before that nothing.
  [[nodiscard]] bool was_idle() const { return now_ns_ > idle_from_ns_; }
  void end_idleness(std::uint32_t plan, Rank ended_by);
  [[nodiscard]] Trace::Place place_of(const Action& action) const;
  void wake_waiters();
  // Where it sleeps.
  void wake_thread();
  void sleep(std::uint64_t until_ns);
  void thread_main();
  // Runs `body` while the thread, if any, stands aside.
  template <typename Body>
  auto exclusively(Body body) {
    wanted_.fetch_add(1);
    wake_thread();
    const std::lock_guard lock(mutex_);
    wanted_.fetch_sub(1);
    return body();
  }

  Engine& engine_;
  transport::Transport& transport_;
  Control& control_;
  const Clock& clock_;
  const Patience patience_;
  const std::optional<ComputeCost> simulated_;
  Trace* trace_ = nullptr;                     // null: nobody looks
  std::vector<std::unique_ptr<Bound>> bound_;  // by plan; null once removed
  std::vector<std::uint32_t> staged_plans_;
  struct Sharing {
    std::uint32_t plan = 0;
    HostRun* run = nullptr;
  };
  std::vector<Sharing> sharing_;  // operations under way in shared memory
  std::uint32_t finished_at_once_ = 0;
  std::array<transport::Completion, 64> completions_;

  // Plans to start, on their way to the thread: one producer, one consumer.
  std::array<std::uint32_t, 256> starts_{};
  std::atomic<std::uint32_t> starts_head_{0};
  std::atomic<std::uint32_t> starts_tail_{0};

  std::size_t losses_seen_ = 0;     // of the control plane's
  std::vector<Loss> left_;          // peers that left in good order; operations that need them will fail
  std::uint64_t silent_ns_ = 0;     // how long nothing has moved since, while this driver looked
  std::uint64_t looked_at_ns_ = 0;  // when it last did

  std::atomic<bool> was_used_{false};

  std::uint64_t busy_until_ns_ = 0;

  std::uint64_t now_ns_ = 0;               // the latest reading of the clock
  PlanState* computing_ = nullptr;         // whose plan has computed since then
  bool is_moving_ = false;                 // or whether something else has moved
  bool is_now_ = false;                    // it need not be read: it was just now, or what moves since then goes on
  std::atomic<std::uint64_t> wire_ns_{0};  // PlanState::wire_ns of all time
  std::uint64_t idle_from_ns_ = 0;         // until `now_ns_` it has been idle for so long that nobody is charged with
  std::vector<std::atomic<std::uint64_t>> waited_for_ns_;  // by rank

  std::thread thread_;
  std::mutex mutex_;  // over everything above, in thread mode; never taken by submit and test
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint32_t> wanted_{0};  // others that want the mutex: the thread lets them
  std::atomic<bool> asleep_{false};
  UniqueDescriptor wake_;
  std::mutex waiter_mutex_;
  std::condition_variable waiter_;
  std::atomic<std::uint32_t> waiters_{0};
};

}  // namespace gossamer::runtime
