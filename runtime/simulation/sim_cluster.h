// A whole cluster in one process: the same sessions, engines and algorithms as between real
// processes, over a simulated network and control plane, on a virtual clock, from one seed.
//
//   progress every rank until nothing moves ─► advance the clock to the next event ─► again
//
// Equal options give the same events in the same order (`event_hash`), so a failure replays exactly.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/base.h"
#include "runtime/control/sim.h"
#include "runtime/session/session.h"
#include "transport/simulation.h"

namespace gossamer::runtime {

struct SimClusterOptions {
  std::uint32_t rank_count = 4;
  transport::SimOptions network;
  std::optional<transport::FaultOptions> faults;  // every transport behind a fault decorator
  ComputeCost compute;
  std::uint64_t detection_delay_ns = 1'000'000;  // from a death to the others' knowing of it
  std::uint64_t lease_ns = 5'000'000'000;        // from a stop to that; 0: never
  SchedulePolicy policy;
};

class SimCluster {
 public:
  [[nodiscard]] static Result<std::unique_ptr<SimCluster>> make(const SimClusterOptions& options);

  [[nodiscard]] std::uint32_t rank_count() const { return static_cast<std::uint32_t>(sessions_.size()); }
  [[nodiscard]] Session& session(Rank rank) { return *sessions_.at(rank.value); }
  [[nodiscard]] const VirtualClock& clock() const { return clock_; }

  // Runs until `done` is true, or nothing can happen any more, or the virtual time is over. Returns `done()`.
  bool run_until(const std::function<bool()>& done, std::uint64_t limit_ns);
  // Runs only to this moment, so that something can be done to the cluster in the middle.
  void run_to(std::uint64_t now_ns);

  // The rank's fault decorator, where the options have faults. A rank whose transport it kills is a rank whose
  // process died: the cluster kills it at the same moment.
  [[nodiscard]] transport::FaultTransport& faults(Rank rank) { return *faults_.at(rank.value); }

  // The rank's process dies now.
  void kill(Rank rank);

  // The rank's process is stopped now, as by SIGSTOP: it makes no progress, and what is sent to it waits.
  void stop(Rank rank);
  // It goes on.
  void resume(Rank rank);

  // Over every message delivered, in order.
  [[nodiscard]] std::uint64_t event_hash() const { return network_->event_hash(); }

 private:
  SimCluster(const SimClusterOptions& options);
  bool progress_all();
  [[nodiscard]] std::uint64_t next_event_ns() const;

  const SimClusterOptions options_;
  VirtualClock clock_;
  std::unique_ptr<transport::SimNetwork> network_;
  SimControlHub hub_;
  std::vector<transport::Address> addresses_;
  std::vector<transport::FaultTransport*> faults_;  // the sessions' own; empty without faults
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<bool> dead_;
  std::vector<bool> stopped_;
  std::vector<std::uint64_t> alarms_;  // moments at which a loss becomes known
};

}  // namespace gossamer::runtime
