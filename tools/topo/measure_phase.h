// What the ranks of a measurement tell each other between phases, and a phase of one rank.
//
// Rank 0 plans a few seconds ahead: slots of equal length on its clock, in each of which a rank has at most one
// partner. So nobody says a word while somebody measures, and who has nothing to do sleeps.
//
//   rank 0    plan ─►│ slot 0: 0-3 │ slot 1: 0-1 │ slot 2: sleeps │◄─ results, next plan ─►│ ...
//   rank r           │ slot 0: sl. │ slot 1: ... │
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/base.h"
#include "tools/topo/measure_flights.h"
#include "tools/topo/measure_lane.h"
#include "topology/measure/measurement.h"

namespace gossamer::tools {

inline constexpr std::size_t phase_slots_max = 64;

struct PhaseEntry {
  std::uint32_t slot = 0;  // of the phase
  Rank peer;
  topology::PairLoad load = topology::PairLoad::idle;
};

// One rank's part of a phase.
struct PhasePlan {
  std::uint64_t phase = 0;       // from 0
  std::uint64_t first_slot = 0;  // its number among those of all phases
  std::uint64_t begin_ns = 0;    // on rank 0's clock
  std::uint64_t slot_ns = 0;
  std::uint64_t slot_count = 0;  // of the whole phase, others' slots included
  bool is_last = false;          // nothing to measure: the end
  bool failed = false;           // with is_last: something is missing from the result
  std::vector<PhaseEntry> entries;
};
inline constexpr std::size_t plan_bytes_max = (8 + phase_slots_max) * 8;
[[nodiscard]] std::vector<std::uint64_t> encode_plan(const PhasePlan& plan);
[[nodiscard]] Result<PhasePlan> decode_plan(std::span<const std::uint64_t> words, std::uint32_t rank_count);

// Why a lane has no result.
enum class LaneGap : std::uint8_t { none, died, silent };

struct PhaseResult {
  std::uint32_t to = 0;  // from: the rank whose results these are
  topology::PairLoad load = topology::PairLoad::idle;
  LaneGap gap = LaneGap::none;
  LaneResult lane;
};
struct PhaseResults {
  std::uint64_t phase = 0;
  double stolen_cpu = 0.0;  // since the measurement began
  std::vector<PhaseResult> lanes;
};
[[nodiscard]] std::vector<double> encode_results(const PhaseResults& results);
// `malformed` for what no rank of this version sends.
[[nodiscard]] Result<PhaseResults> decode_results(std::span<const double> numbers, std::uint32_t rank_count);
[[nodiscard]] std::size_t results_bytes_max(std::size_t size_count);

// What a rank measures with.
struct LaneEnds {
  Flights* flights = nullptr;
  LaneMemory* memory = nullptr;
  const Clock* clock = nullptr;
  std::int64_t clock_offset_ns = 0;  // rank 0's clock is this one's and so much
  Rank rank;
};

class PhaseRunner {
 public:
  PhaseRunner(const LaneEnds& ends, const LaneWork& work) : ends_(ends), work_(work) {}

  void begin(const PhasePlan& plan);
  // True if something moved; the caller has polled.
  bool advance();
  [[nodiscard]] bool finished() const { return next_ == plan_.entries.size() && !is_measuring_; }
  // Nothing is to be done before, on this rank's clock; 0: now.
  [[nodiscard]] std::uint64_t wake_ns() const;
  [[nodiscard]] bool is_measuring() const { return is_measuring_; }
  // The end of the phase for all ranks, on this rank's clock: until then not a word.
  [[nodiscard]] std::uint64_t end_ns() const { return local_ns(plan_.slot_count); }
  [[nodiscard]] std::vector<PhaseResult> take_results() { return std::move(results_); }

 private:
  // When a slot begins, on this rank's clock.
  [[nodiscard]] std::uint64_t local_ns(std::uint64_t slot) const;
  void begin_slot();
  void begin_lanes();
  bool advance_lanes();
  void end_slot();
  void note_result();

  LaneEnds ends_;
  LaneWork work_;
  PhasePlan plan_;
  std::size_t next_ = 0;  // entry
  bool is_measuring_ = false;
  bool leads_first_ = false;  // this rank leads the first lane of an idle pair
  bool is_second_lane_ = false;
  bool has_result_ = false;
  std::uint64_t give_up_ns_ = 0;
  std::unique_ptr<LaneLeader> leader_;
  std::unique_ptr<LaneFollower> follower_;
  std::vector<PhaseResult> results_;
};

}  // namespace gossamer::tools
