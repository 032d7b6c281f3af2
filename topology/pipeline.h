// Private to `topology`: chunks that follow each other through trees, towards the root and away from it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "topology/program_writer.h"

namespace gossamer::topology {

// Where one rank stands in a tree over all ranks.
struct TreePlace {
  std::optional<std::uint32_t> parent;  // none for the root
  std::vector<std::uint32_t> children;  // merged in this order
  std::uint32_t depth = 0;              // edges to the root
  std::uint32_t depth_max = 0;          // of the tree: equal on all ranks, and in all trees of a schedule
};

// Each tree carries `chunks` slices of its own: the t-th those from t * chunks on. An edge at depth d, a rank's to its
// parent, carries chunk c down in round d - 1 + c, and up in round depth_max - d + c:
//
//    down, a chain of 4        round 0   1   2   3   4      up         round 0   1   2   3   4
//    0 -> 1   depth 1                0   1   2              3 -> 2           0   1   2
//    1 -> 2   depth 2                    0   1   2          2 -> 1               0   1   2
//    2 -> 3   depth 3                        0   1   2      1 -> 0                   0   1   2
//
// Both take depth_max + chunks - 1 rounds.
void write_up(ProgramWriter& writer, std::span<const TreePlace> trees, std::uint32_t chunks);
void write_down(ProgramWriter& writer, std::span<const TreePlace> trees, std::uint32_t chunks);

// What a collective makes of them: a reduce goes up, a broadcast down, an all-reduce up and then down.
[[nodiscard]] Program make_pipeline(Collective collective, std::span<const TreePlace> trees, std::uint32_t chunks);

// The place of label `label` in the binary tree over the labels 0, 1, ..., `last` that is read from left to right:
//
//    0 ------------- 4            0 is the root, with one child. A label's height is its lowest set bit:
//              /           \      odd labels are leaves, and so is a label whose right side lies beyond `last`
//             2             6     but for its left one.
//           /   \         /
//          1     3       5
//
// Peers are labels. `last` >= 1.
[[nodiscard]] TreePlace binary_tree_place(std::uint32_t label, std::uint32_t last);

// The place of `rank` in the chain of all ranks from the request's root on. Peers are ranks.
[[nodiscard]] TreePlace chain_place(const ScheduleRequest& request, std::uint32_t rank);

}  // namespace gossamer::topology
