// Which ranks watch each other: say that they are alive, and give up who does not. No network.
#pragma once

#include <bit>
#include <cstdint>

#include "base/base.h"
#include "runtime/control/limits.h"

namespace gossamer::runtime {

// Whether one is 1, 2, 4, ... ranks from the other, one way round or the other.
//
//   0 1 2 . 4 . . . 8 . . . . . . . 16 ...       rank 0 of 40, and 39 38 36 32 24 the other way
//
// These are the distances of butterflies, circulants, binomial trees and rings.
[[nodiscard]] constexpr bool are_near(Rank a, Rank b, std::uint32_t rank_count) {
  const std::uint32_t distance = (a.value + rank_count - b.value) % rank_count;
  return std::has_single_bit(distance) || std::has_single_bit(rank_count - distance);
}

// In a small session every two; in a large one each watches some 2 log2 P, so that beats cost P log P and no P^2: all
// others hear of a death from whoever found it, in one step, over connections that every two have.
[[nodiscard]] constexpr bool watch_each_other(Rank a, Rank b, std::uint32_t rank_count) {
  return a != b && (rank_count <= watch_all_max || are_near(a, b, rank_count));
}

}  // namespace gossamer::runtime
