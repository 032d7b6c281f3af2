#include "transport/libfabric/endpoints.h"

#include <rdma/fi_errno.h>

namespace gossamer::transport::libfabric {

Status Endpoints::open(const View& view, const Provider& provider) {
  std::vector<PeerState> peers(view.addresses.size());
  for (std::size_t i = 0; i < peers.size(); ++i) {
    peers[i].rank = Rank{static_cast<std::uint32_t>(i)};
    GOSSAMER_ASSIGN(auto address, decode_address(peers[i].rank, view.addresses[i], provider));
    peers[i].name = address_in_view(provider, address, view.epoch);
  }
  peers_ = std::move(peers);
  return {};
}

Status Endpoints::connect(PeerState& peer, const Endpoint& endpoint) {
  const int inserted = fi_av_insert(endpoint.peers(), peer.name.data(), 1, &peer.address, 0, nullptr);
  if (inserted == 1) return {};
  peer.address = FI_ADDR_UNSPEC;
  Error error =
      library_error(Code::unavailable, text("find rank ", peer.rank.value), inserted < 0 ? inserted : FI_EINVAL);
  error.rank = peer.rank;
  return error;
}

}  // namespace gossamer::transport::libfabric
