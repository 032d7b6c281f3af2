// How the processes of a job find each other before there is a session: who each one is, and a few words from rank 0 to
// all. One way for each launcher; catalogue.h has them in the order in which they are asked.
//
//   rank 0                                   rank r
//   opens its door (host, port)
//   makes the session's secret
//   broadcast("address, secret") ─────────►  broadcast("") gives the same words
//                                            joins at that address, proves that it knows the secret
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/base.h"

namespace gossamer::runtime {

// Where ranks meet, and what they prove to each other there.
struct Meeting {
  std::string rendezvous;     // "host:port"; empty: where the settings say
  std::string secret;         // empty: the launcher has no place for one
  std::string advice;         // what to do where the port is taken; empty: nothing special
  UniqueDescriptor listener;  // rank 0: listens there already; none: it is to be opened
};

class Bootstrap {
 public:
  Bootstrap() = default;
  Bootstrap(const Bootstrap&) = delete;
  Bootstrap& operator=(const Bootstrap&) = delete;
  virtual ~Bootstrap() = default;

  [[nodiscard]] virtual std::string name() const = 0;  // "PMIx 4.2.2", for people
  [[nodiscard]] virtual Rank rank() const = 0;
  [[nodiscard]] virtual std::uint32_t rank_count() const = 0;
  // A name that all ranks of this job have and no other job has at the same time; empty where the launcher has none.
  [[nodiscard]] virtual std::string job() const = 0;
  // Whether the launcher says that all ranks are on this host; the same on every rank.
  [[nodiscard]] virtual bool is_one_host() const = 0;
  // Where the launcher itself tells every rank where they meet. Then nothing is broadcast.
  [[nodiscard]] virtual std::optional<Meeting> meeting() { return std::nullopt; }
  // All ranks call it once; what rank 0 gave comes back on every rank. At most broadcast_bytes_max, printable, no
  // blanks. Errors: deadline, unavailable where the launcher is gone. Blocks.
  [[nodiscard]] virtual Result<std::string> broadcast(std::string_view words, std::uint64_t timeout_ns) = 0;
};

// What fits into one value of every launcher's key-value space (PMI-1 promises 256 bytes).
inline constexpr std::size_t broadcast_bytes_max = 240;

}  // namespace gossamer::runtime
