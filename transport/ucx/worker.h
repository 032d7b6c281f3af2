// A UCX context with one worker: what the process needs to reach others and to be reached.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/base.h"
#include "transport/shared_memory.h"
#include "transport/transport.h"
#include "transport/ucx/functions.h"

namespace gossamer::transport::ucx {

struct WorkerOptions {
  std::string job;
  std::string transports;       // as in UCX_TLS, and before it; empty: what the environment says
  std::string local_host = {};  // UcxOptions, as the next ones
  std::vector<std::string> interfaces = {};
  std::uint64_t tcp_send_buffer_bytes = 0;
};

class Worker {
 public:
  // Sets UCX up. Blocks for a few milliseconds; changes the environment meanwhile (ScopedEnvironment).
  [[nodiscard]] static Result<std::unique_ptr<Worker>> make(const WorkerOptions& options);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] ucp_context_h context() const { return context_; }
  [[nodiscard]] ucp_worker_h ucp() const { return worker_; }
  [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
  [[nodiscard]] const Address& address() const { return address_; }
  [[nodiscard]] int event_descriptor() const { return event_descriptor_; }
  // Whether some device needs memory to be registered before it moves it.
  [[nodiscard]] bool has_rdma() const { return has_rdma_; }

  // The process's folder in shared memory; null where the transports may not use that, or there is none.
  [[nodiscard]] const SharedFolder* shared_folder() const { return folder_.get(); }

  // The active message that endpoints greet with (endpoints.h); whoever gets it ignores it.
  static constexpr unsigned greeting_id = 0;

  // Leaves the UCX objects behind, about 10 MiB of memory, since destroying them with requests or
  // connections unfinished aborts the process (seen on UCX 1.13.1). For a close that ran out of time.
  void abandon() { abandoned_ = true; }

  // Before the destruction: lets connections that peers are making get ready, since their unsent answers abort the
  // process when the worker is destroyed (UCX 1.13.1 over TCP). Returns at once where there are none, and abandons the
  // worker where they need too long.
  void settle();

 private:
  Worker() = default;
  Status set_up(const WorkerOptions& options);
  Status make_context(const WorkerOptions& options);
  Status make_worker();
  Status ignore_greetings();
  Status read_address();
  void read_capabilities();

  std::unique_ptr<SharedFolder> folder_;  // first: removed after the worker is destroyed
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  Capabilities capabilities_;
  Address address_;
  int event_descriptor_ = -1;
  bool has_rdma_ = false;
  bool abandoned_ = false;
};

// The worker address inside one of our addresses: a mark in front tells strangers apart.
[[nodiscard]] Result<const ucp_address_t*> worker_address(Rank rank, const Address& address);

}  // namespace gossamer::transport::ucx
