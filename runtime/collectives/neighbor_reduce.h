// The work of a neighbour reduction: each rank moves its vector toward those of its neighbours in a graph.
//
//   z_i+ = z_i + sum over parts, by rank, of (a_ij w_j / w_i+) (z_j - z_i)      w_i+ = kept_i w_i + sum of a_ij w_j
//
// a_ij is the share that rank j gives to rank i in this round; what it does not give it keeps. Weights begin at 1 and
// travel with the parts (push-sum; Kempe, Dobra and Gehrke 2003), so that whatever is not given, to the dead or by a
// rank without numbers, stays with its owner, value and weight together: sums of w z and of w over the ranks that are
// left stay what they are. With shares whose rows and columns sum to 1 and nobody missing all weights are exactly 1.
//
//   slots      | own part | parts of the neighbours of a round, ascending by rank |
//   operation  1, 2, ...: round 0, 1, ... of the graph, and again; ranks count alike, those that fail too
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/collectives/neighbor_parts.h"
#include "runtime/engine/buffer.h"
#include "runtime/engine/work.h"
#include "sketch/sketch.h"
#include "topology/topology.h"

namespace gossamer::runtime {

struct NeighborReduceConfig {
  std::string name = "neighbor-reduce";
  std::shared_ptr<const topology::Graph> graph;  // its ranks are places among those that take part
  sketch::ElementType type = sketch::ElementType::f32;
  std::uint64_t count = 0;
  // The user's, until the plan has gone; at the start of an operation `input` is read, at its end `output` is written.
  const std::byte* input = nullptr;  // null or `output`: in place
  std::byte* output = nullptr;
  Rank place;                    // of this rank
  std::uint32_t rank_count = 1;  // of them
  std::vector<Rank> members;     // ranks of the session by place; empty: all ranks of it, in order
  topology::CostModel cost;
};

// `invalid_argument`, and why: no graph, one of another rank count or one that check_mixing refuses, elements that are
// not floating-point, null or overlapping buffers.
[[nodiscard]] Status check_neighbor_reduce(const NeighborReduceConfig& config);

// Of all that the graph is; for comparing it with other ranks'.
[[nodiscard]] std::uint64_t hash_graph(const topology::Graph& graph);

class NeighborReduceWork final : public Work {
 public:
  // Of a checked configuration.
  [[nodiscard]] static Result<std::unique_ptr<NeighborReduceWork>> make(const NeighborReduceConfig& config);

  std::span<const Stage> stages() const override { return {&stage_, 1}; }
  // `not_finite`: this rank's vector has such an element. It gave nothing, its output is as it was, and the weight that
  // came is its own. `malformed` names the rank.
  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) override;
  void drop() override { ++ended_; }
  void lost(Rank peer) override;

  // With no operation in flight.
  [[nodiscard]] double weight() const { return weight_; }

 private:
  // In one round of the graph; by place.
  struct Taken {
    Rank from;
    double share = 0;
  };

  explicit NeighborReduceWork(const NeighborReduceConfig& config);
  Status set_up(const topology::CostModel& cost);
  [[nodiscard]] Rank member(Rank place) const { return members_.empty() ? place : members_[place.value]; }
  [[nodiscard]] const topology::Mix& mix() const { return rounds_[ended_ % rounds_.size()]; }
  [[nodiscard]] std::uint64_t value_bytes() const { return count_ * sketch::element_bytes(type_); }
  StageSize give();
  Status take(std::span<const std::uint64_t> part_bytes);
  [[nodiscard]] Error not_finite() const;

  const std::string name_;
  const std::shared_ptr<const topology::Graph> graph_;
  const sketch::ElementType type_;
  const std::uint64_t count_;
  const std::byte* const input_;
  std::byte* const output_;
  const Rank place_;
  const std::uint32_t rank_count_;
  const std::vector<Rank> members_;
  std::vector<topology::Mix> rounds_;  // this rank's
  Buffer buffer_;
  Stage stage_;

  std::uint64_t ended_ = 0;  // operations, well or not
  double weight_ = 1;
  bool is_finite_ = true;  // this operation's vector
  bool gives_ = true;      // values, in this operation
  std::vector<sketch::MixPart> parts_;
  std::vector<Rank> dead_;  // places
};

}  // namespace gossamer::runtime
