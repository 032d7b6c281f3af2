#include "transport/libfabric/operations.h"

#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

namespace gossamer::transport::libfabric {

Posted post(const Endpoint& endpoint, Operation& o, fi_addr_t peer, std::size_t inject_bytes) {
  fid_ep* const ep = endpoint.ep();
  const bool inject = o.on_host && o.bytes <= inject_bytes;
  switch (o.record->kind) {
    case StartKind::receive:
      // From anyone: the tag holds the source.
      return {fi_trecv(ep, o.data, o.bytes, o.descriptor, FI_ADDR_UNSPEC, o.tag, 0, &o)};
    case StartKind::send:
      if (inject) return {fi_tinject(ep, o.data, o.bytes, peer, o.tag), true};
      return {fi_tsend(ep, o.data, o.bytes, o.descriptor, peer, o.tag, &o)};
    case StartKind::put:
      if (inject) return {fi_inject_writedata(ep, o.data, o.bytes, o.tag, peer, o.remote_address, o.remote_key), true};
      return {fi_writedata(ep, o.data, o.bytes, o.descriptor, o.tag, peer, o.remote_address, o.remote_key, &o)};
    default:
      GOSSAMER_CHECK(false, "waits are not posted");
      return {};
  }
}

}  // namespace gossamer::transport::libfabric
