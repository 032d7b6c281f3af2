// Goal: any file is refused, or holds an array of just the size that it claims. Method: what decodes is encoded again;
// the reader of files, which unpacks gzip, must say the same of the same bytes.
//
//   input   | dimensions, 1 B | file |
#include <vector>

#include "fuzz.h"
#include "memory_file.h"
#include "tools/train/idx.h"

namespace {

using namespace gossamer;

std::vector<std::uint8_t> encode(const tools::IdxArray& array) {
  std::vector<std::uint8_t> bytes = {0, 0, 8, static_cast<std::uint8_t>(array.sizes.size())};
  for (const std::uint32_t size : array.sizes) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(size >> shift));
  }
  bytes.insert(bytes.end(), array.values.begin(), array.values.end());
  return bytes;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint32_t dimensions = 1 + input.take<std::uint8_t>() % 4;
  const std::span<const std::byte> rest = input.take_rest();
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(rest.data()), rest.size());

  const Result<tools::IdxArray> array = tools::decode_idx("input", bytes, dimensions);
  if (array.ok()) {
    const std::vector<std::uint8_t> again = encode(*array);
    GOSSAMER_CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()), "another array than its file");
  } else {
    fuzz::check_refusal(array.error(), Code::malformed);
  }

  // Some 3 ms for the reader's buffers: only where it has something to unpack, or to agree with.
  const bool gzip = bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
  if (!gzip && !array.ok()) return 0;
  const fuzz::MemoryFile file(rest);
  const Result<tools::IdxArray> read = tools::read_idx(file.folder(), file.name(), dimensions);
  if (!read.ok()) {
    fuzz::check_refusal(read.error(), Code::malformed);
    GOSSAMER_CHECK(!array.ok(), "a file that cannot be read though it can be decoded");
    return 0;
  }
  GOSSAMER_CHECK(read->sizes.size() == dimensions, "another number of dimensions than asked for");
  std::uint64_t count = 1;
  for (const std::uint32_t each : read->sizes) count *= each;
  GOSSAMER_CHECK(read->values.size() == count, "another number of values than the sizes say");
  GOSSAMER_CHECK(gzip || (array.ok() && read->values == array->values), "a plain file that reads as another");
  return 0;
}
