#include "transport/libfabric/address.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "transport/framed_address.h"
#include "transport/shared_name.h"

namespace gossamer::transport::libfabric {
namespace {

constexpr AddressMark address_mark = {'G', 'S', 'M', 'R', 'L', 'F', 'A', '1'};

Address as_bytes(std::string_view text) {
  Address bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What the library reads of an address, without a check of its length: as much as its own ones have, or, where the
// address is a socket's, as its family needs, which need not be that of the own one.
std::size_t least_bytes(const Provider& provider, std::span<const std::byte> address) {
  const std::size_t least = provider.info->src_addrlen;
  const std::uint32_t format = provider.info->addr_format;
  if (format != FI_SOCKADDR && format != FI_SOCKADDR_IN && format != FI_SOCKADDR_IN6) return least;
  sa_family_t family = AF_UNSPEC;
  if (address.size() >= sizeof family) std::memcpy(&family, address.data(), sizeof family);
  return std::max(least, family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
}

}  // namespace

// In the frame: | provider's name | 0 | provider's address |
Address encode_address(const Provider& provider, const ProviderAddress& address) {
  return frame_address(address_mark, as_bytes(text(provider.name, '\0', as_text(address))));
}

Result<ProviderAddress> decode_address(Rank rank, const Address& address, const Provider& provider) {
  const auto contents = unframe_address(address_mark, address);
  const std::string_view whole = contents ? as_text(*contents) : std::string_view{};
  const std::size_t name_end = whole.find('\0');
  if (name_end == std::string_view::npos) {
    return Error{Code::invalid_argument,
                 text("the address of rank ", rank.value, " (", address.size(),
                      " B) is damaged or not of the libfabric transport; every rank must use the same transport"),
                 rank};
  }
  const std::string_view name = whole.substr(0, name_end);
  if (name != provider.name) {
    return Error{Code::invalid_argument,
                 text("rank ", rank.value, " uses libfabric's provider \"", name, "\", this one uses \"", provider.name,
                      "\"; name the same one in GOSSAMER_LIBFABRIC_PROVIDER on every rank"),
                 rank};
  }
  const auto own = contents->subspan(name_end + 1);
  const bool good =
      provider.is_shared_memory() ? is_shared_name(as_text(own)) : own.size() >= least_bytes(provider, own);
  if (!good) {
    return Error{
        Code::invalid_argument,
        text("the address of rank ", rank.value, " is damaged: ", own.size(), " B for provider \"", name, "\""), rank};
  }
  return ProviderAddress(own.begin(), own.end());
}

ProviderAddress address_in_view(const Provider& provider, const ProviderAddress& address, Epoch epoch) {
  if (!provider.is_shared_memory()) return address;
  return as_bytes(text(as_text(address), "-", epoch.value, '\0'));  // libfabric wants its end marked
}

ProviderAddress make_shared_memory_address(std::string_view folder) {
  static std::atomic<unsigned> next{0};
  return as_bytes(text(folder, ".fi", next.fetch_add(1)));
}

PortGuard::PortGuard(fi_info& info) {
  if (info.src_addr == nullptr || info.src_addrlen > sizeof(sockaddr_storage)) return;
  sockaddr_storage address{};
  std::memcpy(&address, info.src_addr, info.src_addrlen);
  auto length = static_cast<socklen_t>(info.src_addrlen);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  descriptor_ = ::socket(generic->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) return;
  // With this on both, and the other one closed, two sockets may be bound to one port and only one listens.
  const int on = 1;
  if (::setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      ::bind(descriptor_, generic, length) == 0 && ::getsockname(descriptor_, generic, &length) == 0) {
    std::memcpy(info.src_addr, &address, info.src_addrlen);
  }
}

PortGuard::~PortGuard() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace gossamer::transport::libfabric
