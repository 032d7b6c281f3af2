// Goal: a put that comes as a message writes where its sender was given a key for, in the view that is open, or
// nowhere. Method: a table with regions of this view, one of them released, and with serials of a former one; the
// target of any header is compared with a model that adds without overflow.
//
//   input   | bit 0: put the mark right, bit 1: the view | ranks in the view, 2 B | length of the data, 8 B | header |
#include <array>
#include <vector>

#include "fuzz.h"
#include "transport/ucx/put_header.h"

namespace {

using namespace gossamer;
using transport::Region;

std::array<std::byte, 4096> memory;

constexpr std::size_t mark_at = offsetof(transport::ucx::PutHeader, mark);
constexpr std::size_t epoch_at = offsetof(transport::ucx::PutHeader, epoch);

void write(std::vector<std::byte>& header, std::size_t at, std::uint32_t word) {
  if (header.size() >= at + sizeof word) std::memcpy(header.data() + at, &word, sizeof word);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Region former{1, memory.data(), memory.size(), MemoryKind::host};
  const Region large{2, memory.data(), 4000, MemoryKind::host};
  const Region released{3, memory.data() + 4000, 50, MemoryKind::host};
  const Region empty{4, memory.data() + 4050, 0, MemoryKind::host};
  const Epoch view{7};
  transport::ucx::Exports exports;
  GOSSAMER_CHECK(exports.add(former) == 1, "serials begin at 1");
  exports.clear();
  GOSSAMER_CHECK(exports.add(large) == 2 && exports.add(released) == 3 && exports.add(empty) == 4, "serials go on");
  exports.forget(released);

  fuzz::Input input(data, size);
  const auto flags = input.take<std::uint8_t>();
  const std::size_t rank_count = input.take<std::uint16_t>();
  const auto bytes = static_cast<std::size_t>(input.take<std::uint64_t>());
  const auto rest = input.take_rest();
  std::vector<std::byte> header(rest.begin(), rest.end());
  if ((flags & 1) != 0) write(header, mark_at, transport::ucx::put_mark);
  if ((flags & 2) != 0) write(header, epoch_at, view.value);

  const auto put = transport::ucx::read_put_header(header);
  if (!put) return 0;
  GOSSAMER_CHECK(header.size() == sizeof *put && std::memcmp(header.data(), &*put, sizeof *put) == 0,
                 "a header that is not its bytes");
  GOSSAMER_CHECK(put->mark == transport::ucx::put_mark, "a header of another version");
  GOSSAMER_CHECK(put->notice < transport::notice_count, "a notice that does not exist");

  const Region* const expected = put->serial == 2 ? &large : put->serial == 4 ? &empty : nullptr;
  std::uint64_t end = 0;
  const bool fits = expected != nullptr && !__builtin_add_overflow(put->offset, bytes, &end) && end <= expected->bytes;
  const bool believed = fits && put->epoch == view.value && put->source < rank_count;
  const Region* const target = transport::ucx::put_target(*put, bytes, exports, view, rank_count);
  GOSSAMER_CHECK((target != nullptr) == believed, "a put is believed that should not be, or the other way round");
  if (target == nullptr) return 0;
  GOSSAMER_CHECK(target->id == expected->id && target->base == expected->base, "another region than the key's");
  std::memset(target->base + put->offset, 1, bytes);
  return 0;
}
