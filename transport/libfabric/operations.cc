#include "transport/libfabric/operations.h"

#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

namespace gossamer::transport::libfabric {
namespace {

Posted post_put_in_two(fid_ep* ep, Operation& o, fi_addr_t peer) {
  if (o.posted == 0 && o.bytes > 0) {
    const ssize_t result = fi_write(ep, o.data, o.bytes, o.descriptor, peer, o.remote_address, o.remote_key, &o);
    if (result != 0) return {result};
    ++o.posted;
  }
  return {fi_writedata(ep, nullptr, 0, nullptr, o.tag, peer, o.remote_address, o.remote_key, &o)};
}

// From anyone: the tag holds the source.
Posted post_receive(fid_ep* ep, Operation& o) {
  const ssize_t result = fi_trecv(ep, o.data, o.bytes, o.descriptor, FI_ADDR_UNSPEC, o.tag, 0, &o);
  return {result == -FI_ENOMEM ? -FI_EAGAIN : result};  // shm's word for a full queue of receives
}

Posted post_once(fid_ep* ep, Operation& o, fi_addr_t peer, const PostOptions& options) {
  const bool inject = o.on_host && o.bytes <= options.inject_bytes;
  switch (o.record->kind) {
    case StartKind::receive:
      return post_receive(ep, o);
    case StartKind::send:
      if (inject) return {fi_tinject(ep, o.data, o.bytes, peer, o.tag), true};
      return {fi_tsend(ep, o.data, o.bytes, o.descriptor, peer, o.tag, &o)};
    case StartKind::put:
      if (options.puts_in_two) return post_put_in_two(ep, o, peer);
      if (inject) return {fi_inject_writedata(ep, o.data, o.bytes, o.tag, peer, o.remote_address, o.remote_key), true};
      return {fi_writedata(ep, o.data, o.bytes, o.descriptor, o.tag, peer, o.remote_address, o.remote_key, &o)};
    default:
      GOSSAMER_CHECK(false, "waits are not posted");
      return {};
  }
}

}  // namespace

Posted post(const Endpoint& endpoint, Operation& operation, fi_addr_t peer, const PostOptions& options) {
  const Posted posted = post_once(endpoint.ep(), operation, peer, options);
  if (posted.result == 0 && !posted.ended) ++operation.posted;
  return posted;
}

}  // namespace gossamer::transport::libfabric
