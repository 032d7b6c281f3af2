// Goal: any part of a rank's candidates is refused, or is what a rank may send: in its slice, in the border, within the
// room, and read again the same from what the sender's code writes of it. Method: border and room come from the input.
//
//   input   | low, 4 B | width of the border, 4 B | room above, 1 B | room in it, 1 B | length - 1, 2 B | part |
#include <vector>

#include "fuzz.h"
#include "runtime/algorithms/parts/sharded_decode.h"

namespace {

using namespace gossamer;

struct Room {
  Room(std::size_t above_count, std::size_t border_count)
      : above(above_count), border(border_count), keys(border_count) {}
  [[nodiscard]] runtime::ShareRoom spans() { return {above, border, keys}; }

  std::vector<std::uint32_t> above, border;
  std::vector<std::int32_t> keys;
};

void check_ascending(std::span<const std::uint32_t> offsets, std::uint64_t length) {
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    GOSSAMER_CHECK(offsets[i] < length, "an offset beyond the slice");
    GOSSAMER_CHECK(i == 0 || offsets[i - 1] < offsets[i], "offsets that do not ascend");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  runtime::Border border;
  border.low = static_cast<std::int32_t>(input.take<std::uint32_t>() & 0x7fffffff);
  const auto width = input.take<std::uint32_t>();
  border.high = border.low + static_cast<std::int32_t>(width % (0x80000000u - static_cast<std::uint32_t>(border.low)));
  const std::size_t above_max = input.take<std::uint8_t>();
  const std::size_t border_max = input.take<std::uint8_t>();
  const std::uint64_t length = std::uint64_t{1} + input.take<std::uint16_t>();

  Room room(above_max, border_max);
  const auto share = runtime::read_share(input.take_rest(), length, border, room.spans());
  if (!share.ok()) {
    fuzz::check_refusal(share.error(), Code::malformed);
    return 0;
  }
  GOSSAMER_CHECK(share->above.size() <= above_max && share->border.size() <= border_max, "more than there is room for");
  GOSSAMER_CHECK(share->border_keys.size() == share->border.size(), "a coordinate of the border without a key");
  check_ascending(share->above, length);
  check_ascending(share->border, length);
  for (const std::int32_t key : share->border_keys)
    GOSSAMER_CHECK(key >= border.low && key <= border.high, "a key outside of the border");

  std::vector<std::byte> written(runtime::share_bytes_max(share->above.size() + share->border.size(), length));
  const std::uint64_t bytes = runtime::write_share(*share, border, written);
  Room again_room(above_max, border_max);
  const auto again = runtime::read_share(std::span(written).first(bytes), length, border, again_room.spans());
  GOSSAMER_CHECK(
      again.ok() && std::equal(again->above.begin(), again->above.end(), share->above.begin(), share->above.end()),
      "other coordinates above the border when written and read");
  GOSSAMER_CHECK(std::equal(again->border.begin(), again->border.end(), share->border.begin(), share->border.end()) &&
                     std::equal(again->border_keys.begin(), again->border_keys.end(), share->border_keys.begin(),
                                share->border_keys.end()),
                 "other coordinates in the border when written and read");
  return 0;
}
