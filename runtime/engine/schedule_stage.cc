#include "runtime/engine/schedule_stage.h"

namespace gossamer::runtime {

Status schedule_stage(const ScheduleWish& wish, std::uint64_t payload_bytes, std::string_view plan, Stage& stage) {
  topology::ScheduleRequest request{.collective = wish.collective, .rank_count = wish.rank_count, .root = wish.root};
  std::string reason = "as configured";
  if (wish.kind && topology::supports(*wish.kind, wish.collective)) {
    request.kind = *wish.kind;
  } else {
    GOSSAMER_ASSIGN(auto choice, topology::choose_schedule(wish.collective, wish.rank_count, payload_bytes, wish.cost));
    request.kind = choice.kind;
    reason = choice.reason;
  }
  GOSSAMER_ASSIGN(const auto cost, topology::predict_cost(request, payload_bytes, wish.cost));
  stage.predicted_ns = cost.nanoseconds;
  GOSSAMER_ASSIGN(stage.schedule, topology::make_rank_schedule(request, wish.rank));
  if (wish.rank.value == 0 && is_log_enabled(LogLevel::info))
    log(LogLevel::info,
        text(plan, " ", stage.label, " ", topology::collective_name(wish.collective), " over ", wish.rank_count,
             " ranks, ", format_bytes(payload_bytes), ": ", stage.schedule.name, " (", reason, ")"));
  return {};
}

}  // namespace gossamer::runtime
