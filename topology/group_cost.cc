// What a schedule costs where some links are near and others far, and the choice by it.
//
// A round costs a rank what its near messages cost plus what its far ones do (cost.cc), but far bytes take at least as
// long as all far bytes of its group need over the group's far links:
//
//    rank 0 ---- 3 MB --\                      one far link: each of the three ranks is done when 9 MB are
//    rank 1 ---- 3 MB ---+== far link == ...   three: when 3 MB are
//    rank 2 ---- 3 MB --/
#include <algorithm>
#include <numeric>

#include "topology/program_writer.h"
#include "topology/round_cost.h"
#include "topology/two_level.h"

namespace gossamer::topology {
namespace {

// What all ranks of a group send and receive over far links, by round.
struct FarBytes {
  std::vector<double> sent;
  std::vector<double> received;
};

// A rank whose program is walked, and for how many of its group's it stands where their far bytes are added up.
struct Walked {
  Rank rank;
  double weight = 1.0;
};

class Walk {
 public:
  Walk(const Draft& draft, std::uint64_t payload_bytes, const Groups& groups, const TwoLevelCost& model)
      : draft_(draft), groups_(groups), model_(model), slicing_{payload_bytes, draft.slice_count} {}

  // All of them in one group.
  void add_group(std::span<const Walked> members) {
    std::vector<std::vector<RoundLoad>> loads;
    loads.reserve(members.size());
    for (const Walked& member : members) loads.push_back(loads_of(member.rank));
    FarBytes far;
    const std::uint32_t group = groups_.group_of(members.front().rank);
    if (groups_.size() > 1 && groups_.members(group).size() > model_.far_links) far = far_bytes_of(members, loads);
    for (const std::vector<RoundLoad>& each : loads) add(each, far);
  }

  [[nodiscard]] Cost cost() const {
    Cost cost;
    cost.nanoseconds = std::accumulate(slowest_.begin(), slowest_.end(), 0.0);
    cost.bytes_per_rank = bytes_max_;
    cost.rounds = static_cast<std::uint32_t>(slowest_.size());
    return cost;
  }

 private:
  [[nodiscard]] std::vector<RoundLoad> loads_of(Rank rank) const {
    const std::uint32_t own = groups_.group_of(rank);
    const Program program = draft_.program(rank.value);
    std::vector<RoundLoad> loads;
    loads.reserve(program.rounds.size());
    for (const Round& round : program.rounds)
      loads.push_back(load_of(round, slicing_, [&](Rank peer) { return groups_.group_of(peer) != own; }));
    return loads;
  }

  [[nodiscard]] static FarBytes far_bytes_of(std::span<const Walked> members,
                                             std::span<const std::vector<RoundLoad>> loads) {
    FarBytes far;
    for (std::size_t m = 0; m < members.size(); ++m) {
      const std::size_t rounds = std::max(far.sent.size(), loads[m].size());
      far.sent.resize(rounds, 0.0);
      far.received.resize(rounds, 0.0);
      for (std::size_t i = 0; i < loads[m].size(); ++i) {
        far.sent[i] += members[m].weight * static_cast<double>(loads[m][i].far.sent);
        far.received[i] += members[m].weight * static_cast<double>(loads[m][i].far.received);
      }
    }
    return far;
  }

  void add(std::span<const RoundLoad> loads, const FarBytes& far) {
    if (loads.size() > slowest_.size()) slowest_.resize(loads.size(), 0.0);
    std::uint64_t sent = 0;
    for (std::size_t i = 0; i < loads.size(); ++i) {
      const RoundLoad& load = loads[i];
      double nanoseconds = load.near.cost_ns(model_.near) + load.far.cost_ns(model_.far);
      if (!far.sent.empty() && load.far.sends + load.far.receives > 0) {
        const double shared = std::max(far.sent[i], far.received[i]) / model_.far_links;
        const double own = static_cast<double>(std::max(load.far.sent, load.far.received));
        nanoseconds += model_.far.beta_ns_per_byte * std::max(shared - own, 0.0);
      }
      slowest_[i] = std::max(slowest_[i], nanoseconds);
      sent += load.near.sent + load.far.sent;
    }
    bytes_max_ = std::max(bytes_max_, sent);
  }

