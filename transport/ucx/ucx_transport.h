// Transport over UCX tag matching; its memory is in memory.cc.
//
// Peers are told apart by the tag alone: the caller's tag holds the source rank, so a receive
// matches all 64 bits of it. Four limits of UCX 1.13 that a caller should know:
//  - close_view drops every message that no receive was posted for, of whatever view. No rank may
//    start in a new view before all its members have closed the former one.
//  - A rank that closes its view drops data which its peers still wait for only if they have not
//    received it yet: agree by the control plane that all are done, then close.
//  - A close by force of a shared-memory connection does not end, and so do not the requests on it,
//    while the peer's queue is full; a peer that died with a full queue never empties it. fail_peer
//    then completes the starts itself, and the transport cannot close its view any more. A receive
//    that was half done when its peer was given up must not have its memory used again while that
//    peer may still live.
//  - A process killed while it sends may leave the survivor's shared-memory queue unusable for all
//    other senders, with no error. After a death make new transports instead of opening a view.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/base.h"
#include "transport/requests.h"
#include "transport/transport.h"
#include "transport/ucx/endpoints.h"
#include "transport/ucx/functions.h"
#include "transport/ucx/shared_block.h"
#include "transport/ucx/worker.h"

namespace gossamer::transport::ucx {

// Of a kind that register_memory has let pass.
[[nodiscard]] inline ucs_memory_type_t memory_type(MemoryKind kind) {
  return kind == MemoryKind::cuda ? UCS_MEMORY_TYPE_CUDA : UCS_MEMORY_TYPE_HOST;
}

class UcxTransport final : public Transport {
 public:
  explicit UcxTransport(std::unique_ptr<Worker> worker) : worker_(std::move(worker)), endpoints_(*worker_) {}
  ~UcxTransport() override;
  UcxTransport(const UcxTransport&) = delete;
  UcxTransport& operator=(const UcxTransport&) = delete;

  const Capabilities& capabilities() const override { return worker_->capabilities(); }
  const Address& address() const override { return worker_->address(); }
  Status open_view(const View& view) override;
  Status close_view(std::uint64_t deadline_ns) override;
  Result<Region> register_memory(void* base, std::size_t bytes, MemoryKind kind) override;
  void release_memory(const Region& region) override;
  Result<Region> allocate_memory(std::size_t bytes) override;
  Result<Token> start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) override;
  Result<Token> start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) override;
  Result<RegionKey> export_region(const Region& region) override;
  Result<RemoteRegion> import_region(Rank peer, const RegionKey& key) override;
  void release_remote(const RemoteRegion& remote) override { imports_.erase(remote.id); }
  Result<const std::byte*> map_remote(const RemoteRegion& remote) override;
  void cancel(Token token) override;
  std::size_t poll(std::span<Completion> completions) override;
  void fail_peer(Rank peer) override;
  int event_descriptor() const override { return worker_->event_descriptor(); }
  bool arm() override;

 private:
  friend struct UcxConnections;  // tests/transport/ucx_lanes.cc looks at what UCX chose

  struct Registration {
    std::byte* base = nullptr;
    std::size_t bytes = 0;
    MemoryKind kind = MemoryKind::host;
    ucp_mem_h memory = nullptr;          // null where no device needs it
    std::unique_ptr<SharedBlock> block;  // of allocate_memory
    bool used = false;
  };

  // The connected peer of a start, or null: then `start_error` says why, at the cost of a sentence.
  [[nodiscard]] PeerState* ready(Rank rank, const Slice& slice, StartKind kind);
  [[nodiscard]] Error start_error(Rank rank, const Slice& slice);
  [[nodiscard]] bool is_registered(const Slice& slice) const;
  [[nodiscard]] ucp_request_param_t parameters(Record& record, const Slice& slice) const;
  [[nodiscard]] Result<Token> started(Record& record, PeerState& peer, void* request);
  [[nodiscard]] Code code_of(const Record& record, const PeerState& peer, ucs_status_t status) const;
  void finish(Record& record, ucs_status_t status, std::size_t bytes);
  static void on_sent(void* request, ucs_status_t status, void* record);
  static void on_received(void* request, ucs_status_t status, const ucp_tag_recv_info_t* info, void* record);

  [[nodiscard]] Result<ucp_mem_h> map_for_devices(void* base, std::size_t bytes, MemoryKind kind) const;
  [[nodiscard]] Region keep(Registration registration);

  void cancel_receives(PeerState& peer);
  void care();
  template <typename Condition>
  bool progress_until(const Condition& condition, std::uint64_t end_ns);
  void drop_unexpected();

  std::unique_ptr<Worker> worker_;
  Endpoints endpoints_;
  Requests requests_;
  std::vector<Registration> registrations_;  // Region::id is the index + 1
  struct FailedPeer {
    Rank rank;
    std::uint64_t orphan_ns = 0;  // when UCX has had time enough to end its starts
  };
  std::vector<FailedPeer> failed_;  // whose starts are still pending
  SteadyClock clock_;
  Epoch epoch_;  // of the open view
  Rank self_;
  std::map<std::uint64_t, std::unique_ptr<SharedBlock>> imports_;  // of peers in this view, by RemoteRegion::id
  std::uint64_t last_import_ = 0;
  bool abandoned_ = false;
};

// With `transports` as in UCX_TLS, for tests; make_ucx_transport leaves the choice to the user and UCX.
[[nodiscard]] Result<std::unique_ptr<UcxTransport>> make_ucx_transport_with(const WorkerOptions& options);

}  // namespace gossamer::transport::ucx
