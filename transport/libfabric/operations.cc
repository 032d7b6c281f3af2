#include "transport/libfabric/operations.h"

#include <rdma/fi_errno.h>
#include <rdma/fi_tagged.h>

namespace gossamer::transport::libfabric {

Posted post(const Endpoint& endpoint, Operation& operation, fi_addr_t peer, std::size_t inject_bytes) {
  fid_ep* const ep = endpoint.ep();
  Operation& o = operation;
  if (o.record->kind == StartKind::receive) {
    // From anyone: the tag holds the source.
    const ssize_t result = fi_trecv(ep, o.data, o.bytes, o.descriptor, FI_ADDR_UNSPEC, o.tag, 0, &o);
    return {result == -FI_ENOMEM ? -FI_EAGAIN : result};  // shm's word for a full queue of receives
  }
  if (o.on_host && o.bytes <= inject_bytes) return {fi_tinject(ep, o.data, o.bytes, peer, o.tag), true};
  return {fi_tsend(ep, o.data, o.bytes, o.descriptor, peer, o.tag, &o)};
}

}  // namespace gossamer::transport::libfabric
