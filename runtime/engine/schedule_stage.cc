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
  std::optional<topology::Draft> draft = {};  // all programs, where they are still to be put in order and proved
};

topology::Groups hosts_of(const ScheduleWish& wish, const SchedulePolicy& policy, const topology::RankOrder& order) {
  const std::vector<std::string>& hosts = policy.hosts;
  std::vector<std::string> names(wish.rank_count);
  for (std::uint32_t position = 0; position < wish.rank_count && !hosts.empty(); ++position) {
    const std::uint32_t place = order.at(position).value;
    names[position] = hosts.at(wish.members.empty() ? place : wish.members[place].value);
  }
  return topology::Groups::by_name(names);
}

// In which the wish's ranks play. Ranks of one host are all as near as they can be.
topology::RankOrder order_of(const ScheduleWish& wish, const SchedulePolicy& policy) {
  if (policy.order.is_natural() || hosts_of(wish, policy, {}).size() == 1) return {};
  return wish.members.empty() ? policy.order : policy.order.among(wish.members);
}

// The wish of who plays this rank's part, in positions instead of ranks; its members stay as they are.
ScheduleWish in_positions(ScheduleWish wish, const topology::RankOrder& order) {
  wish.rank = Rank{order.position_of(wish.rank)};
  if (topology::has_root(wish.collective)) wish.root = Rank{order.position_of(wish.root)};
  return wish;
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
  Scheduling(const ScheduleWish& asked, const SchedulePolicy& policy, std::uint64_t payload_bytes)
      : asked_(asked),
        policy_(policy),
        payload_bytes_(payload_bytes),
        order_(order_of(asked, policy)),
        hosts_(hosts_of(asked, policy, order_)),
        wish_(in_positions(asked, order_)) {}

  Result<Scheduled> run() {
    GOSSAMER_ASSIGN(auto made, choose());
    if (made.draft) GOSSAMER_TRY(put_in_order(made));
    return made;
  }

 private:
  Result<Scheduled> choose() {
    if (wish_.kind && topology::supports(*wish_.kind, wish_.collective)) return of_kind(*wish_.kind, "as configured");
    const topology::ScheduleRule* rule = policy_.rules.find(wish_.collective, payload_bytes_);
    // What is recommended is for all ranks together; where they share a host, their memory is the better way.
    const bool is_recommended = rule == nullptr && hosts_.size() > 1 && wish_.rank_count == policy_.hosts.size();
    if (is_recommended) rule = policy_.recommended.find(wish_.collective, payload_bytes_);
    if (rule != nullptr) {
      GOSSAMER_ASSIGN(auto made, by_rule(*rule, text("by the rule \"", topology::format_schedule_rules({{*rule}}), "\"",
                                                     is_recommended ? " of the topology file" : "")));
      if (made) return *std::move(made);
    }
    return by_cost();
  }

  // None: the rule is about something else after all.
  [[nodiscard]] Result<std::optional<Scheduled>> by_rule(const topology::ScheduleRule& rule, std::string reason) const {
    if (std::holds_alternative<topology::ScheduleFile>(rule.use)) return from_file(rule, std::move(reason));
    if (const auto* kind = std::get_if<topology::ScheduleKind>(&rule.use)) {
      GOSSAMER_ASSIGN(auto made, of_kind(*kind, std::move(reason)));
      return std::optional(std::move(made));
    }
    const auto request = std::get<topology::TwoLevelKinds>(rule.use).for_collective(wish_.collective, wish_.root);
    const auto draft = topology::make_two_level(hosts_, request);
    if (hosts_.size() == 1 || hosts_.largest() == 1 || !draft.ok()) return std::optional<Scheduled>();
    GOSSAMER_ASSIGN(const auto cost, topology::predict_schedule_cost(topology::write_out(*draft, wish_.collective),
                                                                     payload_bytes_, hosts_, policy_.cost));
    return std::optional(of_levels(request, *draft, cost.nanoseconds, std::move(reason)));
  }

  // What was made for positions becomes the ranks'.
  Status put_in_order(Scheduled& made) const {
    const topology::Draft draft = order_.play(*made.draft, wish_.collective);
    const Status proved = topology::check_schedule(topology::write_out(draft, asked_.collective, asked_.root));
    if (!proved.ok())
      return Error{Code::invalid_argument, text("the order of the topology file makes no schedule of ",
                                                made.schedule.name, ": ", proved.error().message)};
    made.schedule.program = draft.program(asked_.rank.value);
    if (asked_.collective == Collective::all_gather) made.schedule.own_slice = asked_.rank.value;
    made.schedule.name += " in the file's order";
    return {};
  }

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
    if (!order_.is_natural()) {
      GOSSAMER_ASSIGN(made.draft, topology::make_draft(request));
    }
    return made;
  }

  [[nodiscard]] Scheduled of_levels(const topology::TwoLevelRequest& request, const topology::Draft& draft,
                                    double predicted_ns, std::string reason) const {
    Scheduled made;
    made.predicted_ns = predicted_ns;
    made.schedule = as_run(wish_, topology::in_words(request), draft.slice_count, draft.program(wish_.rank.value));
    made.reason = std::move(reason);
    if (!order_.is_natural()) made.draft = draft;
    return made;
  }

  // None: a file for other collectives or ranks, and a rule that names no collective.
  [[nodiscard]] Result<std::optional<Scheduled>> from_file(const topology::ScheduleRule& rule,
                                                           std::string reason) const {
    const std::string& path = std::get<topology::ScheduleFile>(rule.use).path;
    const auto at = policy_.files.find(path);
    GOSSAMER_CHECK(at != policy_.files.end(), "the files of all rules are read before");
    const topology::Schedule& schedule = at->second;
    if (!rule.collective && !topology::check_purpose(schedule, asked_.collective, asked_.rank_count, asked_.root).ok())
      return std::optional<Scheduled>();
    const Status proved = topology::prove_schedule(schedule, asked_.collective, asked_.rank_count, asked_.root);
    if (!proved.ok()) return Error{Code::invalid_argument, text("schedule file ", path, ": ", proved.error().message)};
    Scheduled made;
    GOSSAMER_ASSIGN(const auto cost, topology::predict_schedule_cost(schedule, payload_bytes_,
                                                                     hosts_of(asked_, policy_, {}), policy_.cost));
    made.predicted_ns = cost.nanoseconds;
    made.schedule = as_run(asked_, "file:" + path, schedule.slice_count, schedule.programs[asked_.rank.value]);
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
    return of_levels(*choice.two_level, draft, choice.nanoseconds, std::move(choice.reason));
  }

  const ScheduleWish& asked_;
  const SchedulePolicy& policy_;
  const std::uint64_t payload_bytes_;
  const topology::RankOrder order_;
  const topology::Groups hosts_;  // in positions, as all that is made of the wish
  const ScheduleWish wish_;
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
