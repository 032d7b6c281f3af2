// Rank 0 opens its door and says to all where it is and what they prove to each other there.
#pragma once

#include <cstdint>
#include <string>

#include "base/base.h"
#include "runtime/bootstrap/bootstrap.h"

namespace gossamer::runtime {

struct DoorRequest {
  std::string bind_host;  // where the user wants listeners; empty: loopback or everywhere, as hosts are one or several
  bool is_one_host = false;
};

struct Door0 {
  std::string address;  // "host:port" as the other ranks reach it
  UniqueDescriptor listener;
};

// A listener at a port that was free. Where it is open to all interfaces, the address is own_address().
[[nodiscard]] Result<Door0> open_door(const DoorRequest& request, std::uint64_t limit_ns);

// An address of this host at which other hosts may reach it: of the first interface that is up, is not loopback, and
// is not a bridge of containers or virtual machines on this host alone (docker0, virbr0, ...); IPv4 before IPv6.
// Loopback where there is no other.
[[nodiscard]] std::string own_address();

// The address that listeners bind to so that ranks that meet at `rendezvous` reach each other: loopback where it is
// loopback, else every address of its family.
[[nodiscard]] std::string bind_host_for(const std::string& rendezvous);

// Two digits for each of so many random bytes: secrets, names that nobody else has.
[[nodiscard]] std::string random_hex(std::size_t bytes);

// What travels from rank 0: printable, without blanks.
[[nodiscard]] std::string encode_words(const Meeting& meeting);
// Where rank 0 cannot open its door, the others hear why.
[[nodiscard]] std::string encode_trouble(const Error& error);
// `malformed` where `words` are not those of this version; `unavailable` where they are rank 0's trouble.
[[nodiscard]] Result<Meeting> decode_words(std::string_view words);

struct MeetRequest {
  std::string rendezvous;   // where the user wants to meet; empty: at a door that rank 0 opens
  std::string bind_host;    // as in DoorRequest
  bool has_secret = false;  // the user gave one, or wants none: then none is made
};

// Collective: all ranks of `bootstrap` call it, and come to the same place. Errors: those of broadcast; malformed.
[[nodiscard]] Result<Meeting> meet(Bootstrap& bootstrap, const MeetRequest& request, std::uint64_t timeout_ns);

}  // namespace gossamer::runtime
