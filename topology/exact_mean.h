// Private to `topology`: whether a period of a graph is the exact mean, in whole numbers.
#pragma once

#include <optional>

#include "topology/topology.h"

namespace gossamer::topology {

// A rank that a period does not bring 1/P of every rank's value, or nothing: then the graph is proved exact.
//
// Works modulo primes. With D the product of the rounds' common denominators, P D (entry - 1/P) is a whole number below
// P D; one that is 0 modulo primes whose product is above P D is 0. So there is no doubt, in either direction, as long
// as all columns of the product are computed: up to 2^28 multiplications. Larger graphs are multiplied with three
// random vectors for each prime, which a wrong one survives once in 2^183 draws (Freivalds 1977).
//
// The graph must have passed the other parts of check_mixing. Errors: out_of_resources where P D is above 488 bits.
[[nodiscard]] Result<std::optional<Rank>> find_inexact_rank(const Graph& graph);

}  // namespace gossamer::topology
