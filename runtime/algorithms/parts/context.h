// What an algorithm is made for: one rank's part of one compressor.
#pragma once

#include <cstdint>

#include "base/base.h"
#include "runtime/algorithms/compressor_config.h"
#include "topology/topology.h"

namespace gossamer::runtime {

struct AlgorithmContext {
  CompressorShape shape;
  Rank rank;
  std::uint32_t rank_count = 1;
  topology::CostModel cost;
  ThreadPool* pool = nullptr;  // the session's; null: the calling thread does it all
};

}  // namespace gossamer::runtime
