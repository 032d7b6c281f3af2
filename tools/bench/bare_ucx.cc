#include "tools/bench/bare_ucx.h"

#include <algorithm>
#include <cstdlib>

#include "transport/ucx/functions.h"

namespace gossamer::tools {
namespace {

using namespace transport::ucx::functions;

Error ucx_error(const char* what, ucs_status_t status) {
  return {Code::unavailable, text("UCX could not ", what, ": ", ucs_status_string(status))};
}

// The features, the error mode and the lanes are those that the transport asks for, so that what is left between
// the two is the transport's own work.
class BareUcxChannel final : public Channel {
 public:
  ~BareUcxChannel() override {
    if (endpoint_ != nullptr) {
      ucp_request_param_t parameters{};
      parameters.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
      parameters.flags = UCP_EP_CLOSE_FLAG_FORCE;
      static_cast<void>(wait(ucp_ep_close_nbx(endpoint_, &parameters)));
    }
    if (worker_ != nullptr) ucp_worker_destroy(worker_);
    if (context_ != nullptr) ucp_cleanup(context_);
  }

  Status set_up(const Exchange& exchange, const ChannelMemory& memory) {
    // The endpoint keeps its shared-memory lanes beside error handling only with this.
    ::setenv("UCX_MM_ERROR_HANDLING", "y", 0);
    ucp_config_t* config = nullptr;
    ucs_status_t status = ucp_config_read(nullptr, nullptr, &config);
    if (status != UCS_OK) return ucx_error("read its configuration", status);
    ucp_params_t context{};
    context.field_mask = UCP_PARAM_FIELD_FEATURES;
    context.features = UCP_FEATURE_TAG | UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
    status = ucp_init_version(UCP_API_MAJOR, UCP_API_MINOR, &context, config, &context_);
    ucp_config_release(config);
    if (status != UCS_OK) return ucx_error("start", status);
    ucp_worker_params_t worker{};
    worker.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
    worker.thread_mode = UCS_THREAD_MODE_SERIALIZED;
    status = ucp_worker_create(context_, &worker, &worker_);
    if (status != UCS_OK) return ucx_error("make a worker", status);
    ucp_address_t* address = nullptr;
    std::size_t bytes = 0;
    status = ucp_worker_get_address(worker_, &address, &bytes);
    if (status != UCS_OK) return ucx_error("tell the worker's address", status);
    const auto* const first = reinterpret_cast<const std::byte*>(address);
    const auto theirs = exchange(Blob(first, first + bytes));
    ucp_worker_release_address(worker_, address);
    if (!theirs.ok()) return theirs.error();
    ucp_ep_params_t peer{};
    peer.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
    peer.address = reinterpret_cast<const ucp_address_t*>(theirs->data());
    peer.err_mode = UCP_ERR_HANDLING_MODE_PEER;
    status = ucp_ep_create(worker_, &peer, &endpoint_);
    if (status != UCS_OK) return ucx_error("connect", status);
    memory_ = memory;
    return {};
  }

  Status ping_pong(std::size_t bytes, std::size_t count, bool leads) override {
    for (std::size_t i = 0; i < count; ++i) {
      void* const received = receive(bytes, 1);
      if (!leads) GOSSAMER_TRY(wait(received));
      void* const sent = send(bytes, 1);
      if (leads) GOSSAMER_TRY(wait(received));
      GOSSAMER_TRY(wait(sent));
    }
    return {};
  }

  Status stream(std::size_t bytes, std::size_t count, bool leads) override {
    std::vector<void*> requests;
    for (std::size_t done = 0; done < count;) {
      const std::size_t window = std::min(stream_window(bytes), count - done);
      requests.clear();
      for (std::size_t i = 0; i < window; ++i) {
        requests.push_back(leads ? send(bytes, 100 + i) : receive(bytes, 100 + i));
      }
      for (void* const request : requests) GOSSAMER_TRY(wait(request));
      done += window;
    }
    return wait(leads ? receive(1, 2) : send(1, 2));
  }

 private:
  void* send(std::size_t bytes, ucp_tag_t tag) {
    const ucp_request_param_t parameters{};
    return ucp_tag_send_nbx(endpoint_, memory_.out.data(), bytes, tag, &parameters);
  }

  void* receive(std::size_t bytes, ucp_tag_t tag) {
    const ucp_request_param_t parameters{};
    return ucp_tag_recv_nbx(worker_, memory_.in.data(), bytes, tag, ~ucp_tag_t{0}, &parameters);
  }

  Status wait(void* request) {
    if (request == nullptr) return {};
    if (!UCS_PTR_IS_PTR(request)) return ucx_error("start a message", UCS_PTR_STATUS(request));
    TimeLimit limit;
    ucs_status_t status = UCS_INPROGRESS;
    while ((status = ucp_request_check_status(request)) == UCS_INPROGRESS) {
      ucp_worker_progress(worker_);
      if (limit.is_over()) return silent_peer_error();
    }
    ucp_request_free(request);
    return status == UCS_OK ? Status() : ucx_error("move a message", status);
  }

  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  ucp_ep_h endpoint_ = nullptr;
  ChannelMemory memory_;
};

}  // namespace

Result<std::unique_ptr<Channel>> make_bare_ucx_channel(const Exchange& exchange, const ChannelMemory& memory) {
  GOSSAMER_TRY(transport::ucx::load_functions());
  const KeptSignals kept;
  auto channel = std::make_unique<BareUcxChannel>();
  GOSSAMER_TRY(channel->set_up(exchange, memory));
  return std::unique_ptr<Channel>(std::move(channel));
}

}  // namespace gossamer::tools
