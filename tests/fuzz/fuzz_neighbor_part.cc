// Goal: any message of a neighbour is refused with its rank, or its header is what encodes to the same bytes, of this
// operation, with a weight that mixes. Method: the input is the message.
#include "fuzz.h"
#include "runtime/collectives/neighbor_parts.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  using namespace gossamer::runtime;
  const auto bytes = std::as_bytes(std::span(data, size));
  const PartExpected expected{.from = Rank{3}, .operation = 7, .value_bytes = 8, .weight_max = 4};
  const auto part = decode_part(bytes, expected);
  if (!part.ok()) {
    fuzz::check_refusal(part.error(), Code::malformed);
    GOSSAMER_CHECK(part.error().rank == Rank{3}, "a refusal that names another rank");
    return 0;
  }
  const bool has_values = part->kind == PartKind::values;
  GOSSAMER_CHECK(size == part_header_bytes + (has_values ? 8u : 0u), "a part of another length");
  GOSSAMER_CHECK(has_values ? part->weight > 0 && part->weight <= 4 : part->weight == 0, "a weight that mixes nothing");
  std::byte header[part_header_bytes];
  encode_part_header(*part, header);
  const bool is_same = std::equal(std::begin(header), std::end(header), bytes.begin());
  // The negative zero of a part without values is another way to say its weight.
  GOSSAMER_CHECK(is_same || (!has_values && part->weight == 0), "another part than the bytes");
  return 0;
}
