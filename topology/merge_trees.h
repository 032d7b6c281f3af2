// Private to `topology`: what a slice holds, as an expression over the ranks' contributions.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "topology/topology.h"

namespace gossamer::topology {

// Hash-consed sums: two slices have the same id exactly if they were merged in the same way, where
// x + y is y + x but (x + y) + z is not x + (y + z). So equal ids mean equal floating-point bits.
//
//   rank 0's slice: (0 + 1) + (2 + 3)  --.
//   rank 2's slice: (3 + 2) + (1 + 0)  ---'--> one id      ((0 + 1) + 2) + 3  --> another id
class MergeTrees {
 public:
  using Id = std::uint32_t;
  static constexpr Id nothing = 0;  // a slice that holds no contribution

  explicit MergeTrees(std::uint32_t rank_count) : rank_count_(rank_count), marks_(rank_count, 0) {}

  [[nodiscard]] Id contribution(std::uint32_t rank) const { return rank + 1; }

  // The id of a + b; neither is `nothing`. Amortised constant time; memory grows with distinct sums.
  [[nodiscard]] Id sum(Id a, Id b);

  // Whose contribution is in a sum more often than wanted, or not at all.
  struct Flaw {
    enum class Kind : std::uint8_t { twice, missing } kind;
    std::uint32_t rank;
  };
  // What keeps `id` from holding each rank's contribution exactly once, or that of rank `only` where a
  // slice has no other contributor. Linear in the ranks even for hostile sums: the walk ends at the first
  // repetition.
  [[nodiscard]] std::optional<Flaw> find_flaw(Id id, std::optional<std::uint32_t> only);

 private:
  std::uint32_t rank_count_;
  std::vector<std::pair<Id, Id>> sums_;          // by id - rank_count - 1
  std::unordered_map<std::uint64_t, Id> known_;  // (smaller id, larger id) to the id of their sum
  std::vector<std::uint32_t> marks_;             // by rank: the walk that last met its contribution
  std::uint32_t walk_ = 0;
};

}  // namespace gossamer::topology
