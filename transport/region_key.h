// What a RegionKey says, and its bytes, for every transport that makes its own keys.
//
// A key comes from a peer by whatever way the callers like, so the bytes are read with their bounds and
// carry a checksum. That finds damage and keys of elsewhere; it is no defence against a forger, who is
// kept out by the control plane that carries the keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::transport {

struct RegionKeyFields {
  Epoch epoch;
  Rank owner;
  std::uint64_t owner_address = 0;  // hash_bytes of the owner's address: tells a restarted process from the former
  std::uint64_t bytes = 0;          // of the region
  std::uint64_t block = 0;          // names the region; no other one of its owner ever has that name
  std::string folder;               // where a peer on the same host finds it
};

inline constexpr std::size_t key_folder_bytes_max = 160;

[[nodiscard]] RegionKey encode_region_key(const RegionKeyFields& fields);
// `malformed` for anything but what encode_region_key gives.
[[nodiscard]] Result<RegionKeyFields> decode_region_key(const RegionKey& key);

// The fields, when the key is of this owner in this view; else `malformed` with what does not fit.
[[nodiscard]] Result<RegionKeyFields> check_region_key(const RegionKey& key, Epoch epoch, Rank owner,
                                                       const Address& owner_address);

// Eight bytes at a time; the last ones padded with zeros, told apart by the length. The same on every run.
[[nodiscard]] std::uint64_t hash_bytes(std::span<const std::byte> bytes);

}  // namespace gossamer::transport
