// From the pairs that were measured to what is wrong: a slow host, direction, pair or switch, or a host that makes
// noise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "topology/measure/measurement.h"
#include "topology/measure/tiers.h"

namespace gossamer::topology {

enum class CauseKind : std::uint8_t {
  slow_host,       // all that it sends and receives
  slow_direction,  // all that one host sends, or receives; or one direction of a pair
  slow_pair,       // both directions between two hosts
  slow_switch,     // what enters and leaves a group of hosts, or also what stays in it
  noise,           // times of a host scatter, or its processor is taken away
};
inline constexpr std::size_t cause_kind_count = 5;
[[nodiscard]] const char* cause_kind_name(CauseKind kind);  // "slow host"

enum class CauseDirection : std::uint8_t { both, out, in };

struct Cause {
  CauseKind kind = CauseKind::slow_host;
  CauseDirection direction = CauseDirection::both;  // of the host or switch; a direction of a pair is from -> to
  std::string what;                                 // "node3", "node3 out", "node1 -> node2", "switch leaf2 (8 hosts)"
  // The host; from and to of a pair; the hosts of a switch; of two switches that are slow between them, those of the
  // first, and those of the second in `others`.
  std::vector<std::uint32_t> hosts;
  std::vector<std::uint32_t> others;
  // Times are so much longer by it, where it alone is slow; none: not slow by this quantity.
  std::optional<Estimate> latency_factor;
  std::optional<Estimate> time_per_byte_factor;
  std::optional<Estimate> tail_factor;  // p99 over p50 is so much larger
  // The largest of them, against what its pairs are without it.
  Estimate factor;
  bool idle = false;  // seen while all else was silent
  bool loaded = false;
  double stolen_cpu = 0.0;  // of a noisy host, where it stands out
  bool is_inside = false;   // of a slow host: its own ranks among each other are slow, not its network

  // Evidence: pairs of ranks that should show it, and those that do. `evidence` says it in words.
  std::uint32_t pairs = 0;
  std::uint32_t pairs_explained = 0;
  std::string evidence;
  double confidence = 0.0;  // against no cause at all and against the next best cause, times the share explained
  double harm = 0.0;        // mean excess over all pairs between hosts: 0.1 is a tenth more time
};

struct Causes {
  std::vector<Cause> causes;  // by harm, the most harmful first
  Tiers tiers;                // what remains when the causes are taken away
  // Standard deviation of log times around their tier, and what is left of it after the causes; robust parts only.
  double spread_before = 0.0;
  double spread_after = 0.0;
  std::uint32_t pairs = 0;    // of ranks, that were measured
  std::uint32_t missing = 0;  // asked for and not measured
};

struct CauseOptions {
  double factor_min = 1.1;  // less is not worth a word
  // Nats of likelihood that a cause must be worth beside the cost of naming it; 10: one in 20,000.
  double caution = 10.0;
  // By how much hosts and switches that are well differ; a cause stands out from that.
  double natural_spread = 0.03;
  std::size_t causes_max = 24;
};

// The model: the time of a pair is the base of its tier, slowed by what lies on its way. Delays add up; of bandwidths
// the narrowest governs. Causes are added greedily while they shorten the description of what was measured (minimum
// description length, Rissanen 1978; BIC, Schwarz 1978), under a likelihood that expects outliers, and dropped or
// exchanged when later ones explain their part better. It is done for several bases and sets of tiers; the shortest
// wins. Seconds for 256 ranks; no more than measuring took.
[[nodiscard]] Causes find_causes(const Measurement& measurement, const CauseOptions& options = {});

// A heading and a row for each cause, in words: kind, what, factor, evidence, confidence, harm. For tables.
[[nodiscard]] std::vector<std::vector<std::string>> cause_rows(const Causes& causes);

// The table, the tiers and the contradictions, for a terminal.
[[nodiscard]] std::string causes_text(const Causes& causes, const Measurement& measurement);

}  // namespace gossamer::topology
