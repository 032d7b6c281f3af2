#include "runtime/control/members.h"

#include <algorithm>

#include "runtime/control/fields.h"

namespace gossamer::runtime {

Result<std::vector<Rank>> members_of(std::string_view subject, std::span<const Rank> members, const RankOf& own) {
  std::vector<Rank> list(members.begin(), members.end());
  if (list.empty())
    for (std::uint32_t rank = 0; rank < own.rank_count; ++rank) list.push_back(Rank{rank});
  const auto refuse = [&](auto... why) {
    return Error{Code::invalid_argument, text(shown(subject), ": a group of ", why...)};
  };
  if (list.size() > own.rank_count) return refuse(list.size(), " ranks, and the session has ", own.rank_count);
  for (std::size_t place = 0; place < list.size(); ++place) {
    if (list[place].value >= own.rank_count)
      return refuse(name_ranks(list), ", and the session has ranks 0 to ", own.rank_count - 1);
    if (place > 0 && list[place] <= list[place - 1])
      return refuse(name_ranks(list), ", which do not ascend: rank ", list[place].value, " follows rank ",
                    list[place - 1].value);
  }
  if (!std::binary_search(list.begin(), list.end(), own.rank))
    return refuse(name_ranks(list), ", and rank ", own.rank.value, ", which asks, is not among them");
  return list;
}

std::string members_text(std::span<const Rank> members, std::uint32_t rank_count) {
  return members.size() == rank_count ? "all ranks" : name_ranks(members);
}

}  // namespace gossamer::runtime
