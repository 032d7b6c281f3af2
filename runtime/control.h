// The control plane as the runtime sees it: agreement before data flows, and news of the dead.
//
// It runs apart from the data path: TCP between processes (control_mesh.h), direct calls in the
// simulation. Messages are few and small.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

// How many ranks a session can have: the control mesh connects every pair, P (P - 1) / 2 connections; beyond this a
// tree is due.
inline constexpr std::uint32_t session_ranks_max = 64;

// A named value that all ranks must have in common.
struct Field {
  std::string name;   // "columns"
  std::string value;  // "4096"
};

// A peer that is gone, and what is known of it.
struct Loss {
  Rank rank;
  std::string reason;  // "its process ended (connection reset)", "it left the session"
  bool left = false;   // it said good-bye: what it sent before may still be on its way
};

using Blob = std::vector<std::byte>;

class Control {
 public:
  virtual ~Control() = default;

  // Collective: every rank calls it with the same subject, in the same order. Succeeds on all ranks
  // when all have equal fields; else fails with `mismatch` on all ranks, and the message names the
  // first field that differs, both values and both ranks ("columns: rank 0 has 4096, rank 2 has 8192").
  // `deadline`: names the ranks that did not come; the earliest deadline of those that came counts, and
  // it is a duration from the call. `peer_lost`: at once. `busy`: another thread of this rank is in a
  // collective. Blocks; caller's thread.
  virtual Status agree(std::string_view subject, std::span<const Field> fields, std::uint64_t deadline_ns) = 0;

  // Collective: gives every rank all ranks' blobs, in rank order; about 1 MiB together
  // (`out_of_resources` on all ranks beyond). Else as agree().
  virtual Result<std::vector<Blob>> all_gather(std::string_view subject, const Blob& mine,
                                               std::uint64_t deadline_ns) = 0;

  // The first peer known to have died; while there is none, the first that left. Wait-free; any thread.
  [[nodiscard]] virtual std::optional<Loss> loss() const = 0;

  // Becomes readable when `loss()` turns from nothing to something, and stays so; -1 where there is none.
  [[nodiscard]] virtual int event_descriptor() const = 0;

  // Says good-bye, so that closing the connections is not taken for a death. Bounded, idempotent.
  virtual void leave() = 0;

  // Control bytes sent so far, for statistics.
  [[nodiscard]] virtual std::uint64_t bytes_sent() const = 0;
};

}  // namespace gossamer::runtime
