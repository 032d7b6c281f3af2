// One rank's side of the simulated network. It behaves as the ucx transport does where that is
// surprising: a receive from a dead peer hangs until fail_peer, close_view drops whatever waits
// unmatched, and a message may arrive before its receiver has opened a view.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/base.h"
#include "transport/requests.h"
#include "transport/sim/sim_network.h"
#include "transport/simulation.h"

namespace gossamer::transport::sim {

class SimTransport final : public Transport {
 public:
  explicit SimTransport(std::shared_ptr<SimCore> core);
  ~SimTransport() override;
  SimTransport(const SimTransport&) = delete;
  SimTransport& operator=(const SimTransport&) = delete;

  const Capabilities& capabilities() const override { return capabilities_; }
  const Address& address() const override { return address_; }
  Status open_view(const View& view) override;
  Status close_view(std::uint64_t deadline_ns) override;
  Result<Region> register_memory(void* base, std::size_t bytes, MemoryKind kind) override;
  void release_memory(const Region& region) override;
  Result<Token> start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) override;
  Result<Token> start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) override;
  Result<Region> allocate_memory(std::size_t bytes) override;
  Result<RegionKey> export_region(const Region& region) override;
  Result<RemoteRegion> import_region(Rank peer, const RegionKey& key) override;
  void release_remote(const RemoteRegion& remote) override { remotes_.erase(remote.id); }
  Result<const std::byte*> map_remote(const RemoteRegion& remote) override;
  void cancel(Token token) override;
  std::size_t poll(std::span<Completion> completions) override;
  void fail_peer(Rank peer) override;
  int event_descriptor() const override { return -1; }
  bool arm() override { return false; }

  // From the network. `depart` reads the bytes and completes the send; false when it was given up.
  bool depart(Message& message);
  void arrive(Message message);

 private:
  struct Start {
    Rank peer;
    Tag tag;
    Slice slice;
    std::uint64_t context = 0;
    StartKind kind = StartKind::send;
  };
  struct PeerState {
    std::uint32_t transport = 0;
    bool lost = false;
  };
  using Key = std::pair<std::uint32_t, std::uint64_t>;  // source rank, tag

  [[nodiscard]] Status check_start(Rank peer, const Slice& slice) const;
  [[nodiscard]] std::uint64_t add_start(Start start);
  void complete(std::uint64_t start, Code code, std::size_t bytes);
  void unpost(std::uint64_t start, const Start& posted);
  void land(std::uint64_t start, const Message& message);

  std::shared_ptr<SimCore> core_;
  std::uint32_t number_;
  Capabilities capabilities_;
  Address address_;
  std::uint64_t last_region_ = 0;
  std::uint64_t last_start_ = 0;
  std::vector<PeerState> peers_;  // empty: no view
  Epoch epoch_;                   // of the view, or of the one closed last
  bool had_view_ = false;
  Rank rank_;
  std::map<std::uint64_t, Start> pending_;           // in the order of starting, so that runs repeat
  std::map<Key, std::deque<std::uint64_t>> posted_;  // receives that wait for a message
  std::map<Key, std::deque<Message>> unexpected_;    // messages of this view that wait for a receive
  std::vector<Message> early_;                       // messages of a view that is not open yet
  std::map<std::uint64_t, const std::byte*> remotes_;
  std::uint64_t last_remote_ = 0;
  std::map<std::uint64_t, const std::byte*> regions_;  // registered; the memory where it is of allocate_memory
  std::deque<Completion> finished_;
};

}  // namespace gossamer::transport::sim
