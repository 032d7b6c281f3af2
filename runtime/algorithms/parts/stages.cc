#include "runtime/algorithms/parts/stages.h"

#include <utility>

#include "runtime/engine/schedule_stage.h"

namespace gossamer::runtime {

namespace {

Result<Stage> scheduled(const AlgorithmContext& context, topology::Collective collective, std::uint64_t usual_bytes,
                        Stage stage) {
  GOSSAMER_TRY(schedule_stage({.collective = collective,
                               .rank = context.rank,
                               .rank_count = context.rank_count,
                               .kind = context.shape.schedule,
                               .policy = context.policy},
                              usual_bytes, context.shape.name, stage));
  return stage;
}

}  // namespace

Result<Stage> merging_stage(const AlgorithmContext& context, std::string label, const sketch::PayloadShape& shape,
                            std::byte* buffer, MemoryKind kind) {
  Stage stage;
  stage.label = std::move(label);
  stage.bytes_max = shape.bytes();
  stage.buffer = buffer;
  stage.kind = kind;
  return scheduled(context, topology::Collective::all_reduce, shape.bytes(), std::move(stage));
}

Result<Stage> gathering_stage(const AlgorithmContext& context, std::string label, std::uint64_t part_bytes_max,
                              std::uint64_t usual_bytes, std::byte* buffer) {
  Stage stage;
  stage.label = std::move(label);
  stage.concatenating = true;
  stage.bytes_max = part_bytes_max;
  stage.buffer = buffer;
  return scheduled(context, topology::Collective::all_gather, usual_bytes, std::move(stage));
}

}  // namespace gossamer::runtime
