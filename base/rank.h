// Strong types for the three numbers that would otherwise be confused.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace gossamer {

// Index of a member in the current view, 0 to P-1.
struct Rank {
  std::uint32_t value = 0;
  friend auto operator<=>(const Rank&, const Rank&) = default;
};

// Number of a view; it grows by one with every change of membership.
struct Epoch {
  std::uint32_t value = 0;
  friend auto operator<=>(const Epoch&, const Epoch&) = default;
};

// What a message is, so that a receive matches exactly one send. `runtime/engine/tag.h` has the layout.
struct Tag {
  std::uint64_t value = 0;
  friend auto operator<=>(const Tag&, const Tag&) = default;
};

}  // namespace gossamer

template <>
struct std::hash<gossamer::Rank> {
  std::size_t operator()(const gossamer::Rank& rank) const noexcept { return rank.value; }
};
