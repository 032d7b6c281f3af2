// Goal: any bytes are refused, or are the one encoding of a valid list. Method: what decodes is checked against the
// bounds that the decoder promises and encoded again.
//
//   input   | which dimension, 1 B | most indices, 1 B | list |
#include <vector>

#include "fuzz.h"
#include "sketch/sketch.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  constexpr std::uint64_t dimensions[] = {0,      1,       2,          100,        128,        129,       1'000,
                                          16'384, 1 << 20, 0xffffffff, 1ull << 32, 1ull << 40, UINT64_MAX};
  fuzz::Input input(data, size);
  const std::uint64_t dimension = dimensions[input.take<std::uint8_t>() % std::size(dimensions)];
  std::vector<std::uint32_t> indices(input.take<std::uint8_t>());
  const std::span<const std::byte> bytes = input.take_rest();

  const Result<std::size_t> count = sketch::decode_index_list(bytes, dimension, indices);
  if (!count.ok()) {
    fuzz::check_refusal(count.error(), Code::malformed);
    return 0;
  }
  GOSSAMER_CHECK(*count <= indices.size(), "more indices than there is room for");
  indices.resize(*count);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    GOSSAMER_CHECK(indices[i] < dimension, "an index beyond the dimension");
    GOSSAMER_CHECK(i == 0 || indices[i - 1] < indices[i], "indices that do not ascend");
  }
  std::vector<std::byte> again(sketch::index_list_bytes_max(indices.size(), dimension));
  again.resize(sketch::encode_index_list(indices, again));
  GOSSAMER_CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()), "a second encoding of one list");
  return 0;
}
