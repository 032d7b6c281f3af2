// Goal: what is no address of this transport is refused before UCX sees it, since UCX reads an address without knowing
// its length; what is accepted points into the bytes. Method: the input is an address.
#include "fuzz.h"
#include "transport/ucx/worker.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  const auto bytes = std::as_bytes(std::span(data, size));
  const transport::Address address(bytes.begin(), bytes.end());
  const auto found = transport::ucx::worker_address(Rank{3}, address);
  if (!found.ok()) {
    GOSSAMER_CHECK(!found.error().message.empty() && found.error().rank == Rank{3}, "a refusal without rank or reason");
    return 0;
  }
  const auto* begin = reinterpret_cast<const std::byte*>(*found);
  GOSSAMER_CHECK(begin > address.data() && begin < address.data() + address.size(), "an address outside of the bytes");
  return 0;
}
