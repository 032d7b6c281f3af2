// The public header of `topology/simulate`: what a schedule takes on a network whose links its messages share.
//
// The programs of topology.h themselves are played, rank by rank and round by round, with the meaning that they have
// there, on hosts as LogGP describes them (Alexandrov and others 1995) and a fabric of links between the hosts:
//
//   sender                                  fabric                          receiver
//   CPU      adapter                                                        adapter  CPU
//   o   -->  g a message, G a byte  --L-->  link --> link --> ... link -->  g, G     o, gamma a merged byte
//
//   1. A round's sends are posted one after the other, in the order of its steps, o each. The adapter puts them on the
//      wire in that order, each for max(g, bytes * G), both directions at once.
//   2. A message takes the links of its route as virtual cut-through: its head goes on as soon as it is there, its tail
//      follows. A link serves messages in the order in which their heads come (equal times: in the order in which they
//      were sent), bytes / bandwidth for each. So k messages that meet on a link are through after k times the time of
//      one, as under fair sharing, the first of them after the time of one, unlike it; and messages that come in more
//      slowly than the link could send them do not delay each other as long as it can send them all. What waits for a
//      link keeps no other link from its work.
//   3. The receiving CPU takes o for each message in the order of arrival, once it has posted its own sends. What comes
//      before its round has begun waits, and does not hold up its sender.
//   4. When all transfers of a round are complete (a send: when its tail has left the adapter), the merges follow in
//   the
//      order of the steps, then the next round.
//
// Two steps of one direction that stand together in a round and have the same peer are one message for o and g, as in
// the cost model: the halves of a range that passed the end of the buffer.
//
// Time is counted in whole picoseconds and nothing is random, so equal arguments give equal outcomes on every machine.
// No I/O, no clock.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "topology/topology.h"

namespace gossamer::topology {

using Picoseconds = std::uint64_t;

// Bound what a simulation costs: half a minute and 2 GB, on fabrics of few hops.
inline constexpr std::uint64_t simulated_messages_max = std::uint64_t{1} << 25;
inline constexpr std::uint64_t simulated_payload_bytes_max = std::uint64_t{1} << 38;

// What every host is like; each number finite, at least 0 and at most 1e9.
struct HostModel {
  double latency_ns = 0;         // L: from adapter to adapter, beside what the links of the fabric add
  double overhead_ns = 0;        // o: of the CPU, for a message that it sends or receives
  double gap_ns = 0;             // g: least time between two messages of an adapter, in each direction
  double per_byte_ns = 0;        // G: of an adapter, in each direction
  double merge_ns_per_byte = 0;  // gamma
};

// The host for which one message, with nobody in its way, takes what the cost model says: alpha = o + L + o with o a
// quarter of it, G = beta, no g.
[[nodiscard]] HostModel host_model(const CostModel& model);

// --- fabrics -----------------------------------------------------------------------------------

// One direction of a cable.
struct Link {
  std::uint32_t from = 0;  // nodes
  std::uint32_t to = 0;
  std::uint32_t link_class = 0;
  double ns_per_byte = 0;
  double latency_ns = 0;
};

inline constexpr std::uint32_t no_link = UINT32_MAX;

// Nodes, the links between them, and where each host's adapter is. Routes are by destination, as a switch's forwarding
// table has them: every message for a host that is at a node goes on over the same link.
class Fabric {
 public:
  virtual ~Fabric() = default;
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  [[nodiscard]] const std::string& description() const { return description_; }  // "fat-tree of 3 levels, ..."
  [[nodiscard]] std::uint32_t host_count() const { return host_count_; }
  [[nodiscard]] std::span<const Link> links() const { return links_; }
  [[nodiscard]] std::span<const std::string> class_names() const { return class_names_; }  // of links

  // Hosts are counted from 0 and below host_count(), nodes as the links name them.
  [[nodiscard]] virtual std::uint32_t node_of(std::uint32_t host) const = 0;
  [[nodiscard]] virtual std::uint32_t next_link(std::uint32_t node, std::uint32_t host) const = 0;  // no_link: arrived
  [[nodiscard]] virtual std::string node_name(std::uint32_t node) const = 0;
  [[nodiscard]] std::string link_name(std::uint32_t link) const;  // "leaf 3 > spine 1"

