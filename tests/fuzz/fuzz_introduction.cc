// Goal: any introduction is refused, or stays within its bounds and encodes to the same bytes. Method: the input is
// one.
#include "fuzz.h"
#include "runtime/session/introduction.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  using runtime::Introduction;
  const auto bytes = std::as_bytes(std::span(data, size));
  const runtime::Blob blob(bytes.begin(), bytes.end());
  const auto decoded = runtime::decode_introduction(blob, Rank{3});
  if (!decoded.ok()) {
    fuzz::check_refusal(decoded.error(), Code::malformed);
    GOSSAMER_CHECK(decoded.error().rank == Rank{3}, "a refusal that names another rank");
    return 0;
  }
  for (const std::string* each : {&decoded->host, &decoded->memory, &decoded->name, &decoded->library})
    GOSSAMER_CHECK(each->size() <= Introduction::text_bytes_max, "a text beyond its bound");
  GOSSAMER_CHECK(decoded->address.size() <= Introduction::address_bytes_max, "an address beyond its bound");
  GOSSAMER_CHECK(runtime::encode_introduction(*decoded) == blob, "another introduction than the bytes");
  return 0;
}
