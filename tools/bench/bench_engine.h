// `gossamer bench engine`: what a started plan costs beside its transport, which here moves nothing and costs nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct EngineBenchConfig {
  std::vector<std::uint32_t> ranks = {1, 2, 4, 16, 64};
  std::uint64_t bytes = 8;
  std::uint32_t rounds = 15;
  std::string json;
};

[[nodiscard]] Status check_engine_bench(const EngineBenchConfig& config);

// One row for each schedule and number of ranks, whose rank 0 runs an all-reduce of `bytes` of f32, start and wait:
//
//   operation_ns   median over the rounds
//   steps          sends and receives of one operation
//   step_ns        operation_ns less that of an operation without steps, over the steps; no key without steps
//   idle_ns        one test of an operation whose messages do not come, nor leave
[[nodiscard]] Result<nlohmann::json> bench_engine(const EngineBenchConfig& config);

[[nodiscard]] std::string engine_bench_table(const nlohmann::json& rows);

}  // namespace gossamer::tools
