// Private to `topology`: what one round costs one rank; cost.cc says how.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "topology/topology.h"

namespace gossamer::topology {

inline constexpr std::uint32_t all_ranks_walked_max = 64;

struct Slicing {
  std::uint64_t payload_bytes;
  std::uint32_t slices;
  [[nodiscard]] std::uint64_t bytes(const SliceRange& range) const {
    return slice_begin(payload_bytes, range.first + range.count, slices) -
           slice_begin(payload_bytes, range.first, slices);
  }
};

// What a rank moves in a round over its links of one kind.
struct LinkLoad {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t merged = 0;
  std::uint32_t sends = 0;  // messages
  std::uint32_t receives = 0;

  [[nodiscard]] double cost_ns(const CostModel& model) const {
    return model.alpha_ns * std::max(sends, receives) +
           model.beta_ns_per_byte * static_cast<double>(std::max(sent, received)) +
           model.gamma_ns_per_byte * static_cast<double>(merged);
  }
};

struct RoundLoad {
  LinkLoad near;
  LinkLoad far;
};

// The halves of a wrapped range stand side by side, so a change of peer is a new message.
template <typename IsFar>
RoundLoad load_of(const Round& round, const Slicing& slicing, const IsFar& is_far) {
  RoundLoad load;
  std::optional<Rank> last_to;
  std::optional<Rank> last_from;
  for (const Step& step : round.steps) {
    const std::uint64_t bytes = slicing.bytes(step.slices);
    LinkLoad& link = is_far(step.peer) ? load.far : load.near;
    if (step.kind == StepKind::send) {
      link.sent += bytes;
      if (last_to != step.peer) ++link.sends;
      last_to = step.peer;
    } else {
      link.received += bytes;
      if (step.kind == StepKind::receive_merge) link.merged += bytes;
      if (last_from != step.peer) ++link.receives;
      last_from = step.peer;
    }
  }
  return load;
}

// Whether a cost can be worked out at all.
[[nodiscard]] Status check_model(const CostModel& model, std::uint64_t payload_bytes);

// "92.1 us".
[[nodiscard]] std::string duration_in_words(double nanoseconds);

}  // namespace gossamer::topology
