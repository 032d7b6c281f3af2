// The control plane as the runtime sees it: agreement before data flows, and news of the dead.
//
// It runs apart from the data path: TCP between processes (mesh.h), direct calls in the
// simulation. Messages are few and small.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

inline constexpr std::string_view abort_reason = "it aborted the session";

// How many ranks a session can have: the control mesh connects every pair, P (P - 1) / 2 connections; beyond this a
// tree is due. What else has to hold as many follows from this number: limits.h.
inline constexpr std::uint32_t session_ranks_max = 256;

// A named value that all ranks must have in common.
struct Field {
  std::string name;   // "columns"
  std::string value;  // "4096"
};

// A peer that is gone, and what is known of it.
struct Loss {
  Rank rank;
  std::string reason;     // "its process ended (connection reset)", "it left the session"
  bool left = false;      // it said good-bye: what it sent before may still be on its way
  bool given_up = false;  // it is this rank that is lost, for the others: `rank` told it so
  bool aborted = false;   // by this rank's own wish, `rank`: what it waits for ends with `cancelled`
};

using Blob = std::vector<std::byte>;

// What a rank brings to an agreement beside its fields.
struct Contribution {
  Blob blob;                     // for all members; bounded as in all_gather
  std::optional<Error> trouble;  // why this rank cannot take part as it should: ends the agreement on all members
};

class Control {
 public:
  virtual ~Control() = default;

  // Collective among `members`: session ranks, ascending, this one among them; empty: all ranks. Each of them calls it
  // with the same subject. The n-th call with a list at one rank belongs with the n-th with that list at every other,
  // whatever they do with other lists in between; a rank is in one collective at a time. Rank 0 judges, a member or
  // not.
  //
  // Succeeds on all members when all have equal fields, and each has all members' blobs, in the order of the list, in
  // the same round trip. Else it fails on all of them; errors name ranks of the session:
  //
  //   mismatch          the first field that differs, both values and both ranks ("columns: rank 0 has 4096, rank 2 has
  //                     8192"), or a member with trouble that was called wrongly (`invalid_argument`), and its words
  //   the trouble's     of a member whose trouble is another
  //   deadline          the members that did not come, and where such a one waits in another list's collective, that
  //   one.
  //                     The earliest deadline of those that came counts, and it is a duration from the call
  //   peer_lost         at once: a member or rank 0 left, or any rank of the session died
  //   busy              another thread of this rank is in a collective; on this rank alone
  //   invalid_argument  a list that is not as above; on this rank alone
  //
  // Blocks; caller's thread.
  virtual Result<std::vector<Blob>> agree_among(std::span<const Rank> members, std::string_view subject,
                                                std::span<const Field> fields, const Contribution& mine,
                                                std::uint64_t deadline_ns) = 0;

  // Among all ranks.
  Result<std::vector<Blob>> agree_and_gather(std::string_view subject, std::span<const Field> fields,
                                             const Contribution& mine, std::uint64_t deadline_ns) {
    return agree_among({}, subject, fields, mine, deadline_ns);
  }
  Status agree(std::string_view subject, std::span<const Field> fields, std::uint64_t deadline_ns) {
    GOSSAMER_TRY(agree_among({}, subject, fields, {}, deadline_ns));
    return {};
  }

  // Collective: gives every rank all ranks' blobs, in rank order; each at most some 1,000 KiB and all together 16 MiB
  // (`out_of_resources` on all ranks beyond). All of them go through rank 0, P times: keep them small. Else as agree().
  virtual Result<std::vector<Blob>> all_gather(std::string_view subject, const Blob& mine,
                                               std::uint64_t deadline_ns) = 0;

  // The first peer known to have died; while there is none, the first that left. Wait-free; any thread.
  [[nodiscard]] virtual std::optional<Loss> loss() const = 0;

  // All but the first `known` of the peers known to be gone, in the order in which this rank heard of them: one that
  // left and then died comes twice. Wait-free where there is nothing new; any thread.
  [[nodiscard]] virtual std::vector<Loss> losses(std::size_t known) const = 0;

  // Becomes readable when `loss()` turns from nothing to something, and stays so; -1 where there is none.
  [[nodiscard]] virtual int event_descriptor() const = 0;

  // How many operations and blocking collectives this rank has in flight: what it tells a peer that settles.
  virtual void watch(std::shared_ptr<const std::atomic<std::uint32_t>> in_flight) = 0;

  // For a rank with nothing in flight, before leave(): from now on this rank counts as one that left for the others,
  // and it waits, at most `limit_ns` and a lease, until no other rank has anything in flight that might need it.
  // Returns at once when a peer is dead. Calls `move`, which moves this rank's data on, over and over; true says that
  // something moved.
  virtual void settle(std::uint64_t limit_ns, const std::function<bool()>& move) = 0;

  // Gives this rank up, for itself and for all others, who are told that it is lost: ends its collective at once, and
  // is news as a loss is. Any thread, before the destructor; does not block.
  virtual void abort() = 0;

  // Says good-bye, so that closing the connections is not taken for a death. Bounded, idempotent.
  virtual void leave() = 0;

  // Control bytes sent so far, for statistics.
  [[nodiscard]] virtual std::uint64_t bytes_sent() const = 0;
};

}  // namespace gossamer::runtime
