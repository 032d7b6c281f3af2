#include "runtime/engine/schedule_stage.h"

#include <string>
#include <utility>
#include <vector>

#include "topology/compose.h"

namespace gossamer::runtime {

namespace {

using topology::Collective;
using topology::RankSchedule;

struct Scheduled {
  RankSchedule schedule;  // over the group's ranks
  double predicted_ns = 0;
  std::string reason;
  bool is_near = false;
};

topology::Groups hosts_of(const ScheduleWish& wish, const SchedulePolicy& policy) {
  const std::vector<std::string>& hosts = policy.hosts;
  std::vector<std::string> names(wish.rank_count);
  for (std::uint32_t rank = 0; rank < wish.rank_count && !hosts.empty(); ++rank)
    names[rank] = hosts.at(wish.members.empty() ? rank : wish.members[rank].value);
  return topology::Groups::by_name(names);
}

bool are_alike(const topology::CostModel& a, const topology::CostModel& b) {
  return a.alpha_ns == b.alpha_ns && a.beta_ns_per_byte == b.beta_ns_per_byte &&
         a.gamma_ns_per_byte == b.gamma_ns_per_byte;
}

// A schedule that no kind has made: a reader of a message knows it by its collective.
RankSchedule as_run(const ScheduleWish& wish, std::string name, std::uint32_t slice_count, topology::Program program) {
  const std::string collective(topology::collective_name(wish.collective));
  return {.name = std::move(name),
          .slice_count = slice_count,
          .own_slice = wish.collective == Collective::all_gather ? wish.rank.value : 0,
          .program = std::move(program),
          .merging = collective,
          .moving = collective};
}

class Scheduling {
 public:
  Scheduling(const ScheduleWish& wish, const SchedulePolicy& policy, std::uint64_t payload_bytes)
      : wish_(wish), policy_(policy), payload_bytes_(payload_bytes), hosts_(hosts_of(wish, policy)) {}

  Result<Scheduled> run() {
    if (wish_.kind && topology::supports(*wish_.kind, wish_.collective)) return of_kind(*wish_.kind, "as configured");
    if (const topology::ScheduleRule* rule = policy_.rules.find(wish_.collective, payload_bytes_)) {
      const std::string reason = text("by the rule \"", topology::format_schedule_rules({{*rule}}), "\"");
      if (const auto* kind = std::get_if<topology::ScheduleKind>(&rule->use)) return of_kind(*kind, reason);
      GOSSAMER_ASSIGN(auto made, from_file(*rule, reason));
      if (made) return *std::move(made);
    }
    return by_cost();
  }

 private:
  // All links are alike where there is one host, one rank on each, or nothing that tells near from far.
  [[nodiscard]] bool has_levels() const {
    return hosts_.size() > 1 && hosts_.largest() > 1 && !are_alike(policy_.cost.near, policy_.cost.far);
  }
  [[nodiscard]] const topology::CostModel& model() const {
    return hosts_.size() > 1 ? policy_.cost.far : policy_.cost.near;
  }

  [[nodiscard]] Result<Scheduled> of_kind(topology::ScheduleKind kind, std::string reason) const {
    const topology::ScheduleRequest request{kind, wish_.collective, wish_.rank_count, wish_.root};
    Scheduled made;
    GOSSAMER_ASSIGN(const auto cost, topology::predict_cost(request, payload_bytes_, model()));
    made.predicted_ns = cost.nanoseconds;
    GOSSAMER_ASSIGN(made.schedule, topology::make_rank_schedule(request, wish_.rank));
    made.reason = std::move(reason);
    return made;
  }

  // None: a file for other collectives or ranks, and a rule that names no collective.
  [[nodiscard]] Result<std::optional<Scheduled>> from_file(const topology::ScheduleRule& rule,
                                                           std::string reason) const {
    const std::string& path = std::get<topology::ScheduleFile>(rule.use).path;
    const auto at = policy_.files.find(path);
    GOSSAMER_CHECK(at != policy_.files.end(), "the files of all rules are read before");
    const topology::Schedule& schedule = at->second;
    if (!rule.collective && !topology::check_purpose(schedule, wish_.collective, wish_.rank_count, wish_.root).ok())
      return std::optional<Scheduled>();
    const Status proved = topology::prove_schedule(schedule, wish_.collective, wish_.rank_count, wish_.root);
    if (!proved.ok()) return Error{Code::invalid_argument, text("schedule file ", path, ": ", proved.error().message)};
    Scheduled made;
    GOSSAMER_ASSIGN(const auto cost, topology::predict_schedule_cost(schedule, payload_bytes_, hosts_, policy_.cost));
    made.predicted_ns = cost.nanoseconds;
    made.schedule = as_run(wish_, "file:" + path, schedule.slice_count, schedule.programs[wish_.rank.value]);
    made.reason = std::move(reason);
    return std::optional(std::move(made));
  }

  [[nodiscard]] Result<Scheduled> by_cost() const {
    if (!has_levels()) {
      GOSSAMER_ASSIGN(auto choice,
                      topology::choose_schedule(wish_.collective, wish_.rank_count, payload_bytes_, model()));
      GOSSAMER_ASSIGN(auto made, of_kind(choice.kind, std::move(choice.reason)));
      made.is_near = hosts_.size() == 1 && wish_.rank_count > 1;
      return made;
    }
    GOSSAMER_ASSIGN(auto choice,
                    topology::choose_schedule(wish_.collective, hosts_, payload_bytes_, policy_.cost, wish_.root));
    if (!choice.two_level) {
      GOSSAMER_ASSIGN(auto made, of_kind(choice.kind, std::move(choice.reason)));
      made.predicted_ns = choice.nanoseconds;
      return made;
    }
    GOSSAMER_ASSIGN(const auto draft, topology::make_two_level(hosts_, *choice.two_level));
    Scheduled made;
    made.predicted_ns = choice.nanoseconds;
    made.schedule =
        as_run(wish_, topology::in_words(*choice.two_level), draft.slice_count, draft.program(wish_.rank.value));
    made.reason = std::move(choice.reason);
    return made;
  }

  const ScheduleWish& wish_;
  const SchedulePolicy& policy_;
  const std::uint64_t payload_bytes_;
  const topology::Groups hosts_;
};

}  // namespace

Status schedule_stage(const ScheduleWish& wish, std::uint64_t payload_bytes, std::string_view plan, Stage& stage) {
  GOSSAMER_CHECK(wish.members.empty() || wish.members.size() == wish.rank_count, "a group knows all its ranks");
  static const SchedulePolicy unset;
  GOSSAMER_ASSIGN(auto made, Scheduling(wish, wish.policy != nullptr ? *wish.policy : unset, payload_bytes).run());
  stage.predicted_ns = made.predicted_ns;
  stage.schedule = std::move(made.schedule);
  stage.near.reset();
  if (made.is_near)
    stage.near = {.collective = wish.collective,
                  .rank_count = wish.rank_count,
                  .place = wish.rank,
                  .root = wish.root,
                  .members = {wish.members.begin(), wish.members.end()}};
  if (!wish.members.empty()) {
    for (topology::Round& round : stage.schedule.program.rounds)
      for (topology::Step& step : round.steps) step.peer = wish.members[step.peer.value];
  }
  if (wish.rank.value == 0 && is_log_enabled(LogLevel::info))
    log(LogLevel::info,
        text(plan, " ", stage.label, " ", topology::collective_name(wish.collective), " over ", wish.rank_count,
             " ranks, ", format_bytes(payload_bytes), ": ", stage.schedule.name, " (", made.reason, ")"));
  return {};
}

}  // namespace gossamer::runtime
