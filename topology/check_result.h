// Private to `topology`: the last step of a proof, whoever moved the slices: each holds what its collective promises.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "topology/merge_trees.h"
#include "topology/topology.h"

namespace gossamer::topology {

class ResultCheck {
 public:
  struct Promise {
    Collective collective = Collective::all_reduce;
    Rank root;
    std::uint32_t rank_count = 1;
    std::uint32_t slice_count = 1;
  };
  // The trees outlive it.
  ResultCheck(const Promise& promise, MergeTrees& trees) : promise_(promise), trees_(trees) {}

  // `id_of(rank, slice)` is what a slice holds in the end. May be asked again: sums that were found right are not
  // walked a second time.
  template <typename IdOf>
  [[nodiscard]] Status check(IdOf id_of) {
    const bool owner_only = promise_.collective == Collective::reduce_scatter;
    const bool root_only = promise_.collective == Collective::reduce;
    for (std::uint32_t rank = 0; rank < promise_.rank_count; ++rank) {
      if (root_only && rank != promise_.root.value) continue;
      const std::uint32_t end = owner_only ? rank + 1 : promise_.slice_count;
      for (std::uint32_t slice = owner_only ? rank : 0; slice < end; ++slice) {
        const MergeTrees::Id id = id_of(rank, slice);
        GOSSAMER_TRY(check_contributions(rank, slice, id));
        if (!owner_only && !root_only && id != id_of(0, slice))
          return wrong(rank, text("slice ", slice, " is merged in another order on rank ", rank,
                                  " than on rank 0: their floating-point sums would differ"));
      }
    }
    return {};
  }

 private:
  [[nodiscard]] Status check_contributions(std::uint32_t rank, std::uint32_t slice, MergeTrees::Id id) {
    const std::optional<std::uint32_t> only = only_contributor(slice);
    if (only ? id == trees_.contribution(*only) : complete_.contains(id)) return {};
    if (const auto flaw = trees_.find_flaw(id, only)) {
      const std::string_view how = flaw->kind == MergeTrees::Flaw::Kind::missing
                                       ? " ends without the contribution of rank "
                                       : " ends with two contributions of rank ";
      return wrong(rank, text("slice ", slice, " on rank ", rank, how, flaw->rank));
    }
    complete_.insert(id);
    return {};
  }

  // The rank that alone contributes to a slice, if that is so. A contribution never moves to another slice
  // (both sides of a message name the same ones), so no other rank's can turn up in it.
  [[nodiscard]] std::optional<std::uint32_t> only_contributor(std::uint32_t slice) const {
    if (promise_.collective == Collective::all_gather) return slice;
    if (promise_.collective == Collective::broadcast) return promise_.root.value;
    return std::nullopt;
  }

  static Error wrong(std::uint32_t rank, std::string what) {
    return Error{Code::invalid_argument, std::move(what), Rank{rank}};
  }

  const Promise promise_;
  MergeTrees& trees_;
  std::unordered_set<MergeTrees::Id> complete_;  // sums that have all contributions once
};

}  // namespace gossamer::topology
