#include "transport/framed_address.h"

#include <cstring>

#include "transport/region_key.h"

namespace gossamer::transport {
namespace {

constexpr std::size_t frame_bytes = sizeof(AddressMark) + sizeof(std::uint64_t);

}  // namespace

Address frame_address(const AddressMark& mark, std::span<const std::byte> contents) {
  const std::uint64_t checksum = hash_bytes(contents);
  Address address(frame_bytes + contents.size());
  std::memcpy(address.data(), mark.data(), mark.size());
  std::memcpy(address.data() + mark.size(), &checksum, sizeof checksum);
  if (!contents.empty()) std::memcpy(address.data() + frame_bytes, contents.data(), contents.size());
  return address;
}

std::optional<std::span<const std::byte>> unframe_address(const AddressMark& mark, const Address& address) {
  if (address.size() <= frame_bytes || std::memcmp(address.data(), mark.data(), mark.size()) != 0) return std::nullopt;
  const auto contents = std::span(address).subspan(frame_bytes);
  std::uint64_t checksum = 0;
  std::memcpy(&checksum, address.data() + mark.size(), sizeof checksum);
  if (checksum != hash_bytes(contents)) return std::nullopt;
  return contents;
}

}  // namespace gossamer::transport
