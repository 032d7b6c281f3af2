#include "topology/rank_order.h"

#include <algorithm>
#include <utility>

namespace gossamer::topology {
namespace {

bool has_slice_of_each_rank(Collective collective) {
  return collective == Collective::all_gather || collective == Collective::reduce_scatter;
}

}  // namespace

Result<RankOrder> RankOrder::make(std::vector<Rank> ranks) {
  if (ranks.empty() || ranks.size() > rank_count_max)
    return Error{Code::invalid_argument, text("an order has 1 to ", rank_count_max, " ranks, not ", ranks.size())};
  RankOrder order;
  order.positions_.assign(ranks.size(), UINT32_MAX);
  for (std::uint32_t position = 0; position < ranks.size(); ++position) {
    const Rank rank = ranks[position];
    if (rank.value >= ranks.size())
      return Error{Code::invalid_argument, text("an order of ", ranks.size(), " ranks names rank ", rank.value), rank};
    if (order.positions_[rank.value] != UINT32_MAX)
      return Error{Code::invalid_argument, text("rank ", rank.value, " is in the order twice"), rank};
    order.positions_[rank.value] = position;
  }
  const auto by_number = [](Rank a, Rank b) { return a.value < b.value; };
  if (std::is_sorted(ranks.begin(), ranks.end(), by_number)) return RankOrder{};
  order.ranks_ = std::move(ranks);
  return order;
}

RankOrder RankOrder::among(std::span<const Rank> members) const {
  if (is_natural() || members.empty()) return {};  // a group's own order of places stands
  std::vector<Rank> places(members.size());
  for (std::uint32_t place = 0; place < places.size(); ++place) places[place] = Rank{place};
  std::sort(places.begin(), places.end(),
            [&](Rank a, Rank b) { return position_of(members[a.value]) < position_of(members[b.value]); });
  return make(std::move(places)).value();
}

Program RankOrder::play(Program program, Collective collective) const {
  if (is_natural()) return program;
  std::vector<std::uint32_t> slices;
  for (Round& round : program.rounds) {
    std::vector<Step> steps;
    steps.reserve(round.steps.size());
    for (Step step : round.steps) {
      step.peer = at(step.peer.value);
      if (!has_slice_of_each_rank(collective)) {
        steps.push_back(step);
        continue;
      }
      slices.resize(step.slices.count);
      for (std::uint32_t i = 0; i < slices.size(); ++i) slices[i] = at(step.slices.first + i).value;
      std::sort(slices.begin(), slices.end());
      for (std::size_t i = 0; i < slices.size();) {
        std::size_t end = i + 1;
        while (end < slices.size() && slices[end] == slices[end - 1] + 1) ++end;
        step.slices = {slices[i], static_cast<std::uint32_t>(end - i)};
        steps.push_back(step);
        i = end;
      }
    }
    round.steps = std::move(steps);
  }
  return program;
}

Draft RankOrder::play(const Draft& draft, Collective collective) const {
  if (is_natural()) return draft;
  GOSSAMER_CHECK(draft.rank_count == ranks_.size(), "an order is of all ranks of a schedule");
  GOSSAMER_CHECK(!has_slice_of_each_rank(collective) || draft.slice_count == draft.rank_count,
                 "each rank has a slice of its own");
  Draft made = draft;
  made.program = [order = *this, program = draft.program, collective](std::uint32_t rank) {
    return order.play(program(order.position_of(Rank{rank})), collective);
  };
  return made;
}

}  // namespace gossamer::topology
