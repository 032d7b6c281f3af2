// What the 64 bits of a message's tag say.
//
//   63        52 51        40 39            24 23          12 11          0
//   |  view 12  |  plan 12   |  sequence 16   |  message 12  | source 12  |
//
// view      epoch modulo 4,096: connections of an old view are closed before a new one opens, so two
//           views that share these bits are never alive together
// plan      number of the plan, given out in order of creation, the same on every rank
// sequence  operation of the plan modulo 65,536: one is in flight, and a peer is at most one ahead,
//           since each collective needs a contribution of every rank or is used once; in an exchange over a graph it is
//           ahead by at most the operations that something needs to come from it to here
// message   counts the messages from one rank to one other within an operation
// source    the sender
//
// UCX and libfabric's tcp, shm and verbs providers match all 64 bits.
#pragma once

#include <cstdint>

#include "base/base.h"

namespace gossamer::runtime {

inline constexpr std::uint32_t tag_field_max = 1u << 12;  // views, plans, messages, ranks

struct TagFields {
  Epoch view;
  std::uint32_t plan = 0;
  std::uint32_t sequence = 0;
  std::uint32_t message = 0;
  Rank source;
};

[[nodiscard]] constexpr Tag make_tag(const TagFields& f) {
  constexpr std::uint64_t mask = tag_field_max - 1;
  return Tag{(f.view.value & mask) << 52 | (f.plan & mask) << 40 | std::uint64_t{f.sequence & 0xffffu} << 24 |
             (f.message & mask) << 12 | (f.source.value & mask)};
}

// The tag of the same message in another operation; `tag` is that of operation 0.
[[nodiscard]] constexpr Tag with_sequence(Tag tag, std::uint32_t sequence) {
  return Tag{tag.value | std::uint64_t{sequence & 0xffffu} << 24};
}

}  // namespace gossamer::runtime
