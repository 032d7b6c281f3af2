#include "topology/merge_trees.h"

#include <algorithm>

namespace gossamer::topology {

MergeTrees::Id MergeTrees::sum(Id a, Id b) {
  GOSSAMER_CHECK(a != nothing && b != nothing, "only contributions can be summed");
  const auto [low, high] = std::minmax(a, b);
  const std::uint64_t key = (std::uint64_t{low} << 32) | high;
  const Id fresh = static_cast<Id>(rank_count_ + 1 + sums_.size());
  const auto [place, is_new] = known_.try_emplace(key, fresh);
  if (is_new) sums_.emplace_back(low, high);
  return place->second;
}

std::optional<MergeTrees::Flaw> MergeTrees::find_flaw(Id id, std::optional<std::uint32_t> only) {
  ++walk_;
  std::vector<Id> open;
  if (id != nothing) open.push_back(id);
  while (!open.empty()) {
    const Id top = open.back();
    open.pop_back();
    if (top > rank_count_) {
      const auto& [left, right] = sums_[top - rank_count_ - 1];
      open.push_back(left);
      open.push_back(right);
      continue;
    }
    const std::uint32_t rank = top - 1;
    if (marks_[rank] == walk_) return Flaw{Flaw::Kind::twice, rank};
    marks_[rank] = walk_;
  }
  const std::uint32_t first = only.value_or(0);
  const std::uint32_t last = only.value_or(rank_count_ - 1);
  for (std::uint32_t rank = first; rank <= last; ++rank) {
    if (marks_[rank] != walk_) return Flaw{Flaw::Kind::missing, rank};
  }
  return std::nullopt;
}

}  // namespace gossamer::topology