 protected:
  Fabric() = default;
  std::string description_;
  std::uint32_t host_count_ = 0;
  std::vector<Link> links_;
  std::vector<std::string> class_names_;
};

// Room for `ranks` hosts, and the bandwidth and latency of each link unless the text says otherwise.
struct FabricDefaults {
  std::uint32_t ranks = 1;
  double ns_per_byte = 0;
  double latency_ns = 100;  // of a hop: a switch and its cable
};

// The words of a fabric, with what may stand behind "KIND:" for each.
struct FabricKind {
  std::string_view name;
  std::string_view meaning;
};
[[nodiscard]] std::span<const FabricKind> fabric_kinds();

// From words: "flat", "fat-tree:radix=64,oversubscription=4", "dragonfly:hosts=8,routers=16,globals=8",
// "torus:16x16x16", each also with bandwidth=GBIT_PER_S and latency=NS. What is left out is chosen for the ranks.
// Errors: invalid_argument, with what was expected.
[[nodiscard]] Result<std::unique_ptr<Fabric>> make_fabric(std::string_view words, const FabricDefaults& defaults);

// From the text of a file (fabric_text.cc has the form). Untrusted: bounded and validated; malformed, with the line.
[[nodiscard]] Result<std::unique_ptr<Fabric>> parse_fabric(std::string_view text);

// --- simulation --------------------------------------------------------------------------------

struct Network {
  const Fabric& fabric;
  HostModel host;
  std::vector<std::uint32_t> host_of_rank = {};  // different ones; empty: rank r is on host r
};

// One link, or one direction of an adapter.
struct Load {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  Picoseconds busy = 0;
  Picoseconds longest_wait = 0;  // of a message for this link, beyond the time that it would have taken alone
};

// A round of a rank, from the end of the one before to `end`. What decided the end is a message that the round waited
// for, or, where `sender` is the rank itself, its own CPU and adapter.
struct PlayedRound {
  Picoseconds end = 0;
  Picoseconds waited = 0;   // of that message, for links and the receiving adapter
  Picoseconds merging = 0;  // at the end of the round
  std::uint32_t sender = 0;
  std::uint32_t sender_round = 0;
};

// A round and the message that decided it, from the beginning of the sender's round to the end of the receiver's. The
// steps of a path lie end to end and fill the whole time.
struct PathStep {
  Rank rank;
  std::uint32_t round = 0;
  Rank sender;
  std::uint32_t sender_round = 0;
  Picoseconds begin = 0;
  Picoseconds end = 0;
  Picoseconds waiting = 0;  // for links, and behind others at the receiving adapter
  Picoseconds merging = 0;  // what is left of the step are o, L, G and the links' own time
};

// How busy the links of a class were: share i belongs to the times from i * width to (i + 1) * width.
struct ClassLoad {
  std::string name;
  std::uint32_t links = 0;
  Load all;                               // sums; longest_wait: the longest
  Picoseconds busiest = 0;                // busy time of its busiest link
  std::vector<Picoseconds> busy_by_time;  // sum over its links
};

struct Outcome {
  Picoseconds time = 0;  // until the last rank has finished
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;           // received by all ranks, as many as were sent
  std::uint64_t bytes_per_rank = 0;  // sent by the rank that sends most
  std::uint32_t rounds = 0;          // of the rank that has most
  std::vector<Load> links;           // by link
  std::vector<Load> out;             // adapters, by rank
  std::vector<Load> in;
  std::vector<ClassLoad> classes;  // adapters out, adapters in, then those of the fabric
  Picoseconds time_slice = 1;      // the width of ClassLoad::busy_by_time
  std::vector<PathStep> critical_path;

  // All rounds of a rank, in turn; the last ends when the rank has finished.
  [[nodiscard]] std::span<const PlayedRound> rounds_of(Rank rank) const {
    return std::span(played).subspan(first_round[rank.value], first_round[rank.value + 1] - first_round[rank.value]);
  }
  std::vector<PlayedRound> played;
  std::vector<std::uint32_t> first_round;  // by rank, and one past the last
};

// Plays every rank's program to its end. Errors: invalid_argument for a request that does not exist, numbers that make
// no sense or too few hosts; out_of_resources beyond the bounds above, and where the time passes 53 days.
[[nodiscard]] Result<Outcome> simulate(const ScheduleRequest& request, std::uint64_t payload_bytes,
                                       const Network& network);
// Also of a schedule from text, which `check_schedule` has proved: invalid_argument where ranks wait for ever.
[[nodiscard]] Result<Outcome> simulate(const Schedule& schedule, std::uint64_t payload_bytes, const Network& network);

}  // namespace gossamer::topology
