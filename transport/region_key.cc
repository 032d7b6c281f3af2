#include "transport/region_key.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace gossamer::transport {
namespace {

// In front of the folder's name. All members of a session run the same byte order: their payloads are raw
// numbers as well.
struct WireKey {
  std::array<char, 8> mark;
  std::uint64_t checksum;  // hash_bytes of all that follows
  std::uint32_t epoch;
  std::uint32_t owner;
  std::uint64_t owner_address;
  std::uint64_t bytes;
  std::uint64_t block;
  std::uint64_t folder_bytes;
};
static_assert(std::is_trivially_copyable_v<WireKey> && sizeof(WireKey) == 56, "no padding travels");

constexpr std::array<char, 8> key_mark = {'G', 'S', 'M', 'R', 'K', 'E', 'Y', '2'};
constexpr std::size_t checked_from = sizeof(WireKey::mark) + sizeof(WireKey::checksum);

std::uint64_t checksum_of(const RegionKey& key) { return hash_bytes(std::span(key).subspan(checked_from)); }

Error key_error(std::string_view what) {
  return {Code::malformed, text("a region key ", what, "; pass on the bytes of export_region as they are")};
}

}  // namespace

RegionKey encode_region_key(const RegionKeyFields& fields) {
  GOSSAMER_CHECK(fields.folder.size() <= key_folder_bytes_max, "a folder's name fits in its key");
  WireKey wire{key_mark,
               0,
               fields.epoch.value,
               fields.owner.value,
               fields.owner_address,
               fields.bytes,
               fields.block,
               fields.folder.size()};
  RegionKey key(sizeof wire + fields.folder.size());
  std::memcpy(key.data(), &wire, sizeof wire);
  if (!fields.folder.empty()) std::memcpy(key.data() + sizeof wire, fields.folder.data(), fields.folder.size());
  wire.checksum = checksum_of(key);
  std::memcpy(key.data(), &wire, sizeof wire);
  return key;
}

Result<RegionKeyFields> decode_region_key(const RegionKey& key) {
  WireKey wire;
  if (key.size() < sizeof wire || key.size() > sizeof wire + key_folder_bytes_max) {
    return key_error(
        text("has ", key.size(), " B, expected ", sizeof wire, " to ", sizeof wire + key_folder_bytes_max));
  }
  std::memcpy(&wire, key.data(), sizeof wire);
  if (wire.mark != key_mark) return key_error("does not begin with its mark");
  if (wire.folder_bytes != key.size() - sizeof wire) return key_error("is cut or too long");
  if (wire.checksum != checksum_of(key)) return key_error("is damaged: its checksum differs");
  RegionKeyFields fields{Epoch{wire.epoch}, Rank{wire.owner}, wire.owner_address, wire.bytes, wire.block, {}};
  fields.folder.assign(reinterpret_cast<const char*>(key.data()) + sizeof wire, wire.folder_bytes);
  return fields;
}

Result<RegionKeyFields> check_region_key(const RegionKey& key, Epoch epoch, Rank owner, const Address& owner_address) {
  auto fields = decode_region_key(key);
  if (!fields.ok()) return fields;
  if (fields->epoch != epoch) {
    return key_error(text("is of view ", fields->epoch.value, ", the open one is ", epoch.value));
  }
  if (fields->owner != owner) return key_error(text("is of rank ", fields->owner.value, ", not of ", owner.value));
  if (fields->owner_address != hash_bytes(owner_address)) {
    return key_error(text("is of another process than the one that is rank ", owner.value, " in this view"));
  }
  return fields;
}

std::uint64_t hash_bytes(std::span<const std::byte> bytes) {
  std::uint64_t hash = mix64(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min(sizeof(word), bytes.size() - i));
    hash = mix64(hash ^ word);
  }
  return hash;
}

}  // namespace gossamer::transport
