// A session: this process's membership, from joining to leaving.
//
//   control (TCP mesh) ── agreement, losses ──┐
//   transport          ── payloads ───────────┼── driver ── engine ── compressors
//   clock              ───────────────────────┘
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/compressor_config.h"
#include "runtime/bootstrap/bootstrap.h"
#include "runtime/collectives/chunk_work.h"
#include "runtime/control/control.h"
#include "runtime/engine/contained.h"
#include "runtime/engine/driver.h"
#include "runtime/engine/plan.h"
#include "runtime/engine/schedule_policy.h"
#include "runtime/engine/trace.h"
#include "runtime/session/collective.h"
#include "runtime/session/compressor.h"
#include "runtime/session/compressor_part.h"
#include "runtime/session/deadline.h"
#include "runtime/session/plan_numbers.h"
#include "runtime/session/report.h"
#include "runtime/session/settings.h"
#include "transport/transport.h"

namespace gossamer::runtime {

// Version of what peers say to each other: tags, payload layouts, control messages.
inline constexpr std::uint32_t wire_version = 3;

// What a session stands on. A simulation gives simulated ones.
struct SessionParts {
  Rank rank;
  std::uint32_t rank_count = 1;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Control> control;
  std::unique_ptr<transport::Transport> transport;  // its view is open
  Patience patience;
  std::optional<ComputeCost> simulated;
  std::uint64_t timeout_ns = 30'000'000'000;  // of agreements
  std::unique_ptr<ThreadPool> pool;           // null: one thread
  SchedulePolicy policy;                      // equal on all ranks
  std::unique_ptr<Trace> trace;               // null: none
  std::string host;                           // its name; empty: not known
  std::string job;
  std::string metrics_path;  // empty: none are written
};

// One thread at a time.
class Session {
 public:
  // Joins as gossamer_init says. Blocks, at most the init timeout.
  // `callers`: the caller's own way of finding the other ranks; null: as the settings and the launcher say.
  [[nodiscard]] static Result<std::unique_ptr<Session>> join(const SettingsRequest& request,
                                                             std::unique_ptr<Bootstrap> callers = nullptr);
  // out_of_resources where a descriptor or a thread of its own cannot be had.
  [[nodiscard]] static Result<std::unique_ptr<Session>> make(SessionParts parts);
  // Leaves. Where an operation was exchanged and none is in flight here, it first serves the peers until theirs have
  // ended, at most 5 s and a lease (Control::settle). The rest is bounded at about 2 s.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] Rank rank() const { return parts_.rank; }
  [[nodiscard]] std::uint32_t rank_count() const { return parts_.rank_count; }
  [[nodiscard]] std::uint64_t control_bytes_sent() const { return parts_.control->bytes_sent(); }

  // Collectives that block, at most limit_ns (0: the session's timeout) in all. A rank that was called wrongly takes
  // part with its `mistake`, so that the others read of it at once; it gets the mistake back.

  // Made on every rank or on none: where one fails, all get an error that names it. The compressor is the session's
  // until destroy_compressor or the session's end. At most the session's timeout.
  Result<Compressor*> make_compressor(const Result<CompressorConfig>& config);
  void destroy_compressor(Compressor* compressor);

  // Collective: each rank with the states that it was given, which the ranks need not have alike. All load, or none
  // does: `mismatch` where ranks would go on from different steps, sizes of session, tensors or shared momentum.
  Status load_states(Compressor& compressor, const Result<std::vector<SavedState>>& states, bool allows_new,
                     std::uint64_t limit_ns);

  // The same for a collective among `members`, in the order of their places; empty: all. Others do not call.
  // `invalid_argument` on this rank alone where they are no ranks, or this one is not among them.
  Result<Collective*> make_collective(const Result<CollectiveConfig>& config, const std::vector<Rank>& members = {});
  void destroy_collective(Collective* collective);

  // Small data travels with the agreement: one round trip over the control plane. Larger data goes in chunks over a
  // plan of its root, made by the first broadcast that needs it. After an error `data` holds anything on ranks other
  // than the root.
  Status broadcast(std::span<std::byte> data, Rank root, std::uint64_t limit_ns, std::optional<Error> mistake = {});
  // The same for a reduction over all ranks, in place, of a vector whose elements all ranks count alike.
  Status all_reduce(const ElementVector& vector, std::byte* data, std::uint64_t limit_ns,
                    std::optional<Error> mistake = {});
  // All ranks have called it.
  Status barrier(std::uint64_t limit_ns, std::optional<Error> mistake = {});
  Status check_equal(std::string_view name, std::span<const std::byte> data, std::uint64_t limit_ns,
                     std::optional<Error> mistake = {});

