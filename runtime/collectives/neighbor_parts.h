// What neighbours send each other: a header, and values behind it.
//
//   | kind, 4 B | version, 4 B | operation, 8 B | weight, 8 B | bytes of values, 8 B | values |
//
// One part goes to all neighbours of a round; what share of it is whose, both sides know from the graph. Parts come
// from other processes and are not trusted: whatever is not what this operation expects is MALFORMED, with the rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/base.h"

namespace gossamer::runtime {

inline constexpr std::size_t part_header_bytes = 32;
inline constexpr std::uint32_t part_version = 1;

// 2 and 4 are kept for parts of compressed exchanges.
enum class PartKind : std::uint32_t {
  values = 1,
  none = 3,  // nothing this time: who sent it keeps what it would have given
};

struct NeighborPart {
  PartKind kind = PartKind::values;
  std::uint64_t operation = 0;  // of the plan, from 1
  double weight = 0;            // of the sender, before it gave any of it away; 0 with `none`
  std::uint64_t value_bytes = 0;
};

void encode_part_header(const NeighborPart& header, std::byte* to);

struct PartExpected {
  Rank from;
  std::uint64_t operation = 0;
  std::uint64_t value_bytes = 0;  // of a part with values
  double weight_max = 0;
};

// Of a whole message.
[[nodiscard]] Result<NeighborPart> decode_part(std::span<const std::byte> message, const PartExpected& expected);

}  // namespace gossamer::runtime
