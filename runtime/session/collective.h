// A collective of a session, made once and started many times: a work and the plan that runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/base.h"
#include "runtime/collectives/vector_work.h"
#include "runtime/engine/plan.h"

namespace gossamer::runtime {

// One thread at a time, the session's. The driver outlives it.
class Collective {
 public:
  // Of a checked configuration. Its plan gets a number that all members have agreed on.
  [[nodiscard]] static Result<std::unique_ptr<Collective>> make(const CollectiveConfig& config, const Membership& who,
                                                                const SchedulePolicy& policy, const PlanDraw& draw,
                                                                Driver& driver, const Clock& clock) {
    GOSSAMER_ASSIGN(auto work, make_collective_work(config, who, policy));
    GOSSAMER_ASSIGN(auto plan, Plan::make(draw, config.name, std::move(work), driver, clock));
    return std::unique_ptr<Collective>(new Collective(config, who.rank_count, std::move(plan)));
  }

  [[nodiscard]] Plan& plan() { return *plan_; }
  [[nodiscard]] CollectiveKind kind() const { return kind_; }
  [[nodiscard]] std::uint32_t rank_count() const { return rank_count_; }
  // Of the member in this place.
  [[nodiscard]] ElementSlice slice(std::uint32_t place) const { return slice_of(vector_, place, rank_count_); }

  // To be retired, with the memory that a transport may know; the collective is of no use without it.
  [[nodiscard]] std::unique_ptr<Plan> release_plan() { return std::move(plan_); }

 private:
  Collective(const CollectiveConfig& config, std::uint32_t rank_count, std::unique_ptr<Plan> plan)
      : kind_(config.kind), vector_(config.vector), rank_count_(rank_count), plan_(std::move(plan)) {}

  const CollectiveKind kind_;
  const ElementVector vector_;
  const std::uint32_t rank_count_;
  std::unique_ptr<Plan> plan_;
};

}  // namespace gossamer::runtime
