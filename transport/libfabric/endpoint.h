// What one view has of libfabric: an endpoint, its completion queue, its table of addresses.
//
// Each view has its own. Closing them is what makes sure that nothing of an old view lands: libfabric has no
// way to drop all that a peer has begun to send, and none to end a transfer under way.
#pragma once

#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>

#include <memory>
#include <mutex>
#include <vector>

#include "base/base.h"
#include "transport/libfabric/address.h"
#include "transport/libfabric/domain.h"

namespace gossamer::transport::libfabric {

class Endpoint {
 public:
  // Opens an endpoint at `address`, or where the provider likes when it is empty. Blocks some milliseconds.
  [[nodiscard]] static Result<std::unique_ptr<Endpoint>> open(std::shared_ptr<Domain> domain,
                                                              const ProviderAddress& address);

  [[nodiscard]] fid_ep* ep() const { return endpoint_.get(); }
  [[nodiscard]] fid_cq* completions() const { return queue_.get(); }
  [[nodiscard]] fid_av* peers() const { return peers_.get(); }
  // Of the completion queue; -1 where the provider has none.
  [[nodiscard]] int event_descriptor() const { return event_descriptor_; }
  [[nodiscard]] Result<ProviderAddress> address() const;

 private:
  Status open_queue();

  // Closed in the reverse order, the endpoint first.
  std::shared_ptr<Domain> domain_;  // shared: an endpoint in shared memory may outlive its transport
  Owned<fid_av> peers_;
  Owned<fid_cq> queue_;
  Owned<fid_ep> endpoint_;
  int event_descriptor_ = -1;
};

// Shared memory: endpoints of one process map each other's memory only once, and do not notice when the owner
// unmaps it. So an endpoint that is closed stays mapped until no other one of this process is open.
class SharedEndpoints {
 public:
  static void opened();
  // Takes an endpoint at the end of its view: nobody finds it any more, nothing moves in it.
  static void retire(std::unique_ptr<Endpoint> endpoint, const ProviderAddress& address);

 private:
  static SharedEndpoints& instance();
  std::mutex mutex_;
  std::size_t open_ = 0;
  std::vector<std::unique_ptr<Endpoint>> retired_;
};

}  // namespace gossamer::transport::libfabric
