// Private to `topology`: how a kind writes down its graph.
#pragma once

#include <cstdint>
#include <span>

#include "topology/topology.h"

namespace gossamer::topology {

// Collects rounds and what is given in them, by any order of ranks. What passes the limits is left out, and `finish`
// says so.
class GraphWriter {
 public:
  explicit GraphWriter(const GraphRequest& request) : graph_{request, false, {}} {}

  // Whether a period of so many edges, both ways counted, and rounds can be held at all: ask before long loops.
  [[nodiscard]] Status check_room(std::uint64_t edges, std::uint64_t rounds = 1) const;

  // What a request of degree 0 came to.
  void set_degree(std::uint32_t degree) { graph_.request.degree = degree; }

  void begin_round();

  // In the current round, for ranks that differ:
  void give(std::uint32_t from, std::uint32_t to, Weight share);
  void exchange(std::uint32_t one, std::uint32_t other, Weight share);  // both ways
  void average(std::span<const std::uint32_t> ranks);                   // everyone takes as much of each
  // Both ways, with shares that weigh_by_degree sets. A pair may be joined twice.
  void join(std::uint32_t one, std::uint32_t other) { exchange(one, other, {}); }
  // 1 / (1 + the larger number of neighbours) for each pair of the round: rows and columns of any graph sum to 1
  // (Metropolis-Hastings; Xiao and Boyd 2004).
  void weigh_by_degree();

  // With one round at least. Errors: out_of_resources.
  [[nodiscard]] Result<Graph> finish() &&;

 private:
  Graph graph_;
  std::uint64_t edges_ = 0;
};

// Of each kind: writes the graph of a request whose kind has that many ranks and whose degree is not 0 where it is
// read.
#define GOSSAMER_GRAPH_DECLARE(name, ...) \
  [[nodiscard]] Status write_##name(const GraphRequest& request, GraphWriter& writer);
GOSSAMER_GRAPH_TABLE(GOSSAMER_GRAPH_DECLARE)
#undef GOSSAMER_GRAPH_DECLARE

}  // namespace gossamer::topology
