#include "transport/libfabric/address.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>

#include "transport/process.h"
#include "transport/shared_memory.h"

namespace gossamer::transport::libfabric {
namespace {

constexpr std::array<char, 8> address_mark = {'G', 'S', 'M', 'R', 'L', 'F', 'A', '1'};

Address as_bytes(std::string_view text) {
  Address bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::string_view as_text(const ProviderAddress& address) {
  return {reinterpret_cast<const char*>(address.data()), address.size()};
}

}  // namespace

// | mark, 8 B | provider's name | 0 | provider's address |
Address encode_address(const Provider& provider, const ProviderAddress& address) {
  return as_bytes(
      text(std::string_view(address_mark.data(), address_mark.size()), provider.name, '\0', as_text(address)));
}

Result<ProviderAddress> decode_address(Rank rank, const Address& address, const Provider& provider) {
  const std::string_view whole = as_text(address);
  const std::size_t name_end = whole.find('\0', address_mark.size());
  if (!whole.starts_with(std::string_view(address_mark.data(), address_mark.size())) ||
      name_end == std::string_view::npos) {
    return Error{Code::invalid_argument,
                 text("the address of rank ", rank.value, " (", address.size(),
                      " B) is not of the libfabric transport; every rank must use the same transport"),
                 rank};
  }
  const std::string_view name = whole.substr(address_mark.size(), name_end - address_mark.size());
  if (name != provider.name) {
    return Error{Code::invalid_argument,
                 text("rank ", rank.value, " uses libfabric's provider \"", name, "\", this one uses \"", provider.name,
                      "\"; name the same one in GOSSAMER_LIBFABRIC_PROVIDER on every rank"),
                 rank};
  }
  const auto first = address.begin() + static_cast<std::ptrdiff_t>(name_end) + 1;
  const bool is_text = provider.is_shared_memory();
  const auto bytes = static_cast<std::size_t>(address.end() - first);
  // The library reads its own addresses without a check of their length.
  const std::size_t least = is_text ? 1 : provider.info->src_addrlen;
  if (bytes < least || (is_text && !is_shared_name(whole.substr(name_end + 1)))) {
    return Error{Code::invalid_argument,
                 text("the address of rank ", rank.value, " is damaged: ", bytes, " B for provider \"", name, "\""),
                 rank};
  }
  return ProviderAddress(first, address.end());
}

ProviderAddress address_in_view(const Provider& provider, const ProviderAddress& address, Epoch epoch) {
  if (!provider.is_shared_memory()) return address;
  return as_bytes(text(as_text(address), "-", epoch.value, '\0'));  // libfabric wants its end marked
}

ProviderAddress make_shared_memory_address(std::string_view job) {
  static std::atomic<unsigned> next{0};
  return as_bytes(text(process_shared_name(job), ".fi", next.fetch_add(1)));
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
