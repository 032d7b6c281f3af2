// A neighbour exchange on every rank of a simulated cluster, and one rank's operation by the plain loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "runtime/collectives/neighbor_reduce.h"
#include "runtime/engine/plan.h"
#include "runtime/simulation/sim_cluster.h"

namespace gossamer::runtime::testing {

[[nodiscard]] std::shared_ptr<const topology::Graph> shared_graph(const topology::GraphRequest& request);

// What one rank has between two operations.
struct GossipState {
  std::vector<std::byte> z;
  double weight = 1;
  friend bool operator==(const GossipState&, const GossipState&) = default;
};

// Of one operation of one rank: whose part did not come, and whose share it kept because it knew them lost.
struct Missing {
  std::set<std::uint32_t> parts;
  std::set<std::uint32_t> kept;
};

// By the definition, from what all ranks had before operation `operation` (from 0).
[[nodiscard]] GossipState plain_operation(const topology::Graph& graph, std::uint64_t operation, std::uint32_t rank,
                                          sketch::ElementType type, const std::vector<GossipState>& before,
                                          const Missing& missing = {});

class Exchange {
 public:
  // In place, with rough values from `seed`, under a plan number that nothing else in the cluster has.
  Exchange(SimCluster& cluster, std::uint32_t number, std::shared_ptr<const topology::Graph> graph,
           sketch::ElementType type, std::uint64_t count, std::uint64_t seed);

  [[nodiscard]] const topology::Graph& graph() const { return *graph_; }
  [[nodiscard]] sketch::ElementType type() const { return type_; }
  [[nodiscard]] Plan& plan(std::uint32_t rank) { return *plans_[rank]; }
  [[nodiscard]] std::vector<std::byte>& values(std::uint32_t rank) { return *values_[rank]; }
  [[nodiscard]] GossipState state(std::uint32_t rank) const { return {*values_[rank], works_[rank]->weight()}; }
  [[nodiscard]] std::vector<GossipState> states() const;

  // Starts an operation on these ranks and runs until it has ended on all of them; false where it does not.
  [[nodiscard]] bool run(SimCluster& cluster, const std::set<std::uint32_t>& ranks);

 private:
  std::shared_ptr<const topology::Graph> graph_;
  sketch::ElementType type_;
  std::vector<std::unique_ptr<std::vector<std::byte>>> values_;
  std::vector<NeighborReduceWork*> works_;  // the plans'
  std::vector<std::unique_ptr<Plan>> plans_;
};

[[nodiscard]] std::set<std::uint32_t> all_ranks(const SimCluster& cluster);

}  // namespace gossamer::runtime::testing
