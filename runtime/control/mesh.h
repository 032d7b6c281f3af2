// The control plane between processes: a rendezvous at rank 0, then one TCP connection for each pair.
//
//   1. rank 0 listens at the rendezvous; every other rank connects (retrying until the deadline) and
//      sends Hello: rank, rank count, the fields that all must share, the address of its own listener.
//   2. rank 0 waits for all, or fails on the first thing that is wrong, and tells every rank that came.
//   3. each rank connects to all lower ones: the mesh. A connection that ends without a good-bye is a
//      death, found within milliseconds; the finder tells all others before its caller knows.
//   4. each rank says to all others that it is alive, several times in a lease, from its service thread.
//      Whoever is silent for a lease is given up like a dead one, and told so should it come back.
//
// With a secret, both ends of every connection prove that they know it, and every frame carries a code
// (secret/seal.h). Nothing is encrypted.
//
// One service thread runs the mesh (Boost.Asio); messages are Protocol Buffers behind a 4-byte
// little-endian length, at most 1 MiB each.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/base.h"
#include "runtime/control/control.h"
#include "runtime/control/secret/secret.h"

namespace gossamer::runtime {

// The job of those who named none. Two such jobs cannot be told apart by their name.
inline constexpr const char* unnamed_job = "default";

struct MeshOptions {
  Rank rank;
  std::uint32_t rank_count = 1;
  std::string rendezvous;         // "host:port" that rank 0 listens on and the others connect to
  std::string rendezvous_advice;  // what to do where rank 0 finds its port taken; empty: nothing special
  // Rank 0 only: the number of a socket that a launcher left to this process and that listens at `rendezvous`
  // already. It stays open for later sessions of the process (joining/inherited.h). What has that number and
  // does not listen there is not touched, and rank 0 opens a listener of its own.
  int rendezvous_descriptor = -1;
  // Rank 0 only: a socket that this process opened for this session and that listens at `rendezvous`; taken. Null:
  // none.
  std::shared_ptr<UniqueDescriptor> rendezvous_listener;
  std::string bind_host = "127.0.0.1";         // where own listeners bind; loopback unless told otherwise
  std::uint64_t deadline_ns = 30'000'000'000;  // of the whole of make_control_mesh
  std::uint64_t spent_ns = 0;                  // of it already, by what came before
  Secret secret;                               // the same on every rank; without one, loopback only unless declined
  std::uint64_t lease_ns = 5'000'000'000;      // the same on every rank; 0: off
  std::string rank_hosts;                      // on which host each rank is, as rank_hosts.h has it; empty: not told
  std::string job = unnamed_job;               // whose ranks belong together; those of another are strangers
};

// Joins the session. Errors: `mismatch` (a shared field, the lease or the rank count differs: field, both
// values and both ranks, on every rank that came; on one alone: its secret or its job differs, or another has its
// rank, or no job was named and it has another rank count), `deadline` ("ranks 2 and 3 of 4 did not come to
// 127.0.0.1:4711 within 30.0 s", and who was turned away meanwhile; the earliest deadline of those that came
// counts), `peer_lost` (one that came died before all had), `unavailable` (port in use, host unreachable: says
// which address, the system's reason and what to do), `invalid_argument` (an address of other hosts without a
// secret, and more). Blocks at most the deadline and half a second; after a mismatch, rank 0 stays up to one
// second for those still on their way, so that they hear why.
[[nodiscard]] Result<std::unique_ptr<Control>> make_control_mesh(const MeshOptions& options,
                                                                 std::span<const Field> shared);

}  // namespace gossamer::runtime
