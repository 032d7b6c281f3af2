#include "transport/ucx/endpoints.h"

#include <algorithm>

#include "transport/ucx/library.h"

namespace gossamer::transport::ucx {

Status Endpoints::open(const View& view) {
  peers_.reserve(view.addresses.size());
  for (std::size_t i = 0; i < view.addresses.size(); ++i) {
    const Rank rank{static_cast<std::uint32_t>(i)};
    if (auto address = worker_address(rank, view.addresses[i]); !address.ok()) {
      peers_.clear();
      return std::move(address).error();
    }
    auto peer = std::make_unique<PeerState>();
    peer->owner = this;
    peer->rank = rank;
    peer->address = view.addresses[i];
    peers_.push_back(std::move(peer));
  }
  unfinished_.reserve(2 * peers_.size());
  return {};
}

Status Endpoints::connect(PeerState& peer) {
  GOSSAMER_ASSIGN(const auto address, worker_address(peer.rank, peer.address));
  ucp_ep_params_t parameters{};
  parameters.field_mask =
      UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  parameters.address = address;
  parameters.err_mode = UCP_ERR_HANDLING_MODE_PEER;  // or a dead peer's rendezvous never ends
  parameters.err_handler.cb = &Endpoints::on_error;
  parameters.err_handler.arg = &peer;
  const ucs_status_t status = ucp_ep_create(worker_.ucp(), &parameters, &peer.endpoint);
  if (status == UCS_OK) {
    greet(peer);
    return {};
  }
  peer.endpoint = nullptr;
  Error error = status_error(completion_code(status), text("connect to rank ", peer.rank.value), status);
  error.rank = peer.rank;
  peer.broken = true;
  peer.failure = error;
  return error;
}

void Endpoints::greet(PeerState& peer) {
  static const std::byte nothing{};
  ucp_request_param_t parameters{};
  parameters.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  parameters.flags = UCP_AM_SEND_FLAG_EAGER | UCP_AM_SEND_FLAG_REPLY;  // a reply needs the connection both ways
  parameters.cb.send = &Endpoints::on_greeted;
  parameters.user_data = &peer;
  void* const request = ucp_am_send_nbx(peer.endpoint, Worker::greeting_id, nullptr, 0, &nothing, 1, &parameters);
  if (UCS_PTR_IS_PTR(request)) {
    ++greetings_;
  } else {
    peer.established = request == nullptr;
  }
}

void Endpoints::on_greeted(void* request, ucs_status_t status, void* user_data) {
  PeerState& peer = *static_cast<PeerState*>(user_data);
  --peer.owner->greetings_;
  if (status == UCS_OK) peer.established = true;
  ucp_request_free(request);
}

void Endpoints::start_close(PeerState& peer, std::uint64_t wait_ns) {
  if (peer.endpoint == nullptr) return;
  if (peer.established || peer.broken || wait_ns == 0) return close_now(peer);
  if (peer.close_ns == 0) ++closing_;
  peer.close_ns = clock_.now_ns() + wait_ns;
}

void Endpoints::close_now(PeerState& peer) {
  if (peer.close_ns != 0) --closing_;
  peer.close_ns = 0;
  // Over verbs UCX 1.13 aborts when an endpoint is closed whose request to connect nobody has answered (an assertion
  // on the pending wireup message). It stays as it is, and its greeting keeps the worker from being destroyed.
  if (worker_.has_rdma() && !peer.established && !peer.broken) {
    peer.endpoint = nullptr;
    return;
  }
  ucp_request_param_t parameters{};
  parameters.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  parameters.flags = UCP_EP_CLOSE_FLAG_FORCE;
  void* const request = ucp_ep_close_nbx(peer.endpoint, &parameters);
  peer.endpoint = nullptr;
  if (UCS_PTR_IS_PTR(request)) unfinished_.push_back(request);
}

void Endpoints::start_flush(PeerState& peer) {
  if (peer.endpoint == nullptr || peer.broken || peer.lost) return;
  const ucp_request_param_t parameters{};
  void* const request = ucp_ep_flush_nbx(peer.endpoint, &parameters);
  if (UCS_PTR_IS_PTR(request)) unfinished_.push_back(request);
}

void Endpoints::care() {
  if (has_broken_ || closing_ > 0) {
    has_broken_ = false;
    const std::uint64_t now_ns = clock_.now_ns();
    for (const auto& peer : peers_) {
      if (peer->endpoint == nullptr) continue;
      const bool due = peer->close_ns != 0 && (peer->established || now_ns >= peer->close_ns);
      if (peer->broken || due) close_now(*peer);
    }
  }
  std::erase_if(unfinished_, [](void* request) {
    if (ucp_request_check_status(request) == UCS_INPROGRESS) return false;
    ucp_request_free(request);
    return true;
  });
}

void Endpoints::clear() {
  peers_.clear();
  has_broken_ = false;
}

void Endpoints::on_error(void* peer, ucp_ep_h /*endpoint*/, ucs_status_t status) {
  // Called from inside progress, where an endpoint cannot be closed: `care` does it.
  PeerState& broken = *static_cast<PeerState*>(peer);
  broken.broken = true;
  broken.owner->has_broken_ = true;
  // With nothing under way it is no news: a peer that has left in good order closes its end.
  const LogLevel level = broken.pending.empty() ? LogLevel::debug : LogLevel::info;
  if (is_log_enabled(level))
    log(level, text("the connection to rank ", broken.rank.value, " broke: ", ucs_status_string(status)));
}

}  // namespace gossamer::transport::ucx
