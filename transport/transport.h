// The public header of `transport`: moving bytes between ranks.
//
//   rank 0                                  rank 1
//   start_send(1, tag, slice) ──── tag ───► start_receive(0, tag, slice)
//        │                                        │
//   poll → Completion{context}              poll → Completion{context, bytes}
//
// Nothing here blocks and nothing calls back. Each start either fails at once (and completes never)
// or ends in exactly one Completion that `poll` gives out. Messages match by (peer, tag); two
// messages in flight between the same two ranks never carry the same tag, so there is no ordering
// to rely on; a tag is free again when its message has completed on both sides. A completed send only says that its
// memory may be used again: the bytes may not have arrived, and the peer may be dead. Death is found by the control
// plane, which calls `fail_peer`.
//
// On one host, where the transport can (Capabilities::can_map), a peer's memory is read in place.
//
//   rank 0                                  rank 1
//                                           allocate_memory → region
//                                           export_region(region) → key, sent to rank 0 by the caller
//   import_region(1, key) → remote
//   map_remote(remote) → bytes              writes the region, rank 0 reads it
//
// Threads: one thread at a time. Memory: the caller's, registered once, kept alive until released.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::transport {

using Address = std::vector<std::byte>;  // what a peer needs to reach this process; opaque

// A registered block of memory. Owned by the transport that gave it out until `release_memory`.
struct Region {
  std::uint64_t id = 0;
  std::byte* base = nullptr;
  std::size_t bytes = 0;
  MemoryKind kind = MemoryKind::host;
};

// A part of a region: what one message carries, or the most that one may bring.
struct Slice {
  Region region;
  std::size_t offset = 0;
  std::size_t bytes = 0;
  [[nodiscard]] std::byte* data() const { return region.base + offset; }
};

// Names one start until its completion has been polled; for `cancel`.
struct Token {
  std::uint64_t value = 0;
};

struct Completion {
  std::uint64_t context = 0;  // as given to the start
  Code code = Code::done;     // done, cancelled, peer_lost, malformed (longer than the posted slice), unavailable
  std::size_t bytes = 0;      // received length; for a send its length
};

// What lets a peer read a region: opaque, of the view that it was made in. It travels as the callers like.
using RegionKey = std::vector<std::byte>;

// A peer's region as this process reads it, until `release_remote` or the end of the view.
struct RemoteRegion {
  std::uint64_t id = 0;
  Rank peer;
  std::size_t bytes = 0;
};

// What this transport can do, for choosing and for `gossamer info`.
struct Capabilities {
  std::string name;                      // "ucx", "libfabric", "sim"
  std::string version;                   // of the library underneath
  std::vector<std::string> ways;         // what moves the bytes, as the library names it: "posix", "tcp", "rc_verbs"
  std::string device;                    // what the library was told to use: "eth0", "10.0.0.1"; empty: its own choice
  std::vector<MemoryKind> memory_kinds;  // kinds it can move directly
  bool can_sleep = false;                // `event_descriptor` is usable
  bool can_map = false;                  // processes of one host read each other's memory of allocate_memory in place
};

// "ucx (posix, tcp) on eth0", for sentences.
[[nodiscard]] std::string describe_way(const Capabilities& capabilities);

// Who is in the view: addresses by rank, the own one included.
struct View {
  Epoch epoch;
  Rank rank;
  std::vector<Address> addresses;
};

class Transport {
 public:
  virtual ~Transport() = default;

  [[nodiscard]] virtual const Capabilities& capabilities() const = 0;

  // The address that peers need; constant for the life of the transport.
  [[nodiscard]] virtual const Address& address() const = 0;

  // Makes the members of `view` reachable. Connections are made lazily, at the first start to a
  // peer. One view at a time: close the former first.
  virtual Status open_view(const View& view) = 0;

  // Ends the view: every start still pending completes (cancelled or peer_lost; these completions
  // are dropped), connections close, nothing of the old view can land in memory afterwards. Returns
  // `deadline` if that took longer than `deadline_ns`; then registered memory must not be reused
  // and the transport object may only be destroyed.
  virtual Status close_view(std::uint64_t deadline_ns) = 0;

  virtual Result<Region> register_memory(void* base, std::size_t bytes, MemoryKind kind) = 0;
  virtual void release_memory(const Region& region) = 0;

  // Zeroed host memory of the transport's own, registered: the kind that a peer on the same host can
  // read in place. Ends with release_memory.
  virtual Result<Region> allocate_memory(std::size_t bytes);

