#include "transport/ucx/ucx_transport.h"

#include <algorithm>

#include "transport/start_checks.h"
#include "transport/ucx/library.h"

namespace gossamer::transport {
namespace ucx {
namespace {

constexpr ucp_tag_t whole_tag = ~ucp_tag_t{0};
constexpr std::uint64_t destructor_deadline_ns = 1'000'000'000;
// Of close_view's time, at most a quarter and at most this is for messages already sent to leave; a
// healthy peer that polls needs microseconds.
constexpr std::uint64_t flush_ns_max = 100'000'000;
// How long fail_peer waits for a connection that is still being set up; see endpoints.h.
constexpr std::uint64_t failed_peer_wait_ns = 100'000'000;
// When fail_peer ends the starts that UCX has not: the wait above and two hundred milliseconds.
constexpr std::uint64_t orphan_after_ns = 300'000'000;
// Progress calls in one poll while UCX says that there is more; bounds the time of a poll.
constexpr int progress_calls_max = 16;

}  // namespace

UcxTransport::~UcxTransport() {
  static_cast<void>(close_view(destructor_deadline_ns));
  worker_->settle();
  for (const Registration& registration : registrations_) {
    if (abandoned_ && registration.block != nullptr) registration.block->leave_behind();
    if (!abandoned_ && registration.memory != nullptr) ucp_mem_unmap(worker_->context(), registration.memory);
  }
}

Status UcxTransport::open_view(const View& view) {
  if (abandoned_) return Error{Code::unavailable, "the former view could not be closed; make a new transport"};
  if (endpoints_.size() != 0) return Error{Code::busy, "a view is open; close it before the next one"};
  GOSSAMER_TRY(check_view(view));
  GOSSAMER_TRY(endpoints_.open(view));
  epoch_ = view.epoch;
  self_ = view.rank;
  return {};
}

bool UcxTransport::is_registered(const Slice& slice) const {
  const std::uint64_t id = slice.region.id;
  return slice.bytes == 0 || (id - 1 < registrations_.size() && registrations_[id - 1].base == slice.region.base &&
                              registrations_[id - 1].kind == slice.region.kind);
}

PeerState* UcxTransport::ready(Rank rank, const Slice& slice, StartKind kind) {
  if (rank.value >= endpoints_.size() || !slice_fits(slice) || !is_registered(slice)) return nullptr;
  PeerState& peer = endpoints_.at(rank.value);
  if (peer.endpoint != nullptr && !peer.lost && !peer.broken) [[likely]]
    return &peer;
  if (peer.lost || (peer.broken && kind != StartKind::receive)) return nullptr;
  if (peer.broken || endpoints_.connect(peer).ok()) return &peer;
  // A receive connects as well: what it matches can be ended only through an endpoint. Where that
  // fails, the message may still have come before; if not, it ends by fail_peer.
  return kind == StartKind::receive ? &peer : nullptr;
}

Error UcxTransport::start_error(Rank rank, const Slice& slice) {
  if (endpoints_.size() == 0) return no_view_error();
  if (rank.value >= endpoints_.size()) return peer_range_error(rank, endpoints_.size());
  if (!slice_fits(slice)) return slice_error(slice);
  if (!is_registered(slice)) return unregistered_error(slice.region);
  const PeerState& peer = endpoints_.at(rank.value);
  return peer.failure && !peer.lost ? *peer.failure : peer_lost_error(rank);
}

ucp_request_param_t UcxTransport::parameters(Record& record, const Slice& slice) const {
  ucp_request_param_t parameters;  // fields outside the mask are not read
  parameters.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  parameters.user_data = &record;
  parameters.memory_type = slice.bytes > 0 ? memory_type(slice.region.kind) : UCS_MEMORY_TYPE_HOST;
#if UCP_API_VERSION >= UCP_VERSION(1, 13)
  if (slice.bytes > 0 && registrations_[slice.region.id - 1].memory != nullptr) {
    parameters.op_attr_mask |= UCP_OP_ATTR_FIELD_MEMH;
    parameters.memh = registrations_[slice.region.id - 1].memory;
  }
#endif
  return parameters;
}

Result<Token> UcxTransport::start_send(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) {
  PeerState* const to = ready(peer, slice, StartKind::send);
  if (to == nullptr) return start_error(peer, slice);
  Record& record = requests_.acquire(StartKind::send, peer, context, to->pending);
  record.owner = this;
  record.bytes = slice.bytes;
  ucp_request_param_t send = parameters(record, slice);
  send.cb.send = &UcxTransport::on_sent;
  return started(record, *to, ucp_tag_send_nbx(to->endpoint, slice.data(), slice.bytes, tag.value, &send));
}

Result<Token> UcxTransport::start_receive(Rank peer, Tag tag, const Slice& slice, std::uint64_t context) {
  PeerState* const from = ready(peer, slice, StartKind::receive);
  if (from == nullptr) return start_error(peer, slice);
  Record& record = requests_.acquire(StartKind::receive, peer, context, from->pending);
  record.owner = this;
  ucp_request_param_t receive = parameters(record, slice);
  // For a message that waits already, UCX 1.13 tells the length to the callback only.
  receive.op_attr_mask |= UCP_OP_ATTR_FLAG_NO_IMM_CMPL;
  receive.cb.recv = &UcxTransport::on_received;
  return started(record, *from,
                 ucp_tag_recv_nbx(worker_->ucp(), slice.data(), slice.bytes, tag.value, whole_tag, &receive));
}

// What UCX's start returned becomes a pending record, a finished one, or an error.
Result<Token> UcxTransport::started(Record& record, PeerState& peer, void* request) {
  const Token token = Requests::token(record);
  if (record.state == Record::State::finished) return token;  // by the callback, which freed the request
  if (UCS_PTR_IS_PTR(request)) {
    record.request = request;
    return token;
  }
  const ucs_status_t status = UCS_PTR_STATUS(request);
  if (status == UCS_OK) {
    requests_.finish(record, peer.pending, Code::done, record.bytes);
    return token;
  }
  const std::string_view what = record.kind == StartKind::receive ? "receive from rank " : "send to rank ";
  requests_.abandon(record, peer.pending);
  Error error = status_error(completion_code(status), text(what, peer.rank.value), status);
  error.rank = peer.rank;
  return error;
}

Code UcxTransport::code_of(const Record& record, const PeerState& peer, ucs_status_t status) const {
  if (record.peer_failed) return Code::peer_lost;
  if (status != UCS_OK && status != UCS_ERR_MESSAGE_TRUNCATED && peer.broken && record.kind != StartKind::receive) {
    return Code::peer_lost;
  }
  return completion_code(status);
}

void UcxTransport::finish(Record& record, ucs_status_t status, std::size_t bytes) {
  if (record.state == Record::State::orphaned) return requests_.end_orphan(record);
  PeerState& peer = endpoints_.at(record.peer);
  requests_.finish(record, peer.pending, code_of(record, peer, status), bytes);
}

void UcxTransport::on_sent(void* request, ucs_status_t status, void* user_data) {
  Record& record = *static_cast<Record*>(user_data);
  static_cast<UcxTransport*>(record.owner)->finish(record, status, record.bytes);
  ucp_request_free(request);
}

void UcxTransport::on_received(void* request, ucs_status_t status, const ucp_tag_recv_info_t* info, void* user_data) {
  Record& record = *static_cast<Record*>(user_data);
  static_cast<UcxTransport*>(record.owner)->finish(record, status, info == nullptr ? 0 : info->length);
  ucp_request_free(request);
}

void UcxTransport::cancel(Token token) {
  // UCX 1.13 ends only receives that nothing has matched; the others end as they would have.
  Record* const record = requests_.find(token);
  if (record != nullptr && record->kind == StartKind::receive) ucp_request_cancel(worker_->ucp(), record->request);
}

std::size_t UcxTransport::poll(std::span<Completion> completions) {
  if (abandoned_) return 0;
  std::size_t count = 0;
  for (int call = 0; call < progress_calls_max; ++call) {
    const unsigned events = ucp_worker_progress(worker_->ucp());
    while (count < completions.size() && requests_.pop_finished(completions[count])) ++count;
    if (events == 0 || count > 0) break;  // whoever has something to do does it first
  }
  if (endpoints_.needs_care() || !failed_.empty()) care();
  return count;
}

void UcxTransport::care() {
  endpoints_.care();
  std::erase_if(failed_, [&](const FailedPeer& failed) {
    PeerState& peer = endpoints_.at(failed.rank.value);
    if (peer.pending.empty()) return true;
    if (clock_.now_ns() < failed.orphan_ns) return false;
    while (!peer.pending.empty()) requests_.orphan(*peer.pending.first(), peer.pending, Code::peer_lost);
    return true;
  });
}

bool UcxTransport::arm() {
  if (abandoned_ || requests_.has_finished() || endpoints_.needs_care() || !failed_.empty()) return false;
  return ucp_worker_arm(worker_->ucp()) == UCS_OK;  // else UCS_ERR_BUSY: there are events to poll for
}

void UcxTransport::cancel_receives(PeerState& peer) {
  Record* next = nullptr;
  for (Record* record = peer.pending.first(); record != nullptr; record = next) {
    next = record->next;  // cancel completes an unmatched receive at once, and unlinks it
    if (record->kind == StartKind::receive) ucp_request_cancel(worker_->ucp(), record->request);
  }
}

void UcxTransport::fail_peer(Rank rank) {
  if (abandoned_ || rank.value >= endpoints_.size()) return;
  PeerState& peer = endpoints_.at(rank.value);
  if (peer.lost) return;
  peer.lost = true;
  for (Record* record = peer.pending.first(); record != nullptr; record = record->next) record->peer_failed = true;
  cancel_receives(peer);
  endpoints_.start_close(peer, failed_peer_wait_ns);
  if (!peer.pending.empty()) failed_.push_back({rank, clock_.now_ns() + orphan_after_ns});
}

template <typename Condition>
bool UcxTransport::progress_until(const Condition& condition, std::uint64_t end_ns) {
  while (!condition()) {
    if (clock_.now_ns() >= end_ns) return false;
    ucp_worker_progress(worker_->ucp());
    care();
  }
  return true;
}

// Takes the messages that no receive was posted for, so that they cannot match one of a later view.
void UcxTransport::drop_unexpected() {
  ucp_tag_recv_info_t info;
  while (ucp_tag_message_h message = ucp_tag_probe_nb(worker_->ucp(), 0, 0, 1, &info)) {
    // Into no memory at all: UCX sees a message that is too long and drops it.
    std::byte nothing{};
    const ucp_request_param_t receive{};
    void* const request = ucp_tag_msg_recv_nbx(worker_->ucp(), &nothing, 0, message, &receive);
    if (UCS_PTR_IS_PTR(request)) ucp_request_free(request);
  }
}

Status UcxTransport::close_view(std::uint64_t deadline_ns) {
  if (abandoned_) return Error{Code::deadline, "the view could not be closed before; destroy the transport"};
  if (endpoints_.size() == 0) return {};
  const std::uint64_t start_ns = clock_.now_ns();
  imports_.clear();
  const auto for_each_peer = [&](const auto& action) {
    for (std::size_t i = 0; i < endpoints_.size(); ++i) action(endpoints_.at(i));
  };
  for_each_peer([&](PeerState& peer) { cancel_receives(peer); });
  for_each_peer([&](PeerState& peer) { endpoints_.start_flush(peer); });
  const std::uint64_t flush_ns = std::min(deadline_ns / 4, flush_ns_max);
  static_cast<void>(progress_until([&] { return endpoints_.is_idle(); }, start_ns + flush_ns));
  // A connection closed while it is made can abort the peer (endpoints.h): up to half of the time.
  static_cast<void>(progress_until([&] { return endpoints_.is_established(); }, start_ns + deadline_ns / 2));
  for_each_peer([&](PeerState& peer) { endpoints_.start_close(peer, 0); });
  // Where starts were orphaned, UCX has had its time.
  const std::uint64_t end_ns =
      start_ns + (requests_.orphan_count() > 0 ? std::min(deadline_ns, orphan_after_ns) : deadline_ns);
  const bool closed = progress_until(
      [&] { return endpoints_.is_idle() && requests_.pending_count() == 0 && requests_.orphan_count() == 0; }, end_ns);
  if (!closed) {
    abandoned_ = true;
    worker_->abandon();
    return Error{Code::deadline, text("the view could not be closed within ", format_duration(end_ns - start_ns), ": ",
                                      requests_.pending_count() + requests_.orphan_count(),
                                      " starts have no end in UCX; destroy the transport, and "
                                      "do not use its registered memory again")};
  }
  drop_unexpected();
  requests_.drop_finished();
  failed_.clear();
  endpoints_.clear();
  return {};
}

Result<std::unique_ptr<UcxTransport>> make_ucx_transport_with(const WorkerOptions& options) {
  GOSSAMER_ASSIGN(auto worker, Worker::make(options));
  return std::make_unique<UcxTransport>(std::move(worker));
}

}  // namespace ucx

Result<std::unique_ptr<Transport>> make_ucx_transport(const UcxOptions& options) {
  GOSSAMER_ASSIGN(auto transport, ucx::make_ucx_transport_with({options.job, "", options.local_host, options.interfaces,
                                                                options.tcp_send_buffer_bytes}));
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace gossamer::transport