  const Draft& draft_;
  const Groups& groups_;
  const TwoLevelCost& model_;
  const Slicing slicing_;
  std::vector<double> slowest_;  // by round
  std::uint64_t bytes_max_ = 0;
};

Status check_groups(const Groups& groups, std::uint32_t rank_count, std::uint64_t payload_bytes,
                    const TwoLevelCost& model) {
  GOSSAMER_TRY(check_model(model.near, payload_bytes));
  GOSSAMER_TRY(check_model(model.far, payload_bytes));
  if (model.far_links == 0) return Error{Code::invalid_argument, "a group has 1 or more far links, not 0"};
  if (groups.rank_count() != rank_count) {
    return Error{Code::invalid_argument,
                 text("the groups have ", groups.rank_count(), " ranks, the schedule has ", rank_count)};
  }
  return {};
}

// Groups whose ranks show the cost of all: those of `ranks`, the first and the largest.
std::vector<std::uint32_t> groups_to_walk(const Groups& groups, std::span<const std::uint32_t> ranks) {
  std::vector<std::uint32_t> walked;
  if (groups.rank_count() <= all_ranks_walked_max) {
    walked.resize(groups.size());
    std::iota(walked.begin(), walked.end(), 0u);
    return walked;
  }
  walked.push_back(0);
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    if (groups.members(group).size() < groups.largest()) continue;
    walked.push_back(group);
    break;
  }
  for (const std::uint32_t rank : ranks) walked.push_back(groups.group_of(Rank{rank}));
  std::sort(walked.begin(), walked.end());
  walked.erase(std::unique(walked.begin(), walked.end()), walked.end());
  return walked;
}

// Of a large group, those that are unlike the others, and some of the rest, which stand for all of it. How many: so
// that a candidate takes some milliseconds at most, whatever the number of ranks and rounds.
class Sample {
 public:
  // `ranks`, and in each group the members at `places`, are unlike others.
  Sample(const Draft& draft, const Groups& groups, std::span<const std::uint32_t> ranks,
         std::span<const std::uint32_t> places)
      : groups_(groups), ranks_(ranks.begin(), ranks.end()), places_(places), walked_(groups_to_walk(groups, ranks)) {
    constexpr std::size_t rounds_walked_max = 32'768;
    constexpr std::size_t least = 4;
    constexpr std::size_t most = 12;
    std::sort(ranks_.begin(), ranks_.end());
    const std::size_t rounds = walked_.size() * std::max(draft.round_count, 1u);
    others_ = std::clamp(rounds_walked_max / rounds, least, most);
  }

  [[nodiscard]] std::span<const std::uint32_t> groups() const { return walked_; }

