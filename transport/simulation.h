// Transports for tests: a simulated network, and faults on purpose over any transport. A library of its own, which
// users do not get.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::transport {

// ---------------------------------------------------------------------------------------------
// The simulated network: any number of transports in one process, on a virtual clock, from one seed.

struct SimLink {
  std::uint64_t latency_ns = 1'000;
  double bytes_per_ns = 10.0;
};

struct SimOptions {
  std::uint64_t seed = 1;
  std::uint64_t latency_ns = 1'000;  // of every message
  std::uint64_t jitter_ns = 500;     // uniform on top, so that messages overtake each other
  double bytes_per_ns = 10.0;        // of one rank's link; sends of a rank queue behind each other
  // Where it is given: from one transport to another, in the order in which they were made; asked once for each
  // message. Sends to all peers still share the sender's link.
  std::function<SimLink(std::uint32_t from, std::uint32_t to)> link = {};
};

// Delivers messages between its transports when the virtual clock gets there. One thread.
class SimNetwork {
 public:
  virtual ~SimNetwork() = default;
  // A transport whose polls see what has arrived by the clock's now. Valid while the network lives.
  [[nodiscard]] virtual std::unique_ptr<Transport> make_transport() = 0;
  // When the next message or completion falls due; nullopt when nothing is under way.
  [[nodiscard]] virtual std::optional<std::uint64_t> next_event_ns() const = 0;
  // The transport's process is dead from now on: what it sent and has not arrived is lost, nothing
  // more arrives there, its own starts complete never. Sends to it succeed and receives from it hang,
  // as with the real libraries.
  virtual void kill(const Address& address) = 0;
  // Hash over every delivery (time, source, destination, tag, bytes of the message) in order.
  [[nodiscard]] virtual std::uint64_t event_hash() const = 0;
};

[[nodiscard]] std::unique_ptr<SimNetwork> make_sim_network(const SimOptions& options, VirtualClock& clock);

// ---------------------------------------------------------------------------------------------
// Faults on purpose: a decorator over any transport.
//
//   caller ── start ──► fate of (seed, rank, peer, number) ──► held ──► inner transport ──► peer
//     ▲                   │ drop, cut: done at once               │ delay, stall
//     └──── poll ◄────────┴───────────────────────────────────────┘
//
// Messages to one peer are numbered from 0 in the order of their starts, through all views, so equal seeds and
// equal traffic give equal faults on any inner transport, and equal runs on a virtual clock. All ranks may be given
// the same options.

enum class FaultKind : std::uint8_t {
  // The start is handed to the inner transport later. Receives are delayed too.
  delay,
  // The message's start ends done, and nothing arrives.
  drop,
  // The message is sent again, a little later, from a copy. Where the tag is used once, the second one waits
  // unmatched until its view closes; it would match a later receive of the same tag, which is why tags count
  // operations.
  duplicate,
  // One bit of what arrives differs; the sender's memory stays as it is. Not of an empty message.
  corrupt,
  // The transport makes no progress for a while: its polls give out nothing, and its messages stay.
  stall,
  // The link to one peer carries nothing, either way, from a moment on until it is restored or the view
  // closes: messages to it are dropped, messages from it that `poll` has not given out are lost, and their
  // receives wait on.
  cut,
  // The transport is dead from a moment on, for ever: nothing more leaves it, its starts never complete.
  kill,
};
inline constexpr std::size_t fault_kind_count = 7;
[[nodiscard]] std::string_view fault_kind_name(FaultKind kind);

// One fault at a stated place; it fires once.
struct FaultEvent {
  FaultKind kind = FaultKind::drop;
  Rank rank;                                            // whose transport
  std::optional<Rank> peer = std::nullopt;              // of the message; for a cut: the other end, needed
  std::optional<std::uint64_t> message = std::nullopt;  // at this one to `peer`, or of all where no peer is named
  // Without a message: at this time since the decorator was made; a fault of messages then hits the first one
  // that starts at or after it. A cut by time is made at both ends.
  std::uint64_t at_ns = 0;
  std::uint64_t duration_ns = 0;  // of a delay, stall or cut; 0: seeded, for a cut until it is restored
};

struct FaultOptions {
  std::uint64_t seed = 1;
  // How likely each message is hit, 0 to 1. A message is dropped, else corrupted, else duplicated, and may be
  // delayed beside that; a stall begins at its message.
  double delay = 0.0;
  double drop = 0.0;
  double duplicate = 0.0;
  double corrupt = 0.0;
  double stall = 0.0;
  std::uint64_t delay_ns_max = 20'000;   // delays, and how far a duplicate follows: uniform, 1 to this
  std::uint64_t stall_ns_max = 100'000;  // stalls: uniform, 1 to this
  std::vector<FaultEvent> events;
};

// What has happened so far.
struct FaultCounts {
  std::array<std::uint64_t, fault_kind_count> fired{};  // by kind
  std::uint64_t lost_in_cuts = 0;                       // messages that a cut link did not carry, as this end saw it
  std::uint64_t hash = 0;  // over kind, peer and number of every fault, whatever their order
  [[nodiscard]] std::uint64_t operator[](FaultKind kind) const { return fired[static_cast<std::size_t>(kind)]; }
};

// A transport with faults. Threads as for any transport. While nothing is configured, a start with its
// completion costs some 17 ns more than the inner transport's.
class FaultTransport : public Transport {
 public:
  [[nodiscard]] virtual const FaultCounts& counts() const = 0;
  [[nodiscard]] virtual bool is_dead() const = 0;
  // When something that is held, or that was planned by time, falls due: for whoever moves a virtual clock.
  // Until then `arm` says false where a message is held, so that nobody sleeps over it.
  [[nodiscard]] virtual std::optional<std::uint64_t> next_event_ns() const = 0;

  // The faults that need no message, at once.
  virtual void stall(std::uint64_t duration_ns) = 0;
  virtual void cut(Rank peer) = 0;
  virtual void restore(Rank peer) = 0;
  virtual void kill() = 0;
};

// `clock` outlives the transport. Capabilities are the inner transport's, under the name "fault(<inner>)". Only
// host memory is copied, so messages from other kinds are neither corrupted nor duplicated, and what a peer
// reads through map_remote meets no faults. Chances outside 0 to 1 and a cut without a peer stop the process.
[[nodiscard]] std::unique_ptr<FaultTransport> make_fault_transport(std::unique_ptr<Transport> inner,
                                                                   const FaultOptions& options, const Clock& clock);

}  // namespace gossamer::transport
