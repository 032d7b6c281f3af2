// The peers of one view, and the starts that the provider does not take yet.
#pragma once

#include <cstdint>
#include <vector>

#include "base/base.h"
#include "transport/libfabric/endpoint.h"
#include "transport/requests.h"
#include "transport/transport.h"

namespace gossamer::transport::libfabric {

// Starts in the order in which they wait to be posted, and since when nothing has moved.
struct Delayed {
  RecordList records;
  std::uint64_t since_ns = 0;
  bool moved = false;  // something has: the time starts again
};

// What this process knows of one peer of the view, and what waits to be posted to it.
struct PeerState {
  Rank rank;
  ProviderAddress name;                // as the provider reads it, in this view
  fi_addr_t address = FI_ADDR_UNSPEC;  // in the table of the view's endpoint; set at the first start
  RecordList pending;                  // starts to and from it that the provider has
  Delayed delayed;                     // sends to it that the provider has not
  bool lost = false;                   // fail_peer was called
};

class Endpoints {
 public:
  // Reads the addresses.
  Status open(const View& view, const Provider& provider);
  void close() { peers_.clear(); }

  [[nodiscard]] std::size_t size() const { return peers_.size(); }
  [[nodiscard]] PeerState& at(std::size_t rank) { return peers_[rank]; }

  // Makes the peer known to the endpoint. Sends nothing: providers connect at the first transfer.
  Status connect(PeerState& peer, const Endpoint& endpoint);

 private:
  std::vector<PeerState> peers_;
};

}  // namespace gossamer::transport::libfabric
