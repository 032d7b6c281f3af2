// A whole measurement: rank 0 plans, collects and decides what to look at again; the others do as planned. Neither
// blocks nor reads any clock but the one it is given, so that a cluster of them also runs on a simulated network.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/base.h"
#include "tools/topo/measure_phase.h"
#include "topology/measure/measurement.h"
#include "topology/measure/rounds.h"
#include "transport/transport.h"

namespace gossamer::tools {

struct MeasureOptions {
  LaneWork work;
  std::uint64_t pair_ns = 1'000'000'000;  // of a pair, both its directions, and of a round under load
  bool idle = true;
  bool loaded = true;
  double fraction = 1.0;  // of the pairs
  std::uint64_t seed = 1;
  double retested = 0.1;  // of the pairs, at most, are measured once more where they look suspicious
};

// Plain memory of this process, registered with the transport.
[[nodiscard]] Result<std::unique_ptr<LaneMemory>> make_host_memory(transport::Transport& transport,
                                                                   std::uint64_t bytes);

// Memory of the CUDA device. `unavailable` says why there is none.
[[nodiscard]] Result<std::unique_ptr<LaneMemory>> make_device_memory(transport::Transport& transport,
                                                                     std::uint64_t bytes);

// What every rank needs; it outlives what is made of it.
struct MeasureEnds {
  transport::Transport* transport = nullptr;  // its view is open
  LaneMemory* memory = nullptr;
  const Clock* clock = nullptr;
  std::int64_t clock_offset_ns = 0;
  Rank rank;
  std::uint32_t rank_count = 1;
  std::function<double()> stolen_cpu;  // so far; may be null
};

// What the driver of a rank calls over and over.
class MeasureRank {
 public:
  virtual ~MeasureRank() = default;
  // True if something moved.
  virtual bool advance() = 0;
  // Nothing need be done before, unless a message comes; 0: at once.
  [[nodiscard]] virtual std::uint64_t wake_ns() const = 0;
  // A lane is under way here: who waits now waits for a measurement.
  [[nodiscard]] virtual bool is_measuring() const = 0;
  [[nodiscard]] virtual bool finished() const = 0;
  // Nothing comes from a rank any more: its process died, or it left.
  virtual void lose(Rank rank, bool died) = 0;
  // After the end. An error is of this rank: its transport, or rank 0 is gone.
  [[nodiscard]] virtual Status status() const = 0;
  // Something is missing from the result: some rank died.
  [[nodiscard]] virtual bool is_incomplete() const = 0;
};

[[nodiscard]] Result<std::unique_ptr<MeasureRank>> make_member(const MeasureEnds& ends, const MeasureOptions& options);

struct MeasureProgress {
  std::uint64_t slots_done = 0;
  std::uint64_t slots = 0;
  std::uint64_t left_ns = 0;
  bool is_retest = false;
};

struct CoordinatorParts {
  topology::Measurement measurement;  // of hosts and ranks; its pairs are not measured again where they have sizes
  std::vector<std::uint32_t> place_of_rank;  // ranks of one place share cores or adapters: one idle pair at a time
  std::uint64_t clock_uncertainty_ns = 0;
  // After each phase.
  std::function<void(const MeasureProgress& progress)> on_phase;
};

class MeasureCoordinator : public MeasureRank {
 public:
  // What there is so far; complete after the end.
  [[nodiscard]] virtual topology::Measurement measurement() const = 0;
};
[[nodiscard]] Result<std::unique_ptr<MeasureCoordinator>> make_coordinator(const MeasureEnds& ends,
                                                                           const MeasureOptions& options,
                                                                           CoordinatorParts parts);

// Whether one measurement can have so many pairs: `invalid_argument`.
[[nodiscard]] Status check_plan(const MeasureOptions& options, const CoordinatorParts& parts);

// Slots that a measurement of these options has at first, without those of suspicious pairs: for saying how long.
[[nodiscard]] std::uint64_t planned_slots(const MeasureOptions& options, const CoordinatorParts& parts);

}  // namespace gossamer::tools
