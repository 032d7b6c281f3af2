// The one list of graphs. A new one is a file in graphs/ and a row here.
//
// X(name, NAME, number, words, ranks, exact, settings, meaning)
//
//   name      write_<name> is in graphs/<name>.cc
//   NAME      its name in the C interface, with the same number: part of the interface, never used again
//   words     as people write it
//   ranks     the rank counts that it exists for: `any`, `powers_of_two`, or exactly so many
//   exact     for which of them a period brings every rank the exact mean: `any`, `powers_of_two` or `none`; what is
//             claimed here is proved by check_mixing
//   settings  which of degree and seed it reads: `no_settings`, `degree`, `degree_and_seed`, or `edges`: it is made of
//             edges that somebody gives, not of a request
//   meaning   for help texts: who mixes with whom
#pragma once

// clang-format off
#define GOSSAMER_GRAPH_TABLE(X)                                                                                       \
  X(one_peer, ONE_PEER, 0, "one-peer", any, any, no_settings,                                                         \
    "one peer a round: one-peer-exponential for powers of two, else base of degree 1")                                \
  X(ring, RING, 1, "ring", any, none, no_settings, "both neighbours on a circle")                                     \
  X(torus, TORUS, 2, "torus", any, none, no_settings,                                                                 \
    "four neighbours on a grid whose edges meet, as square as can be")                                                \
  X(hypercube, HYPERCUBE, 3, "hypercube", powers_of_two, none, no_settings,                                           \
    "all whose number differs in one binary digit")                                                                   \
  X(complete, COMPLETE, 4, "complete", any, any, no_settings, "everyone with everyone")                               \
  X(star, STAR, 5, "star", any, none, no_settings, "rank 0 with everyone")                                            \
  X(exponential, EXPONENTIAL, 6, "exponential", any, none, no_settings,                                               \
    "gives to those 1, 2, 4, ... ahead, all in every round")                                                          \
  X(one_peer_exponential, ONE_PEER_EXPONENTIAL, 7, "one-peer-exponential", any, powers_of_two, no_settings,           \
    "gives to the one 1, then 2, then 4, ... ahead")                                                                  \
  X(base, BASE, 8, "base", any, any, degree, "Base-(k+1), k the degree: exact for any number of ranks")               \
  X(southern_women, SOUTHERN_WOMEN, 9, "southern-women", 32, none, no_settings,                                       \
    "18 women and the 14 events that they went to (Davis 1941)")                                                      \
  X(florentine_families, FLORENTINE_FAMILIES, 10, "florentine-families", 15, none, no_settings,                       \
    "marriages of 15 families (Padgett)")                                                                             \
  X(karate_club, KARATE_CLUB, 11, "karate-club", 34, none, no_settings, "friendships in a club (Zachary 1977)")       \
  X(erdos_renyi, ERDOS_RENYI, 12, "erdos-renyi", any, none, degree_and_seed,                                          \
    "pairs drawn from the seed, each rank in `degree` of them on the average; connected")                             \
  X(matrix, MATRIX, 13, "matrix", any, none, edges, "of your own shares, from a file or from matrices")
// clang-format on
