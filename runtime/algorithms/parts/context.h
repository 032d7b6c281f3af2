// What an algorithm is made for: one rank's part of one compressor.
#pragma once

#include <cstdint>

#include "base/base.h"
#include "runtime/algorithms/compressor_config.h"
#include "runtime/engine/schedule_policy.h"

namespace gossamer::runtime {

struct AlgorithmContext {
  CompressorShape shape;
  Rank rank;
  std::uint32_t rank_count = 1;
  const SchedulePolicy* policy = nullptr;  // the session's; null: a default one
  ThreadPool* pool = nullptr;              // the session's; null: the calling thread does it all
};

}  // namespace gossamer::runtime
