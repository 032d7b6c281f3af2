// `gossamer bench transport`: what the transport contract costs over the library underneath.
//
//   this process  ── message ──►  a second one, forked         round 1: ours, bare, round 2: bare, ours, ...
//                 ◄── answer ──
//
// Both ends stay connected by both ways all the time; the turns alternate, so that a slow moment of the machine meets
// both, and what is told is the median of the rounds' differences.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct TransportBenchConfig {
  std::vector<std::string> ways;  // of transport_bench_ways(); empty: all
  std::vector<std::uint64_t> bytes = {1, 8, 64, 1'024, 8'192, 65'536, 1u << 20, 16u << 20, 64u << 20};
  std::uint32_t rounds = 15;
  std::string json;
};

[[nodiscard]] std::vector<std::string> transport_bench_ways();

[[nodiscard]] Status check_transport_bench(const TransportBenchConfig& config);

// One row for each way and size:
//
//   transport, call   the way: "ucx posix"; "send" or "mapped" (loads and stores, no library)
//   p50_us            one way, half of there and back; p25_us and p75_us are its quartiles over the rounds
//   gb_per_s          a stream of messages of this size, from 4 KiB on
//   peer, peer_*      the same by direct calls of the library, in the same rounds
//   overhead_ns       ours less theirs, one way; overhead_p25_ns, overhead_p75_ns
//   ratio             their time over ours
//   gb_per_s_ratio    our speed over theirs
[[nodiscard]] Result<nlohmann::json> bench_transport(const TransportBenchConfig& config);

// What to tell a person who started the bench as several ranks, one of which it is not; "" where nobody did.
[[nodiscard]] std::string session_warning();

[[nodiscard]] std::string transport_bench_table(const nlohmann::json& rows);

}  // namespace gossamer::tools