  // Sends the slice to `peer`; `peer` may be the own rank. The memory is the transport's until the completion.
  virtual Result<Token> start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) = 0;

  // Receives at most slice.bytes from `peer`. The message's true length is in the completion.
  virtual Result<Token> start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) = 0;

  // The key by which members of this view on the same host read the region, which must be of allocate_memory:
  // `unavailable` for other memory. They can read it only, never write, also when they are out of the view and live on.
  virtual Result<RegionKey> export_region(const Region& region);
  // `malformed` for bytes that are no key of that peer and view, `unavailable` where the region cannot be read in
  // place: its owner is on another host, or has released it.
  virtual Result<RemoteRegion> import_region(Rank peer, const RegionKey& key);
  virtual void release_remote(const RemoteRegion& remote);

  // Where this process reads the peer's region, as its owner writes it. Nothing says when the bytes are there or may
  // be overwritten: the callers do, by a message or a flag in such memory that follows the write, and another that
  // follows the read (a release edge). Valid until release_remote or close_view, also after the peer's death.
  virtual Result<const std::byte*> map_remote(const RemoteRegion& remote);

  // Asks for an early end of a start. Its completion still comes: as `cancelled`, or as it would have.
  virtual void cancel(Token token) = 0;

  // Moves everything on and gives out at most completions.size() completions. Returns how many.
  virtual std::size_t poll(std::span<Completion> completions) = 0;

  // The peer is known to be dead or out of the view: its connection is closed by force, every start
  // to or from it that is pending completes with peer_lost, each later one fails at once with it.
  virtual void fail_peer(Rank peer) = 0;

  // For sleeping when nothing moves: a descriptor that becomes readable (-1 where there is none).
  // Call `arm` first: false means that something has happened, so poll again instead of sleeping.
  [[nodiscard]] virtual int event_descriptor() const = 0;
  [[nodiscard]] virtual bool arm() = 0;
};

struct UcxOptions {
  std::string job;  // stands in the names of this process's shared-memory folders
  // The numeric address of this host that peers on other hosts reach it at: TCP then runs over its interface, unless
  // the user has set UCX_NET_DEVICES. Adapters for RDMA stay in the choice. Empty, or of the loopback: UCX's choice.
  std::string local_host = {};
  // The interfaces that TCP takes instead of the one of local_host. Adapters for RDMA that are one of them are then the
  // only ones; where none is, every one stays in the choice.
  std::vector<std::string> interfaces = {};
  // Of a TCP connection, unless the user has set UCX_TCP_SNDBUF. 0: the kernel's choice.
  std::uint64_t tcp_send_buffer_bytes = 0;
};

// UCX tag matching over whatever UCX finds: shared memory, TCP, InfiniBand. Lanes and protocols are
// UCX's choice; `UCX_*` variables of the user are honoured. Errors name the limit that is too small
// (shared memory, locked memory), what is there and the way out.
[[nodiscard]] Result<std::unique_ptr<Transport>> make_ucx_transport(const UcxOptions& options);

struct LibfabricOptions {
  std::string job;       // stands in the names of this process's shared-memory files
  std::string provider;  // as libfabric names it: "tcp;ofi_rxm", "shm", "verbs;ofi_rxm"; empty: the best that is found
  // The numeric address of this host that endpoints have where the provider has it, unless the user has set
  // FI_TCP_IFACE; empty: libfabric's choice.
  std::string local_host = {};
  // How long starts may wait for a provider that takes none and completes none; they then end as unavailable.
  std::uint64_t stall_limit_ns = 10'000'000'000;
};

// libfabric's tagged messages over one of its providers; `FI_*` variables of the user are honoured. Without a
// provider's name the best one that reaches other hosts is chosen, with its reason in the log; shared memory only by
// name. `unavailable` in a build without libfabric.
[[nodiscard]] Result<std::unique_ptr<Transport>> make_libfabric_transport(const LibfabricOptions& options);

// What LibfabricOptions::provider may be on this machine, best first; empty in a build without libfabric.
[[nodiscard]] std::vector<std::string> libfabric_providers();

// Removes what processes of this user that are no more left in shared memory, whatever their job; never what belongs to
// a living process, of this host or of a container that shares its /dev/shm. One look into /dev/shm where there is
// nothing. Returns what was removed.
std::vector<std::string> sweep_shared_memory();

}  // namespace gossamer::transport
