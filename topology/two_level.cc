#include "topology/two_level.h"

#include <array>
#include <map>

namespace gossamer::topology {
namespace {

// One kind's draft for each group, with `roots[k]` as the root in group k. Groups that are alike share one.
Result<Draft> in_each_group(const Groups& groups, ScheduleKind kind, Collective collective, std::uint32_t root_group,
                            std::uint32_t root_place) {
  std::map<std::pair<std::size_t, std::uint32_t>, Draft> known;  // by size and root
  std::vector<Draft> drafts;
  drafts.reserve(groups.size());
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    const std::size_t size = groups.members(group).size();
    const std::uint32_t root = group == root_group ? root_place : 0;
    auto at = known.find({size, root});
    if (at == known.end()) {
      Result<Draft> made = make_draft({kind, collective, static_cast<std::uint32_t>(size), Rank{root}});
      if (!made) return made.error();
      at = known.emplace(std::pair(size, root), *std::move(made)).first;
    }
    drafts.push_back(at->second);
  }
  return within(groups, drafts);
}

Result<Draft> draft_leaders(const Groups& groups, const TwoLevelRequest& request) {
  const std::uint32_t root_group = groups.group_of(request.root);
  const std::uint32_t root_place = groups.place_of(request.root);
  std::vector<Rank> leaders;
  for (std::uint32_t group = 0; group < groups.size(); ++group)
    leaders.push_back(groups.members(group)[group == root_group ? root_place : 0]);

  std::vector<Draft> levels;
  if (request.collective != Collective::broadcast) {
    Result<Draft> up = in_each_group(groups, request.inner, Collective::reduce, root_group, root_place);
    if (!up) return up.error();
    levels.push_back(*std::move(up));
  }
  const Result<Draft> across = make_draft({request.outer, request.collective, groups.size(), Rank{root_group}});
  if (!across) return across.error();
  levels.push_back(mapped(*across, leaders, groups.rank_count()));
  if (request.collective != Collective::reduce) {
    Result<Draft> down = in_each_group(groups, request.inner, Collective::broadcast, root_group, root_place);
    if (!down) return down.error();
    levels.push_back(*std::move(down));
  }
  return in_turn(levels);
}

Result<Draft> draft_rails(const Groups& groups, const TwoLevelRequest& request) {
  if (request.collective != Collective::all_reduce) {
    return Error{Code::invalid_argument,
                 text("rails are for an all-reduce, not for the collective ", collective_name(request.collective))};
  }
  if (!groups.are_equally_large()) return Error{Code::invalid_argument, "rails need groups of one size"};
  const std::uint32_t size = groups.largest();
  const Result<Draft> scatter = in_each_group(groups, request.inner, Collective::reduce_scatter, 0, 0);
  if (!scatter) return scatter.error();
  const Result<Draft> gather = in_each_group(groups, request.inner, Collective::all_gather, 0, 0);
  if (!gather) return gather.error();
  const Result<Draft> across = make_draft({request.outer, request.collective, groups.size(), Rank{0}});
  if (!across) return across.error();
  if (std::uint64_t{across->slice_count} * size > rank_count_max)
    return Error{Code::invalid_argument, text("rails would cut a buffer into more than ", rank_count_max, " slices")};
  std::vector<Draft> rails;
  for (std::uint32_t place = 0; place < size; ++place) rails.push_back(inside(*across, place, size));
  const Result<Draft> along = within(groups.transposed(), rails);
  if (!along) return along.error();
  return in_turn(std::array{*scatter, *along, *gather});
}

}  // namespace

std::string in_words(const TwoLevelRequest& request) {
  return text(request.form == TwoLevelForm::rails ? "rails" : "leaders", " of ", schedule_kind_name(request.inner),
              " and ", schedule_kind_name(request.outer));
}

Result<Draft> make_two_level(const Groups& groups, const TwoLevelRequest& request) {
  if (request.root.value >= groups.rank_count()) {
    return Error{Code::invalid_argument,
                 text("root ", request.root.value, " is not one of ", groups.rank_count(), " ranks"), request.root};
  }
  switch (request.form) {
    case TwoLevelForm::leaders:
      if (request.collective != Collective::all_reduce && !has_root(request.collective)) {
        return Error{Code::invalid_argument, text("leaders are for an all-reduce, a broadcast or a reduce, not for the "
                                                  "collective ",
                                                  collective_name(request.collective))};
      }
      return draft_leaders(groups, request);
    case TwoLevelForm::rails:
      return draft_rails(groups, request);
  }
  return Error{Code::invalid_argument, text("unknown form of two levels ", static_cast<unsigned>(request.form))};
}

}  // namespace gossamer::topology
