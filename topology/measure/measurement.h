// What was measured between the ranks of a cluster, as a value: `gossamer topo measure` makes it, everything else reads
// it. docs/topology.md has its JSON form, gossamer.topo/1.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::topology {

// What the other ranks do while a pair is measured.
enum class PairLoad : std::uint8_t {
  idle,    // nothing
  loaded,  // all other pairs of the same round send as well, and each rank receives while it sends
};
inline constexpr std::size_t pair_load_count = 2;

// A value and the interval that holds the true one in 95 of 100 cases.
struct Estimate {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;
};

// One-way times of messages of one size. Where the clocks of two hosts cannot be aligned better than the latency, a
// direction's latency is half of the round trip, and only what the size adds is the direction's own.
struct SizeSamples {
  std::uint64_t bytes = 0;
  std::uint32_t count = 0;
  Estimate p50_ns;
  double min_ns = 0.0;
  double p99_ns = 0.0;
  double p999_ns = 0.0;
};

// LogGP (Alexandrov et al. 1995): one message of n bytes takes alpha + beta n; a sender may start another each
// gap + beta n; overhead is the processor's part of alpha.
struct LogGp {
  Estimate alpha_ns;
  Estimate beta_ns_per_byte;
  Estimate gap_ns;
  Estimate overhead_ns;
  double residual = 0.0;  // root mean square of (measured - fit) / fit over the sizes
};

// From one rank to another: (from, to) and (to, from) are measured apart.
struct PairMeasurement {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  PairLoad load = PairLoad::idle;
  std::vector<SizeSamples> sizes;  // ascending in bytes; empty where `missing` says why
  std::optional<LogGp> fit;        // from two sizes on
  std::uint32_t passes = 1;        // how often it was measured: more where it had looked suspicious
  std::string missing;             // "rank 3 on node7 died": nothing was measured (NA); else empty
};

struct MeasuredHost {
  std::string name;
  std::uint32_t cores = 0;
  std::vector<std::string> adapters;  // "mlx5_0:1 InfiniBand 100 Gbit/s, LID 12, GUID 0x..."
  std::string declared_switch;        // as ibnetdiscover or the user has it; empty: unknown
  double stolen_cpu = 0.0;            // fraction of the measurement's time that the hypervisor took
};

struct MeasuredRank {
  std::uint32_t host = 0;  // index into `hosts`
  bool died = false;
};

struct Measurement {
  static constexpr int format_version = 1;  // "schema": "gossamer.topo/1"

  std::string when;       // RFC 3339, UTC
  std::string version;    // of the library
  std::string transport;  // "ucx: tcp", as `gossamer info` has it
  std::string memory;     // "host" or "cuda"
  double clock_uncertainty_ns = 0.0;
  // All ordered pairs were asked for; else the pairs that are there were drawn at random, in this fraction.
  double sampled_fraction = 1.0;
  std::uint64_t seed = 0;
  std::vector<MeasuredHost> hosts;
  std::vector<MeasuredRank> ranks;
  std::vector<PairMeasurement> pairs;  // ascending in (load, from, to)

  [[nodiscard]] const std::string& host_of(std::uint32_t rank) const { return hosts[ranks[rank].host].name; }
};

}  // namespace gossamer::topology
