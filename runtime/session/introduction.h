// What one rank tells all others about itself when a session begins.
//
//   | version, 4 B | links, 4 B | length of host, 4 B | host | length of address, 4 B | transport address |
#pragma once

#include <cstdint>
#include <string>

#include "base/base.h"
#include "runtime/control/control.h"
#include "transport/transport.h"

namespace gossamer::runtime {

// What a rank's transport can reach peers by.
struct Links {
  bool shared_memory = false;  // on the same host
  bool adapter = false;        // InfiniBand, RoCE and their like
  friend bool operator==(const Links&, const Links&) = default;
};

struct Introduction {
  static constexpr std::uint32_t format_version = 2;
  static constexpr std::size_t host_bytes_max = 256;
  static constexpr std::size_t address_bytes_max = std::size_t{64} << 10;

  std::string host;            // equal on ranks that share their cores
  transport::Address address;  // for open_view
  Links links;
};

[[nodiscard]] Blob encode_introduction(const Introduction& introduction);

// Of `rank`. `malformed`: another version, a length beyond its bound or beyond the bytes, or bytes after the end.
[[nodiscard]] Result<Introduction> decode_introduction(const Blob& blob, Rank rank);

}  // namespace gossamer::runtime
