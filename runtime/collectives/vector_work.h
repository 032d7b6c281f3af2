// The work of a user's collective: a vector of elements in the user's memory, moved and merged in place.
//
//                    before                          on the wire, over           after
//   all-reduce       output = input                  output                      mean: output / P
//   reduce           root: output = input;           root: output;               mean at the root
//                    others: copy = input            others: the copy
//   broadcast        root: output = input            output
//   reduce-scatter   copy = input; in place: nothing the copy; output            output = slice of the copy; mean
//   all-gather       output's own slice = input      output
//
// "output = input" is nothing where they are the same. A copy is this work's, of the vector's size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/collectives/catalogue.h"
#include "runtime/engine/buffer.h"
#include "runtime/engine/schedule_policy.h"
#include "runtime/engine/work.h"
#include "topology/topology.h"

namespace gossamer::runtime {

struct CollectiveConfig {
  std::string name;  // empty: the kind's
  CollectiveKind kind = CollectiveKind::all_reduce;
  ElementVector vector;  // all of it, on every rank alike
  Rank root;             // of a kind that has one; by place among the members
  // The user's, until the plan has gone. One that a rank has no use for may be null.
  const std::byte* input = nullptr;  // null: in place, in `output`
  std::byte* output = nullptr;
  std::optional<topology::ScheduleKind> schedule;
  bool without_topology = false;  // as if the session had no GOSSAMER_TOPOLOGY: to compare the two
  std::shared_ptr<const topology::Graph> graph;  // of neighbor_reduce: who mixes with whom, by place
};

// Where one rank stands among those that take part.
struct Membership {
  Rank place;                    // of this rank
  std::uint32_t rank_count = 1;  // of them
  std::vector<Rank> members;     // ranks of the session by place; empty: all ranks of it, in order
};

// Elements of the vector that the rank in this place has of it where each has a slice: as equal as lines of 64 bytes
// allow.
struct ElementSlice {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
[[nodiscard]] ElementSlice slice_of(const ElementVector& vector, std::uint32_t place, std::uint32_t rank_count);

// `invalid_argument`, and why: a field that the collective does not read, an operator that does not fit the type, null
// or overlapping buffers, a root that is no rank.
[[nodiscard]] Status check_collective(const CollectiveConfig& config, const Membership& who);

// Of a checked configuration: a VectorWork, or what its kind has instead.
[[nodiscard]] Result<std::unique_ptr<Work>> make_collective_work(const CollectiveConfig& config, const Membership& who,
                                                                 const SchedulePolicy& policy);

class VectorWork final : public Work {
 public:
  // Of a checked configuration.
  [[nodiscard]] static Result<std::unique_ptr<VectorWork>> make(const CollectiveConfig& config, const Membership& who,
                                                                const SchedulePolicy& policy);

  std::span<const Stage> stages() const override { return {&stage_, 1}; }
  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) override;
  [[nodiscard]] bool computes() const override { return vector_.bytes() > 4096; }
  void drop() override {}

 private:
  VectorWork(const CollectiveConfig& config, const Membership& who);
  void bring_in();
  void take_out();

  const CollectiveKind kind_;
  const ElementVector vector_;
  const std::uint32_t rank_count_;
  const bool is_root_;
  const std::byte* const input_;
  std::byte* const output_;
  const ElementSlice slice_;  // this rank's
  Buffer copy_;
  Stage stage_;
};

}  // namespace gossamer::runtime