  [[nodiscard]] std::vector<Walked> members(std::uint32_t group) const {
    const std::vector<Rank>& all = groups_.members(group);
    std::vector<std::size_t> chosen;  // places, at first those of ranks unlike others
    if (groups_.rank_count() > all_ranks_walked_max) chosen = special_places(all);
    std::vector<Walked> members;
    if (chosen.empty() || all.size() <= chosen.size() + others_) {
      for (const Rank rank : all) members.push_back({rank});
      return members;
    }
    for (const std::size_t place : chosen) members.push_back({all[place]});
    const std::size_t special = chosen.size();
    // Places of a golden ratio's multiples: spread, and in step with no power of two.
    for (std::uint64_t i = 1; chosen.size() < special + others_ && i <= 4 * others_; ++i) {
      const auto place = static_cast<std::size_t>((i * 2'654'435'769u % (std::uint64_t{1} << 32) * all.size()) >> 32);
      if (std::find(chosen.begin(), chosen.end(), place) == chosen.end()) chosen.push_back(place);
    }
    const double weight = static_cast<double>(all.size() - special) /
                          static_cast<double>(std::max<std::size_t>(chosen.size() - special, 1));
    for (std::size_t i = special; i < chosen.size(); ++i) members.push_back({all[chosen[i]], weight});
    return members;
  }

 private:
  [[nodiscard]] std::vector<std::size_t> special_places(const std::vector<Rank>& all) const {
    std::vector<std::size_t> special = {0, all.size() - 1};
    for (const std::uint32_t place : places_)
      if (place < all.size()) special.push_back(place);
    for (std::size_t place = 0; place < all.size(); ++place)
      if (std::binary_search(ranks_.begin(), ranks_.end(), all[place].value)) special.push_back(place);
    std::sort(special.begin(), special.end());
    special.erase(std::unique(special.begin(), special.end()), special.end());
    return special;
  }

  const Groups& groups_;
  std::vector<std::uint32_t> ranks_;
  std::span<const std::uint32_t> places_;
  std::vector<std::uint32_t> walked_;
  std::size_t others_ = 0;
};

double sampled_cost_ns(const Draft& draft, std::uint64_t payload_bytes, const Groups& groups, const TwoLevelCost& model,
                       const Sample& sample) {
  Walk walk(draft, payload_bytes, groups, model);
  for (const std::uint32_t group : sample.groups()) walk.add_group(sample.members(group));
  return walk.cost().nanoseconds;
}

struct Candidate {
  std::optional<TwoLevelRequest> two_level;
  ScheduleKind kind;
  double nanoseconds;

  [[nodiscard]] std::string name() const {
    return two_level ? in_words(*two_level) : std::string(schedule_kind_name(kind));
  }
};

class Chooser {
 public:
  Chooser(Collective collective, const Groups& groups, std::uint64_t payload_bytes, const TwoLevelCost& model,
          Rank root)
      : collective_(collective), groups_(groups), payload_bytes_(payload_bytes), model_(model), root_(root) {}

  Result<GroupChoice> run() {
    GOSSAMER_TRY(add_flat());
    if (candidates_.empty())
      return Error{Code::invalid_argument, text("unknown collective ", static_cast<unsigned>(collective_))};
    if (groups_.size() > 1 && groups_.largest() > 1) add_two_level();
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.nanoseconds < b.nanoseconds; });
    return best();
  }

 private:
  Status add_flat() {
    for (const ScheduleKind kind : all_schedules()) {
      if (!is_chosen_over_groups(kind, collective_)) continue;
      const ScheduleRequest request{kind, collective_, groups_.rank_count(), root_};
      const Result<double> nanoseconds = flat_cost_ns(request);
      if (!nanoseconds) return nanoseconds.error();
      candidates_.push_back({std::nullopt, kind, *nanoseconds});
    }
    return {};
  }

  [[nodiscard]] Result<double> flat_cost_ns(const ScheduleRequest& request) const {
    if (groups_.size() == 1 || groups_.largest() == 1) {  // all links are alike: a few ranks stand for all
      const Result<Cost> cost = predict_cost(request, payload_bytes_, groups_.size() == 1 ? model_.near : model_.far);
      if (!cost) return cost.error();
      return cost->nanoseconds;
    }
    const Result<Draft> flat = make_draft(request);
    if (!flat) return flat.error();
    const std::vector<std::uint32_t> ranks = cost_ranks_of(request);
    return sampled_cost_ns(*flat, payload_bytes_, groups_, model_, Sample(*flat, groups_, ranks, {}));
  }

  // What a level cannot do, or cannot cut alike, is no candidate.
  void add_two_level() {
    for (const TwoLevelForm form : {TwoLevelForm::leaders, TwoLevelForm::rails}) {
      for (const ScheduleKind inner : all_schedules()) {
        const bool is_apt = form == TwoLevelForm::leaders ? is_chosen_by_cost(inner, Collective::reduce) &&
                                                                is_chosen_by_cost(inner, Collective::broadcast)
                                                          : is_chosen_by_cost(inner, Collective::reduce_scatter) &&
                                                                is_chosen_by_cost(inner, Collective::all_gather);
        if (!is_apt) continue;
        for (const ScheduleKind outer : all_schedules()) {
          if (is_chosen_by_cost(outer, collective_)) add_two_level({form, collective_, inner, outer, root_});
        }
      }
    }
  }

