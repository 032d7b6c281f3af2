// The one list of schedules. A new one is a file in kinds/, a row here, and its number in gossamer.h.
//
// X(name, NAME, number, words, all-reduce, all-gather, broadcast, reduce-scatter, reduce, meeting, choosing)
//
//   name      make_<name> and cost_ranks_of_<name> are in kinds/<name>.cc
//   NAME      GOSSAMER_SCHEDULE_<NAME> in gossamer.h, with the same number: part of the interface, never used again
//   words     as people write it
//   the five  into how many slices a collective's buffer is cut: `whole`, `by_rank` (one for each rank), `chunks` (8),
//             `twice_chunks` (16), `chunks_by_rank` (8 or one for each rank, whichever is more), or `none` where the
//             schedule does not exist. An all-gather and a reduce-scatter have one for each rank by nature
//   meeting   how the ranks of a whole all-reduce meet: `at_root` (reduced, then broadcast) or `in_pairs`
//   choosing  whether choose_schedule may take it: `by_cost`; `rooted_by_cost`, for a broadcast and a reduce;
//             `over_groups`, where some ranks are nearer than others; or `by_name` alone. Elsewhere another is never
//             dearer
#pragma once

#define GOSSAMER_SCHEDULE_TABLE(X)                                                                             \
  X(binomial_tree, BINOMIAL_TREE, 1, "binomial-tree", whole, by_rank, whole, by_rank, whole, at_root, by_cost) \
  X(butterfly, BUTTERFLY, 2, "butterfly", whole, by_rank, none, none, none, in_pairs, by_cost)                 \
  X(circulant, CIRCULANT, 3, "circulant", by_rank, by_rank, none, by_rank, none, at_root, by_cost)             \
  X(ring, RING, 4, "ring", by_rank, by_rank, by_rank, by_rank, none, at_root, by_cost)                         \
  X(star, STAR, 5, "star", whole, by_rank, whole, by_rank, whole, at_root, by_name)                            \
  X(halving_doubling, HALVING_DOUBLING, 6, "halving-doubling", by_rank, by_rank, none, by_rank, none, at_root, \
    over_groups)                                                                                               \
  X(double_tree, DOUBLE_TREE, 7, "double-tree", twice_chunks, none, twice_chunks, none, twice_chunks, at_root, \
    rooted_by_cost)                                                                                            \
  X(pipelined_tree, PIPELINED_TREE, 8, "pipelined-tree", chunks, none, chunks, none, chunks, at_root, by_name) \
  X(chain, CHAIN, 9, "chain", chunks_by_rank, none, chunks_by_rank, none, chunks_by_rank, at_root, rooted_by_cost)
