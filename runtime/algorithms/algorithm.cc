#include "runtime/algorithms/algorithm.h"

#include "runtime/algorithms/parts/apply_update.h"

namespace gossamer::runtime {

Result<std::unique_ptr<Algorithm>> make_algorithm(AlgorithmContext context) {
  const AlgorithmRow& row = row_of(context.shape.algorithm);
  const bool on_host = context.shape.memory == MemoryKind::host;
  GOSSAMER_CHECK(on_host || row.make_on_device != nullptr, "resolve refuses memory that an algorithm does not take");
  return (on_host ? row.make : row.make_on_device)(std::move(context));
}

Status Algorithm::apply_to(float* const* weights, const Update& update, float scale) {
  apply_update(layout(), update.indices, update.values, weights, scale);
  return {};
}

Status schedule_stage(const AlgorithmContext& context, topology::Collective collective, std::uint64_t payload_bytes,
                      Stage& stage) {
  topology::ScheduleRequest& request = stage.schedule;
  request.collective = collective;
  request.rank_count = context.rank_count;
  std::string reason = "as configured";
  if (context.shape.schedule && topology::supports(*context.shape.schedule, collective)) {
    request.kind = *context.shape.schedule;
  } else {
    auto choice = topology::choose_schedule(collective, context.rank_count, payload_bytes, context.cost);
    GOSSAMER_TRY(choice);
    request.kind = choice->kind;
    reason = choice->reason;
  }
  const auto cost = topology::predict_cost(request, payload_bytes, context.cost);
  GOSSAMER_TRY(cost);
  stage.predicted_ns = cost->nanoseconds;
  if (context.rank.value == 0 && is_log_enabled(LogLevel::info))
    log(LogLevel::info, text(context.shape.name, " ", stage.label, " ", topology::collective_name(collective), " over ",
                             context.rank_count, " ranks, ", format_bytes(payload_bytes), ": ",
                             topology::schedule_kind_name(request.kind), " (", reason, ")"));
  return {};
}

}  // namespace gossamer::runtime
