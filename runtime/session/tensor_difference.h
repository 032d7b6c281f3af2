// Which tensor two ranks have otherwise: what ranks compare is a hash, and only where that differs do they look closer.
//
//   hashes of 1,024 blocks ─► the first block that differs ─► hashes of its 1,024 blocks ─► ... ─► one tensor, shown
//
// Two ranks give, all listen: a collective for each step, at most one step for each factor 1,024 of tensors, and one.
#pragma once

#include <cstdint>

#include "base/base.h"
#include "runtime/algorithms/parts/layout.h"
#include "runtime/control/control.h"
#include "runtime/session/deadline.h"

namespace gossamer::runtime {

// Of name, count and exactness of tensors first to last - 1, in order; those past the end count as absent.
[[nodiscard]] std::uint64_t hash_tensors(const Layout& layout, std::uint64_t first, std::uint64_t last);

struct TensorList {
  Rank rank;
  std::uint64_t count = 0;
  std::uint64_t hash = 0;
};

// Collective, where `a` and `b` are known to differ: the error that all ranks get, "compressor: tensor 300: rank 0 has
// "w" 64, rank 1 has "v" 64". Less where the search cannot end: counts and hashes. Costs O(tensors) in the two ranks.
[[nodiscard]] Error tensor_mismatch(Control& control, Rank own, const Layout& layout, const TensorList& a,
                                    const TensorList& b, const Deadline& deadline);

}  // namespace gossamer::runtime