  // What is in flight, and all that follows, ends with `cancelled` here and `peer_lost` elsewhere. Any thread, before
  // the destructor; does not block.
  void abort() { parts_.control->abort(); }

  // What it has done so far. Reads residuals.
  [[nodiscard]] SessionReport report() const;
  // As metrics, where the settings name a file for them, with what is gone already. What fails is logged.
  void write_metrics(const SessionReport& report) const;

  // "rank 3 of 8 on node7": whose lines of the log are this session's (LogScope).
  [[nodiscard]] const std::string& who() const { return who_; }

  // Local: zeroed memory that the transport owns and ranks on this host can map.
  Result<std::span<std::byte>> allocate(std::size_t bytes);
  // False where it is none of allocate's.
  bool free(const void* memory);
  // The block of `allocate` that this address lies in; empty: in none.
  [[nodiscard]] std::span<const std::byte> allocation_of(const void* address) const;

  // For the owner of a simulation.
  [[nodiscard]] Driver& driver() { return *driver_; }
  Status start_thread() { return driver_->start_thread(); }

 private:
  // What giving a plan up may take.
  static constexpr std::uint64_t retire_limit_ns = 200'000'000;

  explicit Session(SessionParts parts);

  // Memory of `allocate`: the transport's where peers can map it, else plain.
  struct Allocation {
    std::size_t bytes = 0;
    transport::Region region;
    Buffer plain;
  };
  // Of one-off calls of one kind that are too large for the control plane.
  struct CallPlan {
    std::unique_ptr<Plan> plan;
    ChunkWork* work = nullptr;  // the plan's
  };

  // From the parts of all ranks: the number of the compressor's plan, the same everywhere, or the same error.
  [[nodiscard]] Result<PlanDraw> draw_compressor_plan(const std::vector<Blob>& blobs, const Layout& layout,
                                                      const Deadline& deadline);
  // What `make` makes with a plan of the drawn number: on every rank or on none. Where it was made here and not
  // everywhere, `unmake` takes it back.
  // `members`: ascending; empty: all ranks.
  Result<std::vector<Blob>> agree_among(std::string_view subject, std::span<const Field> fields,
                                        const Contribution& mine, std::span<const Rank> members,
                                        const Deadline& deadline);
  template <typename Make, typename Unmake>
  auto make_on_all(std::string_view subject, std::span<const Rank> members, const PlanDraw& draw,
                   const Deadline& deadline, Make make, Unmake unmake) -> decltype(make());
  // With the keys of all: the plan's stages go through memory that its ranks share where all of them can map it.
  Status share_memory(std::string_view subject, std::span<const Rank> members, std::uint32_t plan,
                      std::span<const transport::RegionKey> keys, const Deadline& deadline);
  // One-off calls: agree on the fields, and move the data with the agreement or over a plan.
  struct Call {
    std::string_view name;
    CallKind kind;
    std::vector<Field> fields;
    bool is_inline = true;  // its data travels with the agreement
  };
  Result<std::vector<Blob>> agree_on_call(const Call& call, std::span<const std::byte> given,
                                          const std::optional<Error>& mistake, const Deadline& deadline);
  Status move_chunks(const Call& call, std::span<std::byte> data, const std::vector<Blob>& offers,
                     const Deadline& deadline);
  Result<CallPlan*> call_plan(const Call& call, const std::vector<Blob>& blobs, const Deadline& deadline);
  void drop_call_plan(const CallKind& kind, std::uint64_t limit_ns);
  // Where there is no memory for what `note` notes, it is left out: destroying does not fail.
  template <typename Note>
  void remember(Note note) {
    const Status noted = contained([&]() -> Status {
      note();
      return {};
    });
    if (!noted.ok()) log(LogLevel::warning, text("metrics lack something: ", noted.error().message));
  }
  // Its number is free again where its memory is.
  void retire(std::unique_ptr<Plan> plan, std::uint64_t limit_ns);

  const std::string who_;  // outlives all that may log
  SessionParts parts_;
  PastReports past_;  // of what was destroyed; only where metrics are written
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Driver> driver_;
  PlanNumbers numbers_;
  std::vector<std::unique_ptr<Compressor>> compressors_;
  std::vector<std::unique_ptr<Collective>> collectives_;
  std::map<CallKind, CallPlan> call_plans_;
  std::map<const std::byte*, Allocation> allocations_;  // by their first byte
  // Whose memory the transport may still use after a loss: freed after the view is closed.
  std::vector<std::unique_ptr<Plan>> retired_;
};

}  // namespace gossamer::runtime
