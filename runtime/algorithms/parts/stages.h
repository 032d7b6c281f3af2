// The two kinds of stages that algorithms are made of, scheduled as the compressor is configured.
#pragma once

#include <cstdint>
#include <string>

#include "base/base.h"
#include "runtime/algorithms/parts/context.h"
#include "runtime/engine/work.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

// Payloads of at most this shape, summed over ranks; every rank has the sum. `buffer`: shape.bytes().
[[nodiscard]] Result<Stage> merging_stage(const AlgorithmContext& context, std::string label,
                                          const sketch::PayloadShape& shape, std::byte* buffer,
                                          MemoryKind kind = MemoryKind::host);

// A part of each rank, of any length up to part_bytes_max, on every rank. `buffer`: rank_count times its stride.
// `usual_bytes`: of all parts together, for the choice of a schedule.
[[nodiscard]] Result<Stage> gathering_stage(const AlgorithmContext& context, std::string label,
                                            std::uint64_t part_bytes_max, std::uint64_t usual_bytes, std::byte* buffer);

}  // namespace gossamer::runtime
