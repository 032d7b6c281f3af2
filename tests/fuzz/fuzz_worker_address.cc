// Goal: what is no address of this transport, or a damaged one, is refused before UCX sees it, since UCX reads an
// address without knowing its length; what is accepted is the whole of what UCX gave. Method: the input is an address,
// or what a good frame holds.
//
//   input   | bit 0: frame it | address, or UCX's address |
#include "fuzz.h"
#include "transport/framed_address.h"
#include "transport/ucx/worker.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  fuzz::Input input(data, size);
  const bool framed = (input.take<std::uint8_t>() & 1) != 0;
  const auto bytes = input.take_rest();
  const transport::AddressMark mark = {'G', 'S', 'M', 'R', 'U', 'C', 'X', '1'};
  const transport::Address address =
      framed ? transport::frame_address(mark, bytes) : transport::Address(bytes.begin(), bytes.end());
  const auto found = transport::ucx::worker_address(Rank{3}, address);
  GOSSAMER_CHECK(found.ok() || !framed || bytes.empty(), "a good address is refused");
  if (!found.ok()) {
    fuzz::check_refusal(found.error(), Code::invalid_argument);
    GOSSAMER_CHECK(found.error().rank == Rank{3}, "a refusal that does not name the rank");
    return 0;
  }
  const auto* const begin = reinterpret_cast<const std::byte*>(*found);
  GOSSAMER_CHECK(begin > address.data() && begin < address.data() + address.size(), "an address outside of the bytes");
  const std::span<const std::byte> contents(begin, address.data() + address.size());
  GOSSAMER_CHECK(transport::frame_address(mark, contents) == address, "another address when written again");
  return 0;
}
