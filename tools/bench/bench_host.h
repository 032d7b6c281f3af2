// `gossamer bench host`: what an all-reduce through memory that ranks share costs, beside copying as much.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct HostBenchConfig {
  std::vector<std::uint32_t> ranks = {2, 4};
  std::vector<std::uint64_t> bytes = {8, 64, 1 << 10, 4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 64 << 20};
  std::string json;
};

[[nodiscard]] Status check_host_bench(const HostBenchConfig& config);

// One row for each number of ranks and size. Each rank is a process; it writes its input anew before each all-reduce of
// f32, not in place, and reads and checks the output after it.
//
//   p50_us, p99_us   of one operation on rank 0, without session, engine and transport
//   copy_us          median of a memcpy of as many bytes between two such buffers, by all ranks at about the same time
//   passes           in how many pieces it went
[[nodiscard]] Result<nlohmann::json> bench_host(const HostBenchConfig& config);

[[nodiscard]] std::string host_bench_table(const nlohmann::json& rows);

}  // namespace gossamer::tools
