// The one list of collectives that a user may start. A new one is a row here, what it does to its buffers
// (vector_work.cc; neighbor_reduce.cc where it exchanges over a graph), and its number in gossamer.h.
//
// X(name, NAME, number, words, has_root, merges)
//
//   name      as people write it, with - for _
//   NAME      GOSSAMER_<NAME> in gossamer.h, with the same number: part of the interface, never used again
//   has_root  one rank gives it, or gets it: `root` is read
//   merges    `op` is read
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#define GOSSAMER_COLLECTIVE_TABLE(X)                                      \
  X(all_reduce, ALL_REDUCE, 1, "all-reduce", false, true)                 \
  X(reduce, REDUCE, 2, "reduce", true, true)                              \
  X(broadcast, BROADCAST, 3, "broadcast", true, false)                    \
  X(reduce_scatter, REDUCE_SCATTER, 4, "reduce-scatter", false, true)     \
  X(all_gather, ALL_GATHER, 5, "all-gather", false, false)                \
  X(neighbor_reduce, NEIGHBOR_REDUCE, 6, "neighbor-reduce", false, false) \
  X(barrier, BARRIER, 7, "barrier", false, false)

namespace gossamer::runtime {

#define GOSSAMER_COLLECTIVE_ENUM(name, NAME, number, ...) name = number,
enum class CollectiveKind : std::uint8_t { GOSSAMER_COLLECTIVE_TABLE(GOSSAMER_COLLECTIVE_ENUM) };
#undef GOSSAMER_COLLECTIVE_ENUM

struct CollectiveRow {
  CollectiveKind kind = CollectiveKind::all_reduce;
  std::string_view name;
  bool has_root = false;
  bool merges = false;
};

inline constexpr std::array all_collectives = {
#define GOSSAMER_COLLECTIVE_ROW(name, NAME, number, words, has_root, merges) \
  CollectiveRow{CollectiveKind::name, words, has_root, merges},
    GOSSAMER_COLLECTIVE_TABLE(GOSSAMER_COLLECTIVE_ROW)
#undef GOSSAMER_COLLECTIVE_ROW
};

// Null for a number that no row has.
[[nodiscard]] constexpr const CollectiveRow* find_collective(std::int64_t number) {
  for (const CollectiveRow& row : all_collectives)
    if (static_cast<std::int64_t>(row.kind) == number) return &row;
  return nullptr;
}
[[nodiscard]] constexpr const CollectiveRow& row_of(CollectiveKind kind) {
  return *find_collective(static_cast<std::int64_t>(kind));
}

}  // namespace gossamer::runtime