  void add_two_level(const TwoLevelRequest& request) {
    const Result<Draft> two_level = make_two_level(groups_, request);
    if (!two_level) return;
    std::vector<std::uint32_t> leaders;
    const Rank root{groups_.group_of(root_)};
    for (const std::uint32_t group : cost_ranks_of({request.outer, collective_, groups_.size(), root}))
      leaders.push_back(groups_.members(group).front().value);
    // What the inner level begins with, or ends with, is unlike in the same places.
    const Collective inner = request.form == TwoLevelForm::rails    ? Collective::reduce_scatter
                             : collective_ == Collective::broadcast ? Collective::broadcast
                                                                    : Collective::reduce;
    const std::vector<std::uint32_t> places = cost_ranks_of({request.inner, inner, groups_.largest(), Rank{0}});
    candidates_.push_back(
        {request, request.outer,
         sampled_cost_ns(*two_level, payload_bytes_, groups_, model_, Sample(*two_level, groups_, leaders, places))});
  }

  [[nodiscard]] GroupChoice best() const {
    constexpr std::size_t named_max = 6;
    const Candidate& cheapest = candidates_.front();
    GroupChoice choice;
    choice.two_level = cheapest.two_level;
    choice.kind = cheapest.kind;
    choice.nanoseconds = cheapest.nanoseconds;
    choice.reason =
        text(cheapest.name(), " for ", collective_name(collective_), " of ", format_bytes(payload_bytes_), " over ",
             groups_.rank_count(), groups_.rank_count() == 1 ? " rank in " : " ranks in ", groups_.size(),
             groups_.size() == 1 ? " group: " : " groups: ", duration_in_words(cheapest.nanoseconds), " predicted");
    for (std::size_t i = 1; i < std::min(candidates_.size(), named_max); ++i)
      choice.reason += text(", ", candidates_[i].name(), " ", duration_in_words(candidates_[i].nanoseconds));
    if (candidates_.size() > named_max) choice.reason += text(", and ", candidates_.size() - named_max, " more");
    return choice;
  }

  const Collective collective_;
  const Groups& groups_;
  const std::uint64_t payload_bytes_;
  const TwoLevelCost& model_;
  const Rank root_;
  std::vector<Candidate> candidates_;
};

}  // namespace

Result<Cost> predict_schedule_cost(const Schedule& schedule, std::uint64_t payload_bytes, const Groups& groups,
                                   const TwoLevelCost& model) {
  const std::uint32_t ranks = static_cast<std::uint32_t>(schedule.programs.size());
  GOSSAMER_TRY(check_groups(groups, ranks, payload_bytes, model));
  if (schedule.slice_count == 0) return Error{Code::invalid_argument, "a schedule of no slices has no cost"};
  for (const Program& program : schedule.programs) {
    for (const Round& round : program.rounds) {
      for (const Step& step : round.steps) {
        if (step.peer.value >= ranks || std::uint64_t{step.slices.first} + step.slices.count > schedule.slice_count)
          return Error{Code::invalid_argument, "a schedule that names ranks or slices that it has not has no cost"};
      }
    }
  }
  Draft draft{ranks, schedule.slice_count, 0, [&](std::uint32_t rank) { return schedule.programs[rank]; }};
  Walk walk(draft, payload_bytes, groups, model);
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    std::vector<Walked> members;
    for (const Rank rank : groups.members(group)) members.push_back({rank});
    walk.add_group(members);
  }
  return walk.cost();
}

Result<Cost> predict_schedule_cost(const Schedule& schedule, std::uint64_t payload_bytes, const CostModel& model) {
  std::vector<Rank> together;
  for (std::uint32_t rank = 0; rank < schedule.programs.size(); ++rank) together.push_back(Rank{rank});
  const Result<Groups> groups = Groups::make({std::move(together)});
  if (!groups) return groups.error();
  return predict_schedule_cost(schedule, payload_bytes, *groups, {model, model});
}

Result<GroupChoice> choose_schedule(Collective collective, const Groups& groups, std::uint64_t payload_bytes,
                                    const TwoLevelCost& model, Rank root) {
  GOSSAMER_TRY(check_groups(groups, groups.rank_count(), payload_bytes, model));
  if (root.value >= groups.rank_count())
    return Error{Code::invalid_argument, text("root ", root.value, " is not one of ", groups.rank_count(), " ranks"),
                 root};
  return Chooser(collective, groups, payload_bytes, model, root).run();
}

}  // namespace gossamer::topology
