#include "runtime/collectives/neighbor_parts.h"

#include <cstring>

namespace gossamer::runtime {

namespace {

// As it lies in the message.
struct PartWire {
  std::uint32_t kind = 0;
  std::uint32_t version = 0;
  std::uint64_t operation = 0;
  double weight = 0;
  std::uint64_t value_bytes = 0;
};
static_assert(sizeof(PartWire) == part_header_bytes);

}  // namespace

void encode_part_header(const NeighborPart& header, std::byte* to) {
  const PartWire wire{static_cast<std::uint32_t>(header.kind), part_version, header.operation, header.weight,
                      header.value_bytes};
  std::memcpy(to, &wire, sizeof wire);
}

Result<NeighborPart> decode_part(std::span<const std::byte> message, const PartExpected& expected) {
  const auto wrong = [&](const auto&... words) {
    return Error{Code::malformed, text("the part of rank ", expected.from.value, " ", words...), expected.from};
  };
  if (message.size() < part_header_bytes)
    return wrong("has ", message.size(), " B, expected a header of ", part_header_bytes, " B");
  PartWire wire;
  std::memcpy(&wire, message.data(), sizeof wire);
  if (wire.version != part_version) return wrong("is of version ", wire.version, ", expected ", part_version);
  if (wire.operation != expected.operation)
    return wrong("is of operation ", wire.operation, ", expected ", expected.operation);
  const NeighborPart header{static_cast<PartKind>(wire.kind), wire.operation, wire.weight, wire.value_bytes};
  const bool has_values = header.kind == PartKind::values;
  if (!has_values && header.kind != PartKind::none) return wrong("is of unknown kind ", wire.kind);
  const std::uint64_t value_bytes = has_values ? expected.value_bytes : 0;
  const std::uint64_t behind = message.size() - part_header_bytes;
  if (header.value_bytes != value_bytes || behind != value_bytes)
    return wrong("says ", header.value_bytes, " B of values and has ", behind, " B, expected ", value_bytes, " B");
  // Written so that what is not a number is refused as well.
  const bool is_weight = has_values ? header.weight > 0 && header.weight <= expected.weight_max : header.weight == 0;
  if (!is_weight)
    return wrong("has the weight ", header.weight, ", expected ",
                 has_values ? text("one above 0, at most ", expected.weight_max) : std::string("0"));
  return header;
}

}  // namespace gossamer::runtime
