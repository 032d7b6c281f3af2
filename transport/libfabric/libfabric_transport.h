// Transport over libfabric's reliable datagram endpoints: tagged messages.
//
// As with UCX, peers are told apart by the tag alone. What a caller should know:
//  - Each view has an endpoint, a completion queue and an address table of its own, closed with it. So nothing of
//    an old view lands, also from a peer that lives on: its connection is gone. Adapters that give each endpoint
//    another address serve one view only.
//  - A provider takes a bounded number of starts (1,024 receives with shm). What it does not take waits here and is
//    posted again by poll; after LibfabricOptions::stall_limit_ns without any progress it ends as unavailable.
//  - No provider ends a send to a dead peer by itself, nor a receive that was matched: fail_peer does. The memory of
//    a receive that was half done must not be used again while that peer may still live.
//  - Over shm every start takes the lock of the peer's queue, which is in shared memory, and so does the peer while it
//    polls. A process that is killed while it holds it leaves whoever starts to it next in that lock for ever
//    (libfabric 1.17): no deadline holds there. Where ranks may be killed use tcp, or UCX for shared memory.
#pragma once

#include <memory>
#include <vector>

#include "base/base.h"
#include "transport/libfabric/domain.h"
#include "transport/libfabric/endpoint.h"
#include "transport/libfabric/endpoints.h"
#include "transport/libfabric/operations.h"
#include "transport/libfabric/regions.h"
#include "transport/requests.h"
#include "transport/shared_memory.h"
#include "transport/transport.h"

namespace gossamer::transport::libfabric {

class LibfabricTransport final : public Transport {
 public:
  [[nodiscard]] static Result<std::unique_ptr<LibfabricTransport>> make(const LibfabricOptions& options);
  ~LibfabricTransport() override;
  LibfabricTransport(const LibfabricTransport&) = delete;
  LibfabricTransport& operator=(const LibfabricTransport&) = delete;

  const Capabilities& capabilities() const override { return capabilities_; }
  const Address& address() const override { return address_; }
  Status open_view(const View& view) override;
  Status close_view(std::uint64_t deadline_ns) override;
  Result<Region> register_memory(void* base, std::size_t bytes, MemoryKind kind) override;
  void release_memory(const Region& region) override { regions_.remove(region); }
  Result<Region> allocate_memory(std::size_t bytes) override { return regions_.allocate(bytes); }
  Result<Token> start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) override;
  Result<Token> start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) override;
  void cancel(Token token) override;
  std::size_t poll(std::span<Completion> completions) override;
  void fail_peer(Rank peer) override;
  int event_descriptor() const override { return event_descriptor_; }
  bool arm() override;

 private:
  LibfabricTransport(std::shared_ptr<Domain> domain, const LibfabricOptions& options);
  Status set_up();
  void read_capabilities();
  Status open_endpoint(Epoch epoch);
  void close_endpoint();

  // The peer of a start, or null: then `start_error` says why, at the cost of a sentence.
  [[nodiscard]] PeerState* ready(Rank rank, const Slice& slice);
  [[nodiscard]] Error start_error(Rank rank, const Slice& slice);
  [[nodiscard]] Operation& begin(StartKind kind, PeerState& peer, const Slice& slice, std::uint64_t context);
  [[nodiscard]] Result<Token> launch(Operation& operation, PeerState& peer);
  [[nodiscard]] Delayed& queue_of(const Operation& operation, PeerState& peer) {
    return operation.record->kind == StartKind::receive ? receives_ : peer.delayed;
  }
  [[nodiscard]] Posted post_to(Operation& operation, PeerState& peer);
  void delay(Operation& operation, PeerState& peer);
  void give_up(Operation& receive);
  // The provider has told the end of the operation.
  void complete(Operation& operation, Code code, std::size_t bytes);
  void finish(Record& record, Code code, std::size_t bytes);

  // Takes up to a batch of what the completion queue holds, and says how much it took.
  std::size_t read_queue();
  void read_error();
  // Posts delayed starts again. True when the queue is empty.
  bool repost(Delayed& delayed);
  void end_delayed(Delayed& delayed, Code code);
  void care();

  std::unique_ptr<SharedFolder> folder_;  // says that this process lives, where its endpoints are files
  std::shared_ptr<Domain> domain_;
  std::unique_ptr<PortGuard> port_;
  Capabilities capabilities_;
  ProviderAddress own_;  // as the provider reads it
  Address address_;
  LibfabricOptions options_;
  std::size_t inject_bytes_ = 0;  // what is sent as a copy, without a completion
  int event_descriptor_ = -1;     // waits for that of the view's completion queue

  Requests requests_;
  Operations operations_;
  Regions regions_;
  Endpoints endpoints_;
  std::unique_ptr<Endpoint> endpoint_;
  ProviderAddress endpoint_name_;
  Delayed receives_;                 // that the provider has not taken
  std::vector<PeerState*> delayed_;  // peers with delayed sends
  struct FailedPeer {
    Rank rank;
    std::uint64_t orphan_ns = 0;  // when the provider has had time enough to end its receives
  };
  std::vector<FailedPeer> failed_;  // whose starts are still pending
  SteadyClock clock_;
};

}  // namespace gossamer::transport::libfabric
