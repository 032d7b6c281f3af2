// Goal: an address is refused, or is one of this provider that the library can read without going beyond its end.
// Method: providers of shared memory and of sockets; the input is an address, or what a good frame holds.
//
//   input   | bit 0: shared memory, bit 1: frame it | address, or provider's name, 0 and its address |
#include <netinet/in.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "transport/framed_address.h"
#include "transport/libfabric/address.h"

namespace {

using namespace gossamer;
using transport::libfabric::Provider;

Provider provider_of(bool shared_memory) {
  GOSSAMER_CHECK(transport::libfabric::load_functions().ok(), "libfabric to make an info with");
  Provider provider;
  provider.info.reset(transport::libfabric::fi_dupinfo(nullptr));
  GOSSAMER_CHECK(provider.info != nullptr, "memory for libfabric's info");
  provider.name = shared_memory ? "shm" : "tcp;ofi_rxm";
  provider.info->addr_format = static_cast<std::uint32_t>(shared_memory ? FI_ADDR_STR : FI_SOCKADDR_IN);
  provider.info->src_addrlen = shared_memory ? 0 : sizeof(sockaddr_in);
  return provider;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Provider shared_memory = provider_of(true);
  static const Provider sockets = provider_of(false);
  fuzz::Input input(data, size);
  const auto flags = input.take<std::uint8_t>();
  const Provider& provider = (flags & 1) != 0 ? shared_memory : sockets;
  const auto bytes = input.take_rest();
  const transport::AddressMark mark = {'G', 'S', 'M', 'R', 'L', 'F', 'A', '1'};
  const transport::Address address =
      (flags & 2) != 0 ? transport::frame_address(mark, bytes) : transport::Address(bytes.begin(), bytes.end());

  const auto found = transport::libfabric::decode_address(Rank{3}, address, provider);
  if (!found.ok()) {
    fuzz::check_refusal(found.error(), Code::invalid_argument);
    GOSSAMER_CHECK(found.error().rank == Rank{3}, "a refusal that does not name the rank");
    return 0;
  }
  GOSSAMER_CHECK(transport::libfabric::encode_address(provider, *found) == address, "another address when written");
  const auto in_view = transport::libfabric::address_in_view(provider, *found, Epoch{5});
  if (provider.is_shared_memory()) {
    const auto name = fuzz::as_text(in_view);
    GOSSAMER_CHECK(name.find('\0') == name.size() - 1, "a name whose end is not where it should be");
    GOSSAMER_CHECK(name.starts_with("gossamer-") && name.find('/') == name.npos, "a name outside of /dev/shm");
    return 0;
  }
  sa_family_t family = AF_UNSPEC;
  std::memcpy(&family, in_view.data(), sizeof family);
  const std::size_t needed = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  GOSSAMER_CHECK(in_view.size() >= needed, "an address that libfabric would read beyond its end");
  return 0;
}
