// The caller's own way: an id made on rank 0 that the program hands out, or callbacks of the program (MPI's, mostly).
//
//   rank 0                                       rank r
//   make_unique_id: opens a door                 has the id from the program: address, secret, job
//   has the door in this process                 joins there
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/base.h"
#include "runtime/bootstrap/bootstrap.h"

namespace gossamer::runtime {

inline constexpr std::size_t unique_id_bytes = 128;

// Opens a door and makes an id of it: printable, shorter than unique_id_bytes. The door waits in this process for the
// session of rank 0, one session, or for the end of the process. `bind_host` empty: reachable from other hosts where
// this host has an address for it.
[[nodiscard]] Result<std::string> make_unique_id(const std::string& bind_host, std::uint64_t limit_ns);

struct CallersPlace {
  Rank rank;
  std::uint32_t rank_count = 1;
};

// Errors: invalid_argument (not an id; rank 0's id that was made elsewhere, or used before).
[[nodiscard]] Result<std::unique_ptr<Bootstrap>> make_id_bootstrap(std::string_view id, const CallersPlace& place);

// Each returns whether it went well; both are collective over all ranks of the session, and block as long as they like.
struct CallersCalls {
  std::string name;                                                                 // "the caller's callbacks"
  std::function<bool(std::span<char> bytes)> broadcast;                             // of rank 0's; may be empty
  std::function<bool(std::span<const char> mine, std::span<char> all)> all_gather;  // in rank order; may be empty
};

// With all_gather, the ranks find out here whether they are all on one host. At least one of the calls is there.
[[nodiscard]] Result<std::unique_ptr<Bootstrap>> make_calls_bootstrap(CallersCalls calls, const CallersPlace& place);

}  // namespace gossamer::runtime
