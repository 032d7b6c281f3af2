// Goal: any part in making a compressor is refused, or encodes to the same bytes; and whatever ranks offer, the number
// drawn is one that a tag can hold and that no rank uses. Method: the input is one part, and an offer against it.
#include "fuzz.h"
#include "runtime/session/compressor_part.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  using namespace gossamer::runtime;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto part = decode_compressor_part(bytes, Rank{3});
  if (!part.ok()) {
    fuzz::check_refusal(part.error(), Code::malformed);
    GOSSAMER_CHECK(part.error().rank == Rank{3}, "a refusal that names another rank");
    return 0;
  }
  GOSSAMER_CHECK(encode_compressor_part(*part) == Blob(bytes.begin(), bytes.end()), "another part than the bytes");
  PlanNumbers own;
  own.take(0);
  own.give_back(0, {});
  own.take(1);
  const std::vector<PlanOffer> offers = {part->offer, own.offer(100)};
  const auto draw = draw_plan(offers);
  if (!draw.ok()) {
    fuzz::check_refusal(draw.error(), Code::out_of_resources);
    return 0;
  }
  GOSSAMER_CHECK(draw->number < PlanNumbers::plans_max, "a number that no tag can hold");
  GOSSAMER_CHECK(draw->number == 0 || draw->number >= 2, "a number that a plan of this rank has");
  return 0;
}
