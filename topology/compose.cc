#include "topology/compose.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <unordered_map>

#include "topology/program_writer.h"

namespace gossamer::topology {
namespace {

// What a part does to the steps of the program that it is made of.
template <typename Change>
Program changed(Program program, const Change& change) {
  for (Round& round : program.rounds) {
    for (Step& step : round.steps) change(step);
  }
  return program;
}

// The same bytes in slices that are cut `factor` times as fine.
Draft cut_finer(const Draft& draft, std::uint32_t factor) {
  if (factor == 1) return draft;
  Draft finer = draft;
  finer.slice_count *= factor;
  finer.program = [program = draft.program, factor](std::uint32_t rank) {
    return changed(program(rank), [&](Step& step) {
      step.slices.first *= factor;
      step.slices.count *= factor;
    });
  };
  return finer;
}

// All drafts in slices of one cut.
Result<std::vector<Draft>> cut_alike(std::span<const Draft> drafts) {
  std::uint64_t common = 1;
  for (const Draft& each : drafts) {
    common = std::lcm(common, std::uint64_t{each.slice_count});
    if (common > rank_count_max) {
      return Error{Code::invalid_argument, text("the parts of a schedule are cut so differently that a common cut has "
                                                "more than ",
                                                rank_count_max, " slices")};
    }
  }
  std::vector<Draft> alike;
  alike.reserve(drafts.size());
  for (const Draft& each : drafts)
    alike.push_back(cut_finer(each, static_cast<std::uint32_t>(common) / each.slice_count));
  return alike;
}

}  // namespace

Result<Groups> Groups::make(std::vector<std::vector<Rank>> members) {
  std::uint64_t count = 0;
  for (const std::vector<Rank>& group : members) {
    if (group.empty()) return Error{Code::invalid_argument, "a group has no ranks"};
    count += group.size();
  }
  if (count == 0 || count > rank_count_max) {
    return Error{Code::invalid_argument, text("groups have 1 to ", rank_count_max, " ranks together, not ", count)};
  }
  Groups groups;
  groups.spots_.resize(count);
  std::vector<bool> is_placed(count);
  for (std::uint32_t group = 0; group < members.size(); ++group) {
    for (std::uint32_t place = 0; place < members[group].size(); ++place) {
      const Rank rank = members[group][place];
      if (rank.value >= count)
        return Error{Code::invalid_argument, text("groups of ", count, " ranks name rank ", rank.value), rank};
      if (is_placed[rank.value])
        return Error{Code::invalid_argument, text("rank ", rank.value, " is in the groups twice"), rank};
      is_placed[rank.value] = true;
      groups.spots_[rank.value] = {group, place};
    }
  }
  groups.members_ = std::move(members);
  return groups;
}

Groups Groups::by_name(std::span<const std::string> names) {
  std::unordered_map<std::string_view, std::size_t> known;
  std::vector<std::vector<Rank>> members;
  for (std::uint32_t rank = 0; rank < names.size(); ++rank) {
    const auto [at, is_new] = known.try_emplace(names[rank], members.size());
    if (is_new) members.emplace_back();
    members[at->second].push_back(Rank{rank});
  }
  return make(std::move(members)).value();
}

std::uint32_t Groups::largest() const {
  std::size_t most = 0;
  for (const std::vector<Rank>& group : members_) most = std::max(most, group.size());
  return static_cast<std::uint32_t>(most);
}

bool Groups::are_equally_large() const {
  return std::all_of(members_.begin(), members_.end(),
                     [&](const std::vector<Rank>& group) { return group.size() == members_.front().size(); });
}

Groups Groups::transposed() const {
  GOSSAMER_CHECK(are_equally_large(), "groups of one size have their places in common");
  std::vector<std::vector<Rank>> turned(members_.front().size());
  for (const std::vector<Rank>& group : members_) {
    for (std::size_t place = 0; place < group.size(); ++place) turned[place].push_back(group[place]);
  }
  return make(std::move(turned)).value();
}

Result<Draft> make_draft(const ScheduleRequest& request) {
  const Result<std::uint32_t> slices = slice_count(request);
  if (!slices) return slices.error();
  Draft made{request.rank_count, *slices, 0, {}};
  if (request.rank_count > 1) {
    for (const std::uint32_t rank : cost_ranks_of(request)) {
      const std::size_t rounds = make_program(request, Rank{rank}).value().rounds.size();
      made.round_count = std::max(made.round_count, static_cast<std::uint32_t>(rounds));
    }
  }
  made.program = [request](std::uint32_t rank) { return make_program(request, Rank{rank}).value(); };
  return made;
}

Draft mapped(const Draft& draft, std::span<const Rank> ranks, std::uint32_t rank_count) {
  GOSSAMER_CHECK(ranks.size() == draft.rank_count, "each rank of a draft is a rank of the world");
  struct World {
    std::vector<Rank> ranks;
    std::unordered_map<std::uint32_t, std::uint32_t> index_of;
  };
  const auto world = std::make_shared<World>();
  world->ranks.assign(ranks.begin(), ranks.end());
  for (std::uint32_t i = 0; i < ranks.size(); ++i) world->index_of.emplace(ranks[i].value, i);
  Draft made = draft;
  made.rank_count = rank_count;
  made.program = [program = draft.program, world](std::uint32_t rank) {
    const auto at = world->index_of.find(rank);
    if (at == world->index_of.end()) return Program{};
    return changed(program(at->second), [&](Step& step) { step.peer = world->ranks[step.peer.value]; });
  };
  return made;
}

Result<Draft> within(const Groups& groups, std::span<const Draft> drafts) {
  GOSSAMER_CHECK(drafts.size() == groups.size(), "each group has a draft");
  Result<std::vector<Draft>> alike = cut_alike(drafts);
  if (!alike) return alike.error();
  struct World {
    Groups groups;
    std::vector<Draft> drafts;
  };
  const auto world = std::make_shared<const World>(World{groups, *std::move(alike)});
  Draft made{groups.rank_count(), world->drafts.front().slice_count, 0, {}};
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    GOSSAMER_CHECK(world->drafts[group].rank_count == groups.members(group).size(),
                   "a draft is over its group's ranks");
    made.round_count = std::max(made.round_count, world->drafts[group].round_count);
  }
  made.program = [world](std::uint32_t rank) {
    const std::uint32_t group = world->groups.group_of(Rank{rank});
    const std::vector<Rank>& members = world->groups.members(group);
    return changed(world->drafts[group].program(world->groups.place_of(Rank{rank})),
                   [&](Step& step) { step.peer = members[step.peer.value]; });
  };
  return made;
}

