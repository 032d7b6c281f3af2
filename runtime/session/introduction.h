// What one rank tells all others about itself when a session begins.
//
//   | version | links | host | memory | name | library | transport address |
//     4 B       4 B     each behind its length, 4 B
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

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
  static constexpr std::uint32_t format_version = 4;
  static constexpr std::size_t text_bytes_max = 256;
  static constexpr std::size_t address_bytes_max = std::size_t{64} << 10;

  std::string host;            // equal on ranks that share their cores
  std::string memory;          // equal on ranks of a host that see the same /dev/shm
  std::string name;            // of the host, where the user gives it one; else empty
  std::string library;         // under the transport, with its version: "ucx 1.13.1"
  transport::Address address;  // for open_view
  Links links;
};

[[nodiscard]] Blob encode_introduction(const Introduction& introduction);

// Of `rank`. `malformed`: another version, a length beyond its bound or beyond the bytes, or bytes after the end.
[[nodiscard]] Result<Introduction> decode_introduction(const Blob& blob, Rank rank);

// What is to be said where the libraries of two ranks differ, with both values and hosts; empty: they are the same.
// UCX and libfabric mean to talk to their neighbours in version, test it in part, and have failed at it: so ranks join,
// and whoever sees them fail has read why. `rank_hosts` as in rank_hosts.h.
[[nodiscard]] std::string library_difference(std::span<const Introduction> introductions, std::string_view rank_hosts);

}  // namespace gossamer::runtime