Draft inside(const Draft& draft, std::uint32_t slice, std::uint32_t slice_count) {
  Draft made = draft;
  made.slice_count = draft.slice_count * slice_count;
  const std::uint32_t first = draft.slice_count * slice;
  made.program = [program = draft.program, first](std::uint32_t rank) {
    return changed(program(rank), [&](Step& step) { step.slices.first += first; });
  };
  return made;
}

Result<Draft> in_turn(std::span<const Draft> drafts) {
  GOSSAMER_CHECK(!drafts.empty(), "something is done in turn");
  Result<std::vector<Draft>> alike = cut_alike(drafts);
  if (!alike) return alike.error();
  const auto parts = std::make_shared<const std::vector<Draft>>(*std::move(alike));
  Draft made{parts->front().rank_count, parts->front().slice_count, 0, {}};
  for (const Draft& each : *parts) {
    GOSSAMER_CHECK(each.rank_count == made.rank_count, "drafts that follow each other are over the same ranks");
    made.round_count += each.round_count;
  }
  made.program = [parts](std::uint32_t rank) {
    Program whole;
    std::size_t begin = 0;
    for (const Draft& each : *parts) {
      Program part = each.program(rank);
      GOSSAMER_CHECK(part.rounds.size() <= each.round_count, "a draft knows how many rounds it has");
      // Who is done earlier waits where the others are, so that rounds are counted alike on all ranks.
      if (!part.rounds.empty()) whole.rounds.resize(begin);
      std::move(part.rounds.begin(), part.rounds.end(), std::back_inserter(whole.rounds));
      begin += each.round_count;
    }
    return whole;
  };
  return made;
}

Schedule write_out(const Draft& draft, Collective collective, Rank root) {
  Schedule schedule;
  schedule.request.collective = collective;
  schedule.request.rank_count = draft.rank_count;
  schedule.request.root = root;
  schedule.slice_count = draft.slice_count;
  schedule.programs.reserve(draft.rank_count);
  for (std::uint32_t rank = 0; rank < draft.rank_count; ++rank) schedule.programs.push_back(draft.program(rank));
  return schedule;
}

}  // namespace gossamer::topology
